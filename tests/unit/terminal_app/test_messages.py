"""Values go out as messages of the contract and come back as the same values."""

import protovalidate
import pytest

from tallymark.v1 import action_pb2, money_pb2
from tallymark_terminal.action_messages import outcome_value
from tallymark_terminal.actions import (
    Action,
    Admit,
    AdmitDirection,
    BurnPoints,
    Charge,
    EarnPoints,
    Funding,
    PayBill,
    ReadPoints,
    SaleRequest,
    UnknownAction,
)
from tallymark_terminal.identification import (
    CodeReference,
    ProcessReference,
    ShownCode,
    TelephoneNumber,
)
from tallymark_terminal.instructions import BurnPointsInstruction, EarnPointsInstruction
from tallymark_terminal.money import Money
from tallymark_terminal.request_messages import (
    action_message,
    reference_message,
    resolve_message,
)

EUROS = Money(currency_code="EUR", minor_units=1230)
REFERENCE = CodeReference(partition=3, cti_hash=b"h" * 32, expires_at_seconds=1_900_000_000)
REQUEST_ID = "01a20540-1ff0-79f2-8909-12034c959227"
ACTIONS: list[Action] = [
    Charge(amount=EUROS),
    Charge(amount=None),
    PayBill(bill_reference="B-7", funding=Funding.CARD),
    PayBill(bill_reference="", funding=Funding.AT_TERMINAL),
    Admit(event_id="concert", direction=AdmitDirection.ENTRY),
    Admit(event_id="concert", direction=AdmitDirection.EXIT),
    ReadPoints(),
    EarnPoints(points=5),
    BurnPoints(points=100),
]


@pytest.mark.parametrize("action", ACTIONS, ids=repr)
def test_action_is_valid_and_comes_back_as_it_was(action: Action) -> None:
    message = action_message(action)

    protovalidate.validate(message)
    assert outcome_value(action_pb2.ActionOutcome(action=message)).action == action


def test_action_of_a_newer_contract_is_unknown_and_cannot_be_asked_for() -> None:
    assert outcome_value(action_pb2.ActionOutcome()).action == UnknownAction()

    with pytest.raises(ValueError, match="does not know"):
        action_message(UnknownAction())


def test_points_instructions_keep_their_version() -> None:
    worth = money_pb2.Money(currency_code="EUR", minor_units=100)
    burn = action_pb2.BurnPointsInstruction(
        programme_id="beans", points=100, value=worth, balance_before=500, version=9
    )
    earn = action_pb2.EarnPointsInstruction(
        programme_id="beans", points=5, balance_before=500, version=9
    )

    burned = outcome_value(
        action_pb2.ActionOutcome(instruction=action_pb2.Instruction(burn_points=burn))
    )
    earned = outcome_value(
        action_pb2.ActionOutcome(instruction=action_pb2.Instruction(earn_points=earn))
    )

    assert burned.instruction == BurnPointsInstruction(
        programme_id="beans",
        points=100,
        value=Money(currency_code="EUR", minor_units=100),
        balance_before=500,
        version=9,
    )
    assert earned.instruction == EarnPointsInstruction(
        programme_id="beans", points=5, balance_before=500, version=9
    )


@pytest.mark.parametrize(
    "identification",
    [
        ShownCode(text="TM1:" + "A" * 120, reference=REFERENCE),
        TelephoneNumber(number="+4930123456"),
    ],
    ids=["code", "telephone number"],
)
def test_request_is_valid_and_the_same_each_time(
    identification: ShownCode | TelephoneNumber,
) -> None:
    request = SaleRequest(actions=(Charge(amount=None),), sale_total=EUROS)
    first, second = (
        resolve_message(
            request_id=REQUEST_ID,
            identification=identification,
            request=request,
            wait_milliseconds=5_000,
        )
        for _ in range(2)
    )

    protovalidate.validate(first)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize(
    "reference",
    [
        ProcessReference(process_id="0" * 34),
        ProcessReference(process_id=None, resolve_request_id=REQUEST_ID, look_up_key=REFERENCE),
        ProcessReference(
            process_id=None,
            resolve_request_id=REQUEST_ID,
            look_up_key=TelephoneNumber(number="+4930123456"),
        ),
    ],
    ids=["process", "code", "telephone number"],
)
def test_process_is_named_validly_without_the_code(reference: ProcessReference) -> None:
    message = reference_message(reference)

    protovalidate.validate(message)
    assert not message.identification.HasField("code")


def test_process_without_any_name_is_a_mistake_of_the_terminal() -> None:
    with pytest.raises(ValueError, match="named"):
        reference_message(ProcessReference(process_id=None))
