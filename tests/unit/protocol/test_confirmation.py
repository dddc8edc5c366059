"""The statements that devices sign: one answer has one statement, and no two answers share one."""

from dataclasses import replace
from typing import Any, Final

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallymark_protocol.confirmation import (
    ActionKind,
    Amount,
    AnsweredState,
    Confirmation,
    ConfirmedAction,
    Decision,
    Direction,
    Funding,
    NotAConfirmation,
    Standing,
    read_confirmation,
)
from tallymark_protocol.device_key import DevicePrivateKey
from tests.unit.protocol.confirmations import EUR_5, PURCHASE, confirmations

CHARGE, BURN = PURCHASE.actions
READ: Final = ConfirmedAction(kind=ActionKind.READ_POINTS, standing=Standing.ASKED)

# Each differs from the purchase in one thing that a customer would not have agreed to.
OTHER_PURCHASES: Final = {
    "decision": replace(PURCHASE, decision=Decision.DECLINE),
    "state": replace(PURCHASE, state=AnsweredState.CONTESTED),
    "process": replace(PURCHASE, process_id="01" * 17),
    "merchant": replace(PURCHASE, merchant_id="cafe-2"),
    "name of the merchant": replace(PURCHASE, merchant_name="Corner Cafe"),
    "terminal": replace(PURCHASE, terminal_id="till-2"),
    "one cent more": replace(
        PURCHASE,
        actions=(replace(CHARGE, amount=Amount(currency_code="EUR", minor_units=1131)), BURN),
    ),
    "another currency": replace(
        PURCHASE,
        actions=(replace(CHARGE, amount=Amount(currency_code="USD", minor_units=1130)), BURN),
    ),
    "one point more": replace(PURCHASE, actions=(CHARGE, replace(BURN, points=101))),
    "points of another programme": replace(
        PURCHASE, actions=(CHARGE, replace(BURN, programme_id="nuts"))
    ),
    "points worth less": replace(PURCHASE, actions=(CHARGE, replace(BURN, amount=EUR_5))),
    "order of the actions": replace(PURCHASE, actions=(BURN, CHARGE)),
    "one action less": replace(PURCHASE, actions=(CHARGE,)),
    "one action more": replace(PURCHASE, actions=(CHARGE, BURN, BURN)),
    "sale total": replace(PURCHASE, sale_total=EUR_5),
    "no sale total": replace(PURCHASE, sale_total=None),
    "card total": replace(PURCHASE, card_total=EUR_5),
    "no card total": replace(PURCHASE, card_total=None),
    "totals swapped": replace(
        PURCHASE, sale_total=PURCHASE.card_total, card_total=PURCHASE.sale_total
    ),
    "time limit": replace(PURCHASE, confirm_by=PURCHASE.confirm_by + 1),
    "no time limit": replace(PURCHASE, confirm_by=0),
    "version of the process": replace(PURCHASE, process_version=2),
    "digits": replace(PURCHASE, digits="24"),
    "no digits": replace(PURCHASE, digits=""),
}


def test_statement_is_the_cbor_of_the_specification() -> None:
    assert PURCHASE.to_bytes() == cbor2.dumps(
        [
            "tallymark confirmation",
            1,
            "APPROVE",
            "AWAITING_CUSTOMER",
            "00" * 17,
            "cafe",
            "Corner Café",
            "till-1",
            [
                ["charge", "GRANTED", ["EUR", 1130], "", "", "", "", "", "", 0],
                ["burn_points", "GRANTED", ["EUR", 100], "", "", "", "", "", "beans", 100],
            ],
            ["EUR", 1230],
            ["EUR", 1130],
            1_790_000_045_000,
            "42",
            1,
        ]
    )


@given(confirmations(), confirmations())
@example(PURCHASE, PURCHASE)
def test_two_answers_have_two_statements(one: Confirmation, other: Confirmation) -> None:
    assert (one.to_bytes() == other.to_bytes()) is (one == other)


