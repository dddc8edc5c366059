"""The options of `scan` become exactly one request, or are refused as wrong use."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.money import NotMoney
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
)
from tallymark_terminal.money import Money, parse_amount
from tallymark_terminal.scan_options import ScanOptions, build_request


def options(**given: object) -> ScanOptions:
    values: ScanOptions = {
        "pictures": ("a.png",),
        "follow": False,
        "camera": None,
        "serial": None,
        "wedge": False,
        "telephone": None,
        "once": False,
        "charge": None,
        "charge_rest": False,
        "sale_total": None,
        "currency": "EUR",
        "bills": (),
        "by_card": False,
        "admit": None,
        "is_exit": False,
        "read_points": False,
        "earn": None,
        "burn": None,
        "set_points": None,
        "complete_on_instruction": None,
        "is_held": False,
    }
    return values | given  # type: ignore[return-value] # only known names are given


def euros(cents: int) -> Money:
    return Money(currency_code="EUR", minor_units=cents)


CASES: dict[str, tuple[dict[str, object], list[Action]]] = {
    "charge": ({"charge": "12.30"}, [Charge(amount=euros(1230))]),
    "rest": ({"charge_rest": True, "sale_total": "20"}, [Charge(amount=None)]),
    "bill here": (
        {"bills": ("B-7",)},
        [PayBill(bill_reference="B-7", funding=Funding.AT_TERMINAL)],
    ),
    "bill on the card charges the rest by itself": (
        {"bills": ("",), "by_card": True},
        [PayBill(bill_reference="", funding=Funding.CARD), Charge(amount=None)],
    ),
    "bill on the card with a sale": (
        {"bills": ("B-7",), "by_card": True, "charge_rest": True, "sale_total": "3"},
        [PayBill(bill_reference="B-7", funding=Funding.CARD), Charge(amount=None)],
    ),
    "bill here and a charge": (
        {"bills": ("B-7",), "charge": "1"},
        [
            PayBill(bill_reference="B-7", funding=Funding.AT_TERMINAL),
            Charge(amount=euros(100)),
        ],
    ),
    "entry": (
        {"admit": "concert"},
        [Admit(event_id="concert", direction=AdmitDirection.ENTRY)],
    ),
    "exit": (
        {"admit": "concert", "is_exit": True},
        [Admit(event_id="concert", direction=AdmitDirection.EXIT)],
    ),
    "everything": (
        {
            "burn": 100,
            "charge_rest": True,
            "sale_total": "25.00",
            "earn": 5,
            "admit": "concert",
            "read_points": True,
        },
        [
            BurnPoints(points=100),
            Charge(amount=None),
            EarnPoints(points=5),
            Admit(event_id="concert", direction=AdmitDirection.ENTRY),
            ReadPoints(),
        ],
    ),
    "setting points reads them": ({"set_points": 500}, [ReadPoints()]),
    "setting points with others": ({"set_points": 500, "earn": 5}, [EarnPoints(points=5)]),
}


@pytest.mark.parametrize("case", list(CASES))
def test_options_become_actions(case: str) -> None:
    given_options, actions = CASES[case]

    assert build_request(options(**given_options)).actions == tuple(actions)


@pytest.mark.parametrize(
    ("given_options", "hint"),
    [
        ({}, "say what to do"),
        ({"charge_rest": True}, "needs --sale-total"),
        ({"charge": "0"}, "more than zero"),
        ({"charge": "1", "charge_rest": True, "sale_total": "1"}, "amount or the rest"),
        ({"charge": "1", "bills": ("B",), "by_card": True}, "amount or the rest"),
        ({"charge": "1", "by_card": True}, "for --pay-bill"),
        ({"is_exit": True, "charge": "1"}, "for --admit"),
        ({"charge": "1", "complete_on_instruction": True}, "admission and points only"),
        (
            {"earn": 1, "complete_on_instruction": True, "is_held": True},
            "nothing to hold",
        ),
        (
            {"earn": 1, "complete_on_instruction": True, "set_points": 3},
            "nothing to hold",
        ),
    ],
)
def test_contradicting_options_are_wrong_use(given_options: dict[str, object], hint: str) -> None:
    with pytest.raises(click.UsageError, match=hint):
        build_request(options(**given_options))


@pytest.mark.parametrize(
    ("given_options", "by_itself"),
    [
        ({"admit": "concert"}, True),
        ({"admit": "concert", "is_held": True}, False),
        ({"admit": "concert", "complete_on_instruction": False}, False),
        ({"admit": "concert", "earn": 5}, False),
        ({"earn": 5, "complete_on_instruction": True}, True),
        ({"charge": "1"}, False),
    ],
)
def test_only_an_admission_alone_completes_by_itself_unasked(
    given_options: dict[str, object], *, by_itself: bool
) -> None:
    assert build_request(options(**given_options)).complete_on_instruction is by_itself


@pytest.mark.parametrize(
    ("text", "currency", "minor_units"),
    [
        ("12.30", "EUR", 1230),
        ("12.3", "EUR", 1230),
        ("12", "EUR", 1200),
        ("0.01", "EUR", 1),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("10000000000.00", "EUR", 10**12),
    ],
)
def test_amount_is_parsed_exactly(text: str, currency: str, minor_units: int) -> None:
    expected = Money(currency_code=currency, minor_units=minor_units)

    assert parse_amount(text, currency_code=currency) == expected


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("12.305", "EUR"),
        ("12,30", "EUR"),
        ("1e3", "EUR"),
        ("-1", "EUR"),
        ("+1", "EUR"),
        (".5", "EUR"),
        ("5.", "EUR"),
        ("", "EUR"),
        ("1 000", "EUR"),
        ("١٢", "EUR"),
        ("1.5", "JPY"),
        ("1", "eur"),
        ("1", "EURO"),
        ("10000000000.01", "EUR"),
    ],
)
def test_text_that_is_no_exact_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(NotMoney):
        parse_amount(text, currency_code=currency)


@given(
    minor_units=st.integers(min_value=0, max_value=10**12),
    currency=st.sampled_from(["EUR", "JPY", "KWD", "CLF", "USD"]),
)
def test_figures_of_any_amount_give_the_amount_again(minor_units: int, currency: str) -> None:
    money = Money(currency_code=currency, minor_units=minor_units)

    assert parse_amount(money.figures, currency_code=currency) == money
