import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.money import (
    MINOR_UNIT_DIGITS,
    MINOR_UNITS_MAX,
    NotMoney,
    format_minor_units,
    format_money,
    minor_unit_digits,
    parse_minor_units,
)

WRITTEN_IN_FULL = (
    ("4.20", "EUR", 420),
    ("0.01", "EUR", 1),
    ("0.00", "EUR", 0),
    ("1234567.89", "USD", 123_456_789),
    ("500", "JPY", 500),
    ("1.234", "KWD", 1234),
    ("0.0001", "CLF", 1),
    ("12", "XAU", 12),
    ("10000000000.00", "EUR", MINOR_UNITS_MAX),
)

WRITTEN_SHORTER = (
    ("4.2", "EUR", 420),
    ("4", "EUR", 400),
    ("004.20", "EUR", 420),
    (" 4.20\t", "EUR", 420),
    ("1.2", "KWD", 1200),
)

NOT_MONEY = (
    pytest.param("", "EUR", "digits and a point only", id="empty"),
    pytest.param("4,20", "EUR", "digits and a point only, for example 10.50", id="comma"),
    pytest.param("1,234.50", "EUR", "digits and a point only", id="divided thousands"),
    pytest.param("1 234.50", "EUR", "digits and a point only", id="space between"),
    pytest.param("-4.20", "EUR", "digits and a point only", id="negative"),
    pytest.param("+4.20", "EUR", "digits and a point only", id="sign"),
    pytest.param("4.", "EUR", "digits and a point only", id="nothing after the point"),
    pytest.param(".20", "EUR", "digits and a point only", id="nothing before the point"),
    pytest.param("4e2", "EUR", "digits and a point only", id="exponent"),
    pytest.param("NaN", "EUR", "digits and a point only", id="not a number"),
    pytest.param("\u0664", "EUR", "digits and a point only", id="Arabic-Indic digit"),
    pytest.param("9" * 16, "JPY", "digits and a point only", id="too long to be read"),
    pytest.param("x", "JPY", "for example 10.", id="example of a currency without minor unit"),
    pytest.param("4.205", "EUR", "EUR has at most 2 digits after the point", id="third digit"),
    pytest.param("500.0", "JPY", "JPY has no digits after the point", id="yen with a point"),
    pytest.param("10000000000.01", "EUR", "At most 10000000000.00 EUR", id="above the bound"),
    pytest.param("4.20", "eur", "three capital letters", id="small letters"),
    pytest.param("4.20", "EURO", "three capital letters", id="four letters"),
    pytest.param("4.20", "", "three capital letters", id="no currency"),
    pytest.param("4.20", "E\u00dcR", "three capital letters", id="not ASCII"),
)


@pytest.mark.parametrize(("text", "currency_code", "minor_units"), WRITTEN_IN_FULL)
def test_known_amounts_are_read_and_written(
    text: str, currency_code: str, minor_units: int
) -> None:
    assert parse_minor_units(text, currency_code) == minor_units
    assert format_minor_units(minor_units, currency_code) == text
    assert format_money(minor_units, currency_code) == f"{text} {currency_code}"


@pytest.mark.parametrize(("text", "currency_code", "minor_units"), WRITTEN_SHORTER)
def test_digits_may_be_left_out(text: str, currency_code: str, minor_units: int) -> None:
    assert parse_minor_units(text, currency_code) == minor_units


@pytest.mark.parametrize(("text", "currency_code", "advice"), NOT_MONEY)
def test_what_is_no_amount_is_refused_with_advice(
    text: str, currency_code: str, advice: str
) -> None:
    with pytest.raises(NotMoney, match=advice):
        parse_minor_units(text, currency_code)


def test_a_negative_difference_can_be_written() -> None:
    assert format_money(-5, "EUR") == "-0.05 EUR"


def test_a_currency_outside_the_table_has_two_digits() -> None:
    assert minor_unit_digits("EUR") == 2


@given(
    minor_units=st.integers(min_value=0, max_value=MINOR_UNITS_MAX),
    currency_code=st.sampled_from(["EUR", *MINOR_UNIT_DIGITS]),
)
def test_what_is_written_is_read_back(minor_units: int, currency_code: str) -> None:
    text = format_minor_units(minor_units, currency_code)

    assert parse_minor_units(text, currency_code) == minor_units
