"""For every RPC with a request_id and more: its sample request, changed into another one."""

from collections.abc import Callable, Mapping
from typing import Any

from tallymark.v1 import customer_service_pb2, identification_pb2
from tests.world.messages import certificate_request

__all__ = ["OTHER_BODIES"]

ANOTHER_ID = "00" + "a" * 32


def _set(**fields: Any) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        for name, value in fields.items():
            setattr(request, name, value)

    return change


def _another_process(request: Any) -> None:
    request.reference.identification.process_id = ANOTHER_ID


def _another_key(request: Any) -> None:
    request.certificate_request = certificate_request()


def _one_action_less(request: Any) -> None:
    del request.actions[-1]


OTHER_BODIES: Mapping[str, Callable[[Any], None]] = {
    "RegisterCustomer": _set(device_name="Dan's other phone"),
    "VerifyNumber": _set(number_code="000000"),
    "SendNumberCode": _set(telephone_number="+4930999999"),
    "SignIn": _set(password="wrong horse"),
    "AddDevice": _set(device_name="watch"),
    "ChangePassword": _set(new_password="staple battery horse"),
    "RemoveDevice": _set(device_id=ANOTHER_ID),
    "RegisterCard": _set(card_number="4242424242424241"),
    "RemoveCard": _set(card_id=ANOTHER_ID),
    "IssueCode": _set(terminal_tag=""),
    "RevokeCode": _set(purpose=identification_pb2.CODE_PURPOSE_GENERAL),
    "ConfirmProcess": _set(decision=customer_service_pb2.DECISION_DECLINE),
    "DisputeProcess": _set(statement="I was there."),
    "RenewCertificate": _another_key,
    "ResolveCode": _one_action_less,
    "CompleteProcess": _another_process,
    "ReverseProcess": _set(note="customer left"),
    "UpdatePoints": _set(new_balance=1),
}