@given(st.data(), confirmations(), confirmations())
def test_answers_that_differ_in_one_place_have_two_statements(
    data: st.DataObject, one: Confirmation, other: Confirmation
) -> None:
    place = data.draw(st.sampled_from(Confirmation.__slots__))
    try:
        changed = replace(one, **{place: getattr(other, place)})
    except ValueError:
        return  # an approval of what is not decided

    assert (one.to_bytes() == changed.to_bytes()) is (one == changed)


@pytest.mark.parametrize("other", OTHER_PURCHASES.values(), ids=OTHER_PURCHASES)
def test_signature_fits_no_answer_that_differs_in_one_thing(other: Confirmation) -> None:
    key = DevicePrivateKey.generate()

    signature = key.sign(PURCHASE.to_bytes())

    assert key.public().verify(PURCHASE.to_bytes(), signature)
    assert not key.public().verify(other.to_bytes(), signature)


@given(confirmations())
def test_what_a_statement_says_is_read_again(confirmation: Confirmation) -> None:
    assert read_confirmation(confirmation.to_bytes()) == confirmation


def test_every_byte_changed_is_refused_or_says_something_else() -> None:
    statement = PURCHASE.to_bytes()

    refused = 0
    for place in range(len(statement)):
        for change in range(1, 256):
            changed = bytearray(statement)
            changed[place] ^= change
            try:
                read = read_confirmation(bytes(changed))
            except NotAConfirmation:
                refused += 1
            else:
                assert read != PURCHASE
                assert read.to_bytes() == bytes(changed)

    assert refused > 150 * len(statement)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(NotAConfirmation):
        read_confirmation(data)


cbor_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@given(st.data(), cbor_values)
def test_any_value_in_any_place_is_refused_or_said(data: st.DataObject, value: object) -> None:
    whole: list[Any] = cbor2.loads(PURCHASE.to_bytes())
    charge = whole[8][0]
    holder = data.draw(st.sampled_from((whole, charge, charge[2])))
    holder[data.draw(st.integers(0, len(holder) - 1))] = value
    statement = cbor2.dumps(whole)

    try:
        read = read_confirmation(statement)
    except NotAConfirmation:
        return
    assert read.to_bytes() == statement


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("01", "02", id="version 2"),
        pytest.param("01", "f5", id="version true"),
        pytest.param("01", "f93c00", id="version 1.0"),
        pytest.param("01", "1801", id="version not in its shortest form"),
    ],
)
def test_another_version_is_refused(before: str, after: str) -> None:
    start = cbor2.dumps("tallymark confirmation").hex()
    statement = PURCHASE.to_bytes().hex().replace(start + before, start + after, 1)

    with pytest.raises(NotAConfirmation):
        read_confirmation(bytes.fromhex(statement))


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(PURCHASE.to_bytes() + b"\x00", id="a byte after the end"),
        pytest.param(PURCHASE.to_bytes()[:-1], id="cut off"),
        pytest.param(b"\x98\x0d" + PURCHASE.to_bytes()[1:], id="a head not the shortest"),
        pytest.param(b"\x9f" + PURCHASE.to_bytes()[1:] + b"\xff", id="indefinite"),
        pytest.param(b"\xd9\xd9\xf7" + PURCHASE.to_bytes(), id="tagged"),
        pytest.param(
            PURCHASE.to_bytes().replace(cbor2.dumps(1130), b"\xfb@\x91\xa8\x00\x00\x00\x00\x00"),
            id="amounts as floats",
        ),
    ],
)
def test_another_form_of_the_same_statement_is_refused(statement: bytes) -> None:
    with pytest.raises(NotAConfirmation):
        read_confirmation(statement)


