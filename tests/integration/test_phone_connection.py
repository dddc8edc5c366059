"""The phone's connection against a double of the server, over real gRPC."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from tallymark.v1 import action_pb2, money_pb2, process_pb2
from tallymark.v1 import customer_service_pb2 as pb
from tallymark_phone.process_display import action_line
from tallymark_phone.processes import ActionKind, Decision, ProcessEvent, ProcessState, Refusal
from tallymark_phone.registrations import BillChoice, CodeChoice, Purpose, TicketChoice
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.trust import Trust
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import NotDone, Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.doubles.authority import Authority
from tests.doubles.customer_facts import (
    CHECKPOINT,
    DEVICE_ID,
    NOW,
    PASSWORD,
    TEN_MINUTES,
    TOKEN,
    code_text,
)
from tests.doubles.customer_service import CustomerServiceDouble
from tests.doubles.known_devices import INVITATION

PROCESS_ID = "00" + "a1" * 16
DEVICE_KEY = DevicePrivateKey.generate()
CARD_NUMBER = "4111111111111111"


async def no_pause(seconds: float) -> None:
    """Do not wait between repeats."""


@pytest.fixture
def double() -> CustomerServiceDouble:
    return CustomerServiceDouble()


@pytest.fixture
async def address(double: CustomerServiceDouble) -> AsyncIterator[str]:
    async with double.served() as address:
        yield address


@pytest.fixture
async def phone(double: CustomerServiceDouble, address: str) -> AsyncIterator[PhoneConnection]:
    """Return the connection of a phone that the double knows."""
    double.devices.keys[DEVICE_ID] = DEVICE_KEY.public()
    async with connect(double, address, session_token=TOKEN) as connection:
        yield connection


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


async def test_registering_opens_a_session_that_later_calls_use(
    address: str, double: CustomerServiceDouble
) -> None:
    async with connect(double, address) as phone:
        customer = await phone.register_customer(
            login_name="ana", password=PASSWORD, device_name="Phone"
        )
        await phone.get_wallet()

    assert customer.session.token == TOKEN
    assert TOKEN not in repr(customer)
    assert double.tokens == ["", f"Bearer {TOKEN}"]


async def test_a_lost_answer_is_asked_for_again_and_nothing_is_done_twice(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.lose_answers = 2

    card = await phone.register_card(card_number=CARD_NUMBER, expires_on="2031-05")

    assert card.last_four == "1111"
    assert len(double.calls) == 3
    assert double.calls[0] == double.calls[1] == double.calls[2]
    assert double.done["RegisterCardRequest"] == 1


async def test_what_stays_unknown_is_raised_and_never_as_a_refusal(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.lose_answers = 99

    with pytest.raises(UnknownOutcome):
        await phone.remove_card("00" * 17)

    assert len(double.calls) == 5


async def test_a_server_that_is_not_there_is_an_unknown_outcome() -> None:
    async with connect_to_nobody() as phone:
        with pytest.raises(UnknownOutcome):
            await phone.get_wallet()


async def test_a_refusal_has_its_reason_and_is_not_repeated(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.fail_next_with = [Refused(Reason.CARD_NOT_FOUND)]

    with pytest.raises(Refused) as refused:
        await phone.issue_code(CodeChoice(card_id="00" * 17))

    assert refused.value.reason is Reason.CARD_NOT_FOUND
    assert len(double.calls) == 1


@pytest.mark.parametrize(
    ("pushback_milliseconds", "pauses"), [(None, [2.0]), (1500, [1.5]), (-1, [])]
)
async def test_the_servers_wish_for_a_pause_is_obeyed(
    address: str,
    double: CustomerServiceDouble,
    pushback_milliseconds: int | None,
    pauses: list[float],
) -> None:
    kept: list[float] = []

    async def note(seconds: float) -> None:
        kept.append(seconds)

    double.fail_next_with = [NotDone(Reason.OVERLOADED, retry_after_seconds=2.0)]
    double.pushback_milliseconds = pushback_milliseconds

    async with connect(double, address, repetition=Repetition(sleep=note)) as phone:
        if pauses:
            await phone.get_wallet()
        else:
            with pytest.raises(NotDone):
                await phone.get_wallet()

    assert kept == pauses


async def test_a_code_is_asked_for_with_everything_that_was_chosen(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    general = CodeChoice(
        card_id="0c" * 17,
        bill=BillChoice(merchant_id="water", bill_reference="R-17"),
        terminal_tag="TT1:TAG",
    )
    ticket = CodeChoice(
        purpose=Purpose.TICKET, ticket=TicketChoice(event_id="summer", ticket_id="T1")
    )

    code = await phone.issue_code(general, password=PASSWORD)
    await phone.issue_code(ticket)

    assert code.text == code_text(0)
    assert code.bound_to == "Corner Café (till-1)"
    assert (code.life_seconds, code.next_after_seconds) == (60, 45)
    first, second = double.calls
    assert isinstance(first, pb.IssueCodeRequest)
    assert isinstance(second, pb.IssueCodeRequest)
    assert (first.card_id, first.bill.bill_reference, first.terminal_tag, first.password) == (
        "0c" * 17,
        "R-17",
        "TT1:TAG",
        PASSWORD,
    )
    assert (second.ticket.event_id, second.ticket.ticket_id) == ("summer", "T1")


async def test_every_other_call_is_understood_by_the_server(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.processes = [process()]
    double.receipts[PROCESS_ID] = pb.GetReceiptResponse(
        receipt=process_pb2.Receipt(receipt_number=PROCESS_ID)
    )

    assert (await phone.send_number_code()).expires_at == NOW + TEN_MINUTES
    assert await phone.verify_number("123456") == "+4930123456"
    assert await phone.change_password(password=PASSWORD, new_password="a longer one") == 2
    await phone.remove_device("00" * 17)
    assert await phone.revoke_codes() == 2
    assert await phone.revoke_codes(Purpose.POINTS) == 2
    disputed = await phone.dispute_process(PROCESS_ID, statement="not me")
    yes = phone.sign_answer(disputed, Decision.APPROVE, digits="42")
    confirmed = await phone.confirm_process(yes)
    receipt = await phone.get_receipt(PROCESS_ID)
    invitation = await phone.invite_device()
    added = await phone.add_device(
        login_name="ana",
        password=PASSWORD,
        invitation=invitation.text,
        device_name="Second",
    )
    session = await phone.sign_in(login_name="ana", password=PASSWORD, device_id=added.device_id)

    assert invitation.text == INVITATION
    assert INVITATION not in repr(invitation)
    assert disputed.is_disputed
    assert confirmed.state is ProcessState.INSTRUCTED
    assert receipt.receipt_number == PROCESS_ID
    assert session.token == f"{TOKEN}-2"


async def test_processes_come_page_by_page(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.processes = [process() for _ in range(7)]

    listed = [found async for found in phone.list_processes(page_size=3)]

    assert len(listed) == 7
    assert len(double.calls) == 3
    charge = listed[0].actions[0]
    assert (charge.kind, str(charge.amount)) == (ActionKind.CHARGE, "9.90 EUR")


async def test_what_is_instructed_is_shown_and_before_that_what_was_asked_for(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    euros = money_pb2.Money(currency_code="EUR", minor_units=500)
    entry = action_pb2.ADMIT_DIRECTION_ENTRY
    asked = [
        action_pb2.Action(charge=action_pb2.ChargeAction(remainder=action_pb2.Remainder())),
        action_pb2.Action(
            pay_bill=action_pb2.PayBillAction(
                bill_reference="R-17", funding=action_pb2.FUNDING_CARD
            )
        ),
        action_pb2.Action(admit=action_pb2.AdmitAction(event_id="summer", direction=entry)),
        action_pb2.Action(read_points=action_pb2.ReadPointsAction()),
        action_pb2.Action(earn_points=action_pb2.EarnPointsAction(points=5)),
        action_pb2.Action(burn_points=action_pb2.BurnPointsAction(points=50)),
        action_pb2.Action(),
    ]
    told = [
        action_pb2.Instruction(
            charge=action_pb2.ChargeInstruction(
                amount=euros, card_brand="VISA", card_last_four="1111"
            )
        ),
        action_pb2.Instruction(
            pay_bill=action_pb2.PayBillInstruction(
                bill_reference="R-17",
                amount=euros,
                description="Water",
                funding=action_pb2.FUNDING_AT_TERMINAL,
            )
        ),
        action_pb2.Instruction(
            admit=action_pb2.AdmitInstruction(
                event_id="summer",
                event_name="Summer",
                ticket_id="T1",
                place="Row 4",
                direction=entry,
            )
        ),
        action_pb2.Instruction(
            read_points=action_pb2.ReadPointsInstruction(programme_id="beans", balance=40)
        ),
        action_pb2.Instruction(
            earn_points=action_pb2.EarnPointsInstruction(programme_id="beans", points=5)
        ),
        action_pb2.Instruction(
            burn_points=action_pb2.BurnPointsInstruction(
                programme_id="beans", points=50, value=euros
            )
        ),
    ]
    double.processes = [
        process_pb2.Process(
            actions=[action_pb2.ActionOutcome(action=action) for action in asked],
            card_total=euros,
            state=99,  # type: ignore[arg-type] # a state that a newer server may have
        ),
        process_pb2.Process(
            actions=[
                action_pb2.ActionOutcome(
                    action=action,
                    instruction=instruction,
                    refusal=action_pb2.Refusal(reason=action_pb2.REFUSAL_REASON_BILL_IN_USE),
                )
                for action, instruction in zip(asked, told, strict=False)
            ]
        ),
    ]

    before, after = [found async for found in phone.list_processes()]

    assert before.state is ProcessState.UNKNOWN
    assert [action_line(action) for action in before.actions] == [
        "charge 5.00 EUR",
        "pay bill R-17 of an amount not known yet by card",
        "enter summer",
        "tell your points",
        "give you 5 points",
        "take 50 points",
        "something that this version of the phone does not know",
    ]
    assert [action_line(replace(action, refusal=None)) for action in after.actions] == [
        "charge 5.00 EUR (VISA 1111)",
        "pay bill R-17 of 5.00 EUR at the terminal (Water)",
        "enter summer with ticket T1 (Summer, Row 4)",
        "tell your 40 points of beans",
        "give you 5 points of beans",
        "take 50 points of beans worth 5.00 EUR",
    ]
    assert after.actions[0].refusal == Refusal(reason="BILL_IN_USE")


async def test_watching_hears_of_changes_as_they_happen(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    await double.happen(process())

    async with aclosing(phone.watch_processes()) as events:
        first = await anext(events)
        await double.happen(process(process_pb2.PROCESS_STATE_INSTRUCTED))
        second = await anext(events)

    assert first.process.state is ProcessState.AWAITING_CUSTOMER
    assert (second.event, second.process.state) == (2, ProcessState.INSTRUCTED)


async def test_a_lost_stream_is_resumed_where_it_stopped(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    losses: list[UnknownOutcome] = []
    await double.happen(process())
    double.end_streams = 1

    async with aclosing(phone.watch_processes(on_lost=losses.append)) as events:
        await anext(events)
        await double.happen(process(process_pb2.PROCESS_STATE_INSTRUCTED))
        second = await anext(events)

    assert isinstance(second, ProcessEvent)
    assert second.event == 2
    assert double.watched_from == [0, 1]
    assert [loss.message for loss in losses] == [
        "The server does not answer: the network went away"
    ]


async def test_watching_ends_after_several_losses_in_a_row() -> None:
    losses: list[UnknownOutcome] = []

    async with connect_to_nobody() as phone:
        with pytest.raises(UnknownOutcome):
            async for _ in phone.watch_processes(on_lost=losses.append):
                pass

    assert len(losses) == 4


async def test_watching_ends_at_a_refusal(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.fail_next_with = [Refused(Reason.SESSION_EXPIRED)]

    with pytest.raises(Refused) as refused:
        async for _ in phone.watch_processes():
            pass

    assert refused.value.reason is Reason.SESSION_EXPIRED


async def test_a_code_that_is_not_bound_as_it_was_asked_for_is_not_shown(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.bound_to = ("", "")

    with pytest.raises(Refused, match="not bound"):
        await phone.issue_code(CodeChoice(terminal_tag="TT1:TAG"))


async def test_every_answer_brings_a_checkpoint_a_refusal_too(
    double: CustomerServiceDouble, address: str
) -> None:
    seen: list[str] = []
    double.fail_next_with = [Refused(Reason.SESSION_EXPIRED)]

    async with connect(double, address, on_checkpoint=seen.append) as phone:
        with pytest.raises(Refused):
            await phone.get_wallet()
        await phone.get_wallet()
        double.checkpoint = ""
        await phone.get_wallet()

    assert seen == [CHECKPOINT, CHECKPOINT]


async def test_a_key_that_is_not_in_the_request_proves_nothing(
    double: CustomerServiceDouble, address: str
) -> None:
    other = DevicePrivateKey.generate()
    trust = Trust(ca_certificates_pem=double.authority.certificate_pem)
    async with connect(double, address) as phone:
        customer = await phone.register_customer(
            login_name="ana", password=PASSWORD, device_name="Phone"
        )

    async with PhoneConnection(address, device_key=other, trust=trust) as thief:
        with pytest.raises(Refused) as refused:
            await thief.sign_in(login_name="ana", password=PASSWORD, device_id=customer.device_id)

    assert refused.value.reason is Reason.PASSWORD_WRONG


@pytest.mark.parametrize(
    ("hosts", "trusted", "sentence"),
    [
        (["127.0.0.1"], "another authority", "is not from an authority in other.pem"),
        (["127.0.0.1"], "the system", "is not from an authority that this system trusts"),
        (["shop.example"], "the right one", "is not for the name 127.0.0.1"),
    ],
)
async def test_a_server_that_nobody_vouches_for_gets_nothing_and_is_called_once(
    double: CustomerServiceDouble, hosts: list[str], trusted: str, sentence: str
) -> None:
    trust = {
        "another authority": Trust(
            ca_certificates_pem=Authority().certificate_pem, source="other.pem"
        ),
        "the system": Trust(),
        "the right one": Trust(ca_certificates_pem=double.authority.certificate_pem),
    }[trusted]
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    async with double.served(hosts=hosts) as address:
        connection = PhoneConnection(
            address, device_key=DEVICE_KEY, trust=trust, repetition=Repetition(sleep=note)
        )
        async with connection as phone:
            with pytest.raises(UnknownOutcome, match=sentence) as failed:
                await phone.sign_in(login_name="ana", password=PASSWORD, device_id=DEVICE_ID)

    assert address in failed.value.message
    assert not pauses
    assert not double.calls


async def test_a_server_without_tls_is_told_apart() -> None:
    async def say_something(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(say_something, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, PhoneConnection(f"127.0.0.1:{port}", device_key=DEVICE_KEY) as phone:
        with pytest.raises(UnknownOutcome, match="does not speak TLS"):
            await phone.get_wallet()
