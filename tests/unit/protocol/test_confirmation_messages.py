"""The statement that a phone builds from the process it was shown."""

from typing import Any, Final

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import action_pb2 as pb
from tallymark.v1 import process_pb2
from tallymark.v1.money_pb2 import Money
from tallymark_protocol.confirmation import (
    ActionKind,
    AnsweredState,
    ConfirmedAction,
    Decision,
    Direction,
    Funding,
    Standing,
)
from tallymark_protocol.confirmation_messages import action_of, confirmation_of
from tallymark_protocol.timestamps import to_milliseconds, to_timestamp
from tests.unit.protocol.confirmations import EUR_5, PURCHASE

EUR = Money(currency_code="EUR", minor_units=500)
NO_TICKET = pb.Refusal(reason=pb.RefusalReason.REFUSAL_REASON_NO_TICKET)

ASKED = {
    "charge": pb.Action(charge=pb.ChargeAction(amount=EUR)),
    "charge the rest": pb.Action(charge=pb.ChargeAction(remainder=pb.Remainder())),
    "pay a bill": pb.Action(
        pay_bill=pb.PayBillAction(bill_reference="b-1", funding=pb.Funding.FUNDING_CARD)
    ),
    "pay any bill": pb.Action(
        pay_bill=pb.PayBillAction(funding=pb.Funding.FUNDING_AT_TERMINAL),
    ),
    "admit": pb.Action(
        admit=pb.AdmitAction(event_id="concert", direction=pb.AdmitDirection.ADMIT_DIRECTION_ENTRY)
    ),
    "let out": pb.Action(
        admit=pb.AdmitAction(event_id="concert", direction=pb.AdmitDirection.ADMIT_DIRECTION_EXIT)
    ),
    "read points": pb.Action(read_points=pb.ReadPointsAction()),
    "earn points": pb.Action(earn_points=pb.EarnPointsAction(points=5)),
    "burn points": pb.Action(burn_points=pb.BurnPointsAction(points=7)),
}
NOT_GRANTED: Final[dict[str, dict[str, Any]]] = {
    "charge": {"kind": ActionKind.CHARGE, "amount": EUR_5},
    "charge the rest": {"kind": ActionKind.CHARGE},
    "pay a bill": {
        "kind": ActionKind.PAY_BILL,
        "bill_reference": "b-1",
        "funding": Funding.CARD,
    },
    "pay any bill": {"kind": ActionKind.PAY_BILL, "funding": Funding.AT_TERMINAL},
    "admit": {"kind": ActionKind.ADMIT, "event_id": "concert", "direction": Direction.ENTRY},
    "let out": {"kind": ActionKind.ADMIT, "event_id": "concert", "direction": Direction.EXIT},
    "read points": {"kind": ActionKind.READ_POINTS},
    "earn points": {"kind": ActionKind.EARN_POINTS, "points": 5},
    "burn points": {"kind": ActionKind.BURN_POINTS, "points": 7},
}
TOLD = {
    "charge": pb.Instruction(
        charge=pb.ChargeInstruction(amount=EUR, card_brand="VISA", card_last_four="4242")
    ),
    "charge the rest": pb.Instruction(charge=pb.ChargeInstruction(amount=EUR)),
    "pay a bill": pb.Instruction(
        pay_bill=pb.PayBillInstruction(
            bill_reference="b-1",
            amount=EUR,
            description="Water",
            due_on="2026-12-01",
            funding=pb.Funding.FUNDING_CARD,
        )
    ),
    "pay any bill": pb.Instruction(
        pay_bill=pb.PayBillInstruction(
            bill_reference="b-2", amount=EUR, funding=pb.Funding.FUNDING_AT_TERMINAL
        )
    ),
    "admit": pb.Instruction(
        admit=pb.AdmitInstruction(
            event_id="concert",
            event_name="Concert",
            ticket_id="A-1",
            direction=pb.AdmitDirection.ADMIT_DIRECTION_ENTRY,
            entries_left=1,
        )
    ),
    "let out": pb.Instruction(
        admit=pb.AdmitInstruction(
            event_id="concert",
            ticket_id="A-1",
            direction=pb.AdmitDirection.ADMIT_DIRECTION_EXIT,
        )
    ),
    "read points": pb.Instruction(
        read_points=pb.ReadPointsInstruction(programme_id="beans", balance=3)
    ),
    "earn points": pb.Instruction(
        earn_points=pb.EarnPointsInstruction(programme_id="beans", points=5)
    ),
    "burn points": pb.Instruction(
        burn_points=pb.BurnPointsInstruction(programme_id="beans", points=7, value=EUR)
    ),
}
GRANTED: Final[dict[str, dict[str, Any]]] = {
    "charge": {"kind": ActionKind.CHARGE, "amount": EUR_5},
    "charge the rest": {"kind": ActionKind.CHARGE, "amount": EUR_5},
    "pay a bill": {
        "kind": ActionKind.PAY_BILL,
        "amount": EUR_5,
        "bill_reference": "b-1",
        "funding": Funding.CARD,
    },
    "pay any bill": {
        "kind": ActionKind.PAY_BILL,
        "amount": EUR_5,
        "bill_reference": "b-2",
        "funding": Funding.AT_TERMINAL,
    },
    "admit": {
        "kind": ActionKind.ADMIT,
        "event_id": "concert",
        "ticket_id": "A-1",
        "direction": Direction.ENTRY,
    },
    "let out": {
        "kind": ActionKind.ADMIT,
        "event_id": "concert",
        "ticket_id": "A-1",
        "direction": Direction.EXIT,
    },
    "read points": {"kind": ActionKind.READ_POINTS, "programme_id": "beans"},
    "earn points": {"kind": ActionKind.EARN_POINTS, "programme_id": "beans", "points": 5},
    "burn points": {
        "kind": ActionKind.BURN_POINTS,
        "programme_id": "beans",
        "points": 7,
        "amount": EUR_5,
    },
}