@pytest.mark.parametrize(
    "wrong",
    [
        {"process_id": ""},
        {"merchant_id": ""},
        {"merchant_name": ""},
        {"terminal_id": ""},
        {"terminal_id": b"till-1"},
        {"actions": ()},
        {"process_version": -1},
        {"process_version": True},
        {"confirm_by": -1},
        {"confirm_by": 2**63},
        {"confirm_by": 1.0},
        {"confirm_by": True},
        {"digits": "4"},
        {"digits": "421"},
        {"digits": "٤٢"},
        {"digits": "42\n"},
        {"digits": 42},
    ],
    ids=repr,
)
def test_values_that_no_answer_has_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"names|actions|number|digits|text"):
        replace(PURCHASE, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency_code": ""},
        {"currency_code": "eur"},
        {"currency_code": "EURO"},
        {"currency_code": "EUR\n"},
        {"currency_code": b"EUR"},
        {"minor_units": -1},
        {"minor_units": 2**63},
        {"minor_units": 5.0},
        {"minor_units": True},
    ],
    ids=repr,
)
def test_values_that_no_amount_has_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"currency|number|text"):
        replace(EUR_5, **wrong)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ActionKind.CHARGE, {}),
        (ActionKind.CHARGE, {"amount": EUR_5, "points": 1}),
        (ActionKind.PAY_BILL, {"amount": EUR_5, "bill_reference": "b"}),
        (ActionKind.PAY_BILL, {"amount": EUR_5, "funding": Funding.CARD}),
        (ActionKind.PAY_BILL, {"bill_reference": "b", "funding": Funding.CARD}),
        (ActionKind.ADMIT, {"event_id": "e", "direction": Direction.ENTRY}),
        (ActionKind.ADMIT, {"event_id": "e", "ticket_id": "t"}),
        (ActionKind.ADMIT, {"ticket_id": "t", "direction": Direction.ENTRY}),
        (ActionKind.READ_POINTS, {}),
        (ActionKind.READ_POINTS, {"programme_id": "p", "points": 1}),
        (ActionKind.EARN_POINTS, {"points": 1}),
        (ActionKind.EARN_POINTS, {"programme_id": "p"}),
        (ActionKind.BURN_POINTS, {"programme_id": "p", "points": 1}),
        (ActionKind.BURN_POINTS, {"amount": EUR_5, "points": 1}),
        (ActionKind.BURN_POINTS, {"amount": EUR_5, "programme_id": "p"}),
    ],
    ids=repr,
)
def test_granted_action_lacks_nothing_and_has_nothing_else(
    kind: ActionKind, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"an action {kind} that is GRANTED"):
        ConfirmedAction(kind=kind, standing=Standing.GRANTED, **fields)


@pytest.mark.parametrize("standing", [Standing.ASKED, Standing.REFUSED])
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ActionKind.PAY_BILL, {"funding": Funding.CARD, "amount": EUR_5}),
        (ActionKind.ADMIT, {"event_id": "e", "ticket_id": "t", "direction": Direction.EXIT}),
        (ActionKind.READ_POINTS, {"programme_id": "p"}),
        (ActionKind.EARN_POINTS, {"programme_id": "p", "points": 1}),
        (ActionKind.BURN_POINTS, {"amount": EUR_5, "points": 1}),
    ],
    ids=repr,
)
def test_action_that_is_not_granted_says_only_what_was_asked_for(
    standing: Standing, kind: ActionKind, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"an action {kind} that is {standing} has no"):
        ConfirmedAction(kind=kind, standing=standing, **fields)


def test_what_is_not_decided_cannot_be_approved() -> None:
    for actions in ((READ,), (CHARGE, READ), (READ, CHARGE)):
        with pytest.raises(ValueError, match="not decided"):
            replace(PURCHASE, actions=actions)

        declined = replace(PURCHASE, actions=actions, decision=Decision.DECLINE)
        assert not declined.authorises


def test_approval_of_what_is_refused_authorises_nothing() -> None:
    refused = replace(READ, standing=Standing.REFUSED)

    for actions in ((refused,), (CHARGE, refused), (READ, refused)):
        approved = replace(PURCHASE, actions=actions)
        assert approved.is_refused
        assert not approved.authorises
        assert approved.to_bytes() != PURCHASE.to_bytes()


def test_only_a_yes_to_what_is_granted_authorises() -> None:
    assert PURCHASE.authorises
    assert not replace(PURCHASE, decision=Decision.DECLINE).authorises
