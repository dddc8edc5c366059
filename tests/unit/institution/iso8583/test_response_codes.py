"""Every response code that exists is read in one way, and only approvals hold money."""

import itertools
import string

import pytest

from tallymark_institution.authorisation import Outcome
from tallymark_institution.iso8583.response_codes import is_put_off, is_undecided, outcome_of

CODES = [
    "".join(pair) for pair in itertools.product(string.digits + string.ascii_uppercase, repeat=2)
]


def test_only_four_codes_hold_money() -> None:
    assert [code for code in CODES if outcome_of(code).holds_money] == ["00", "08", "10", "11"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("00", Outcome.APPROVED),
        ("10", Outcome.PARTIALLY_APPROVED),
        ("05", Outcome.NOT_HONOURED),
        ("41", Outcome.CARD_BLOCKED),
        ("43", Outcome.CARD_BLOCKED),
        ("62", Outcome.CARD_BLOCKED),
        ("51", Outcome.INSUFFICIENT_FUNDS),
        ("54", Outcome.CARD_EXPIRED),
        ("59", Outcome.SUSPECTED_FRAUD),
        ("91", Outcome.NOT_HONOURED),
        ("", Outcome.NOT_HONOURED),
        ("??", Outcome.NOT_HONOURED),
    ],
)
def test_codes_have_the_reasons_that_the_contract_names(code: str, outcome: Outcome) -> None:
    assert outcome_of(code) is outcome


def test_a_code_that_leaves_it_open_is_no_decision() -> None:
    assert [code for code in CODES if is_undecided(code)] == ["09", "68", "94"]


def test_no_approval_puts_an_advice_off() -> None:
    assert not any(is_put_off(code) for code in CODES if outcome_of(code).holds_money)
