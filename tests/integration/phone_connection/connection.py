"""Connections of a phone to a double of the server, over real gRPC."""

from collections.abc import Callable

from tallymark.v1 import action_pb2, money_pb2, process_pb2
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.trust import Trust
from tallymark_protocol.device_key import DevicePrivateKey
from tests.doubles.customer_service import CustomerServiceDouble

__all__ = ["CARD_NUMBER", "DEVICE_KEY", "PROCESS_ID", "connect", "connect_to_nobody", "process"]

PROCESS_ID = "00" + "a1" * 16
DEVICE_KEY = DevicePrivateKey.generate()
CARD_NUMBER = "4111111111111111"


async def no_pause(seconds: float) -> None:
    """Do not wait between repeats."""


def connect(
    double: CustomerServiceDouble,
    address: str,
    *,
    session_token: str = "",
    repetition: Repetition | None = None,
    on_checkpoint: Callable[[str], None] = lambda _: None,
) -> PhoneConnection:
    return PhoneConnection(
        address,
        device_key=DEVICE_KEY,
        session_token=session_token,
        trust=Trust(ca_certificates_pem=double.authority.certificate_pem, source="ca.pem"),
        repetition=repetition or Repetition(sleep=no_pause),
        on_checkpoint=on_checkpoint,
    )


def connect_to_nobody() -> PhoneConnection:
    return PhoneConnection(
        "127.0.0.1:1", device_key=DEVICE_KEY, repetition=Repetition(sleep=no_pause)
    )


def process(
    state: process_pb2.ProcessState.ValueType = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER,
) -> process_pb2.Process:
    charge = action_pb2.ChargeInstruction(
        amount=money_pb2.Money(currency_code="EUR", minor_units=990),
        card_brand="VISA",
        card_last_four="1111",
    )
    return process_pb2.Process(
        process_id=PROCESS_ID,
        state=state,
        version=1,
        merchant_id="cafe",
        merchant_name="Café",
        terminal_id="till-1",
        actions=[
            action_pb2.ActionOutcome(
                action=action_pb2.Action(charge=action_pb2.ChargeAction(amount=charge.amount)),
                instruction=action_pb2.Instruction(charge=charge),
            )
        ],
    )