def seen(standing: Standing, fields: dict[str, Any]) -> ConfirmedAction:
    return ConfirmedAction(standing=standing, **fields)


def purchase(**changes: object) -> process_pb2.Process:
    """Return the message of the purchase."""
    return process_pb2.Process(
        **{
            "process_id": "00" * 17,
            "state": process_pb2.ProcessState.PROCESS_STATE_AWAITING_CUSTOMER,
            "version": 1,
            "actions": [
                pb.ActionOutcome(
                    action=pb.Action(charge=pb.ChargeAction(remainder=pb.Remainder())),
                    instruction=pb.Instruction(
                        charge=pb.ChargeInstruction(
                            amount=Money(currency_code="EUR", minor_units=1130)
                        )
                    ),
                    settlement=pb.Settlement.SETTLEMENT_NONE,
                ),
                pb.ActionOutcome(
                    action=pb.Action(burn_points=pb.BurnPointsAction(points=100)),
                    instruction=pb.Instruction(
                        burn_points=pb.BurnPointsInstruction(
                            programme_id="beans",
                            points=100,
                            value=Money(currency_code="EUR", minor_units=100),
                            balance_before=300,
                        )
                    ),
                    settlement=pb.Settlement.SETTLEMENT_HELD,
                ),
            ],
            "merchant_id": "cafe",
            "merchant_name": "Corner Café",
            "terminal_id": "till-1",
            "confirm_by": Timestamp(seconds=1_790_000_045),
            "sale_total": Money(currency_code="EUR", minor_units=1230),
            "card_total": Money(currency_code="EUR", minor_units=1130),
            **changes,
        }  # type: ignore[arg-type]  # fields of the message, whichever
    )


def test_purchase_is_read_whole_from_what_the_phone_sees() -> None:
    assert confirmation_of(purchase(), Decision.APPROVE, "42") == PURCHASE


def test_contested_process_is_answered_as_such() -> None:
    contested = purchase(state=process_pb2.ProcessState.PROCESS_STATE_CONTESTED, confirm_by=None)

    confirmation = confirmation_of(contested, Decision.DECLINE)

    assert confirmation.state is AnsweredState.CONTESTED
    assert confirmation.decision is Decision.DECLINE
    assert (confirmation.confirm_by, confirmation.digits) == (0, "")
    assert confirmation.actions == PURCHASE.actions


def test_process_without_money_has_no_totals() -> None:
    confirmation = confirmation_of(purchase(sale_total=None, card_total=None), Decision.APPROVE)

    assert confirmation.sale_total is confirmation.card_total is None


@pytest.mark.parametrize("name", ASKED)
def test_granted_action_is_signed_with_what_was_told(name: str) -> None:
    outcome = pb.ActionOutcome(action=ASKED[name], instruction=TOLD[name])

    assert action_of(outcome) == seen(Standing.GRANTED, GRANTED[name])


@pytest.mark.parametrize("name", ASKED)
def test_refused_action_is_signed_as_refused_with_what_was_asked(name: str) -> None:
    outcome = pb.ActionOutcome(action=ASKED[name], refusal=NO_TICKET)

    action = action_of(outcome)
    confirmation = confirmation_of(purchase(actions=[outcome]), Decision.APPROVE)

    assert action == seen(Standing.REFUSED, NOT_GRANTED[name])
    assert confirmation.actions == (action,)
    assert not confirmation.authorises


@pytest.mark.parametrize("name", ASKED)
def test_process_whose_amounts_the_phone_cannot_see_is_not_approved(name: str) -> None:
    hidden = purchase(actions=[pb.ActionOutcome(action=ASKED[name])])

    with pytest.raises(ValueError, match="not decided"):
        confirmation_of(hidden, Decision.APPROVE)

    (action,) = confirmation_of(hidden, Decision.DECLINE).actions
    assert action == seen(Standing.ASKED, NOT_GRANTED[name])


@pytest.mark.parametrize(
    "state",
    [
        state
        for state in process_pb2.ProcessState.values()
        if state
        not in {
            process_pb2.ProcessState.PROCESS_STATE_AWAITING_CUSTOMER,
            process_pb2.ProcessState.PROCESS_STATE_CONTESTED,
        }
    ]
    + [99],
)
def test_process_that_waits_for_nobody_is_not_answered(state: int) -> None:
    for decision in Decision:
        with pytest.raises(ValueError, match=r"AnsweredState|no name"):
            confirmation_of(purchase(state=state), decision)


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(pb.ActionOutcome(), id="nothing asked"),
        pytest.param(pb.ActionOutcome(action=pb.Action()), id="an action of no kind"),
        pytest.param(pb.ActionOutcome(instruction=TOLD["admit"]), id="granted unasked"),
        pytest.param(
            pb.ActionOutcome(action=ASKED["read points"], instruction=TOLD["charge"]),
            id="granted as something else",
        ),
        pytest.param(
            pb.ActionOutcome(action=ASKED["admit"], instruction=pb.Instruction()),
            id="granted as nothing",
        ),
        pytest.param(
            pb.ActionOutcome(action=pb.Action(), instruction=pb.Instruction()),
            id="nothing granted as nothing",
        ),
        pytest.param(
            pb.ActionOutcome(action=ASKED["admit"], instruction=TOLD["admit"], refusal=NO_TICKET),
            id="granted and refused",
        ),
        pytest.param(
            pb.ActionOutcome(
                action=ASKED["charge"],
                instruction=pb.Instruction(charge=pb.ChargeInstruction()),
            ),
            id="granted without an amount",
        ),
        pytest.param(
            pb.ActionOutcome(
                action=ASKED["charge"],
                instruction=pb.Instruction(
                    charge=pb.ChargeInstruction(amount=Money(currency_code="EUR", minor_units=-1))
                ),
            ),
            id="a negative amount",
        ),
        pytest.param(
            pb.ActionOutcome(
                action=pb.Action(pay_bill=pb.PayBillAction(funding=pb.Funding.FUNDING_UNSPECIFIED))
            ),
            id="a bill paid nohow",
        ),
        pytest.param(
            pb.ActionOutcome(action=pb.Action(admit=pb.AdmitAction(event_id="e"))),
            id="admitted in no direction",
        ),
    ],
)
def test_action_that_contradicts_itself_is_not_answered(outcome: pb.ActionOutcome) -> None:
    for decision in Decision:
        with pytest.raises(ValueError, match=r"."):
            confirmation_of(purchase(actions=[outcome]), decision)


@pytest.mark.parametrize(("seconds", "nanos"), [(1, 1), (1, 999_999), (-1, 0)])
def test_time_that_cannot_be_signed_is_refused(seconds: int, nanos: int) -> None:
    confirm_by = Timestamp(seconds=seconds, nanos=nanos)

    with pytest.raises(ValueError, match=r"millisecond|number"):
        confirmation_of(purchase(confirm_by=confirm_by), Decision.APPROVE)


@pytest.mark.parametrize("milliseconds", [0, 1, 999, 1000, 1_790_000_045_123, -1, -1000])
def test_times_are_milliseconds_and_back(milliseconds: int) -> None:
    assert to_milliseconds(to_timestamp(milliseconds)) == milliseconds


def test_two_messages_that_look_different_have_two_statements() -> None:
    whole = purchase()
    changes = [
        purchase(process_id="01" * 17),
        purchase(version=2),
        purchase(merchant_name="Corner Bar"),
        purchase(terminal_id="till-2"),
        purchase(sale_total=EUR),
        purchase(card_total=EUR),
        purchase(confirm_by=Timestamp(seconds=1_790_000_046)),
        purchase(actions=list(reversed(whole.actions))),
    ]

    statements = {
        confirmation_of(each, Decision.APPROVE, "42").to_bytes() for each in (whole, *changes)
    }

    assert len(statements) == 1 + len(changes)
