"""Each message against the tables of ISO 8583:1987, and against what the documentation says."""

import re
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from tallymark_institution.authorisation import Outcome, Verdict
from tallymark_institution.iso8583.gateway import rules
from tallymark_institution.iso8583.gateway.authorisation import Authorisation, Question, Trace
from tallymark_institution.iso8583.gateway.card_vault import Card
from tallymark_institution.iso8583.gateway.messages import (
    AMOUNT_MAX,
    Acquirer,
    NetworkCode,
    errand_message,
    network_message,
    question_message,
    read_answer,
)
from tallymark_institution.iso8583.message import Message, pack

DOCUMENT: Final = Path(__file__).parents[4] / "docs" / "iso8583.md"

# ISO 8583:1987, table of data elements: attribute and length, as an expression.
ELEMENTS: Final = {
    2: r"[0-9]{1,19}",  # n ..19
    3: r"[0-9]{6}",  # n 6
    4: r"[0-9]{12}",  # n 12
    7: r"(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]",  # n 10
    11: r"[0-9]{6}",  # n 6
    12: r"([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]",  # n 6, hhmmss
    13: r"(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])",  # n 4, MMDD
    14: r"[0-9]{2}(0[1-9]|1[0-2])",  # n 4, YYMM
    18: r"[0-9]{4}",  # n 4
    22: r"[0-9]{3}",  # n 3
    25: r"[0-9]{2}",  # n 2
    32: r"[0-9]{1,11}",  # n ..11
    37: r"[A-Za-z0-9]{12}",  # an 12
    38: r"[A-Za-z0-9 ]{6}",  # an 6
    39: r"[A-Za-z0-9]{2}",  # an 2
    41: r"[ -~]{8}",  # ans 8
    42: r"[ -~]{15}",  # ans 15
    49: r"[0-9]{3}",  # n 3
    70: r"[0-9]{3}",  # n 3
    90: r"[0-9]{42}",  # n 42
}

CHARGE: Final = {2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 25, 32, 37, 41, 42, 49}
FIELD_SETS: Final = {
    "0100": CHARGE,
    "0220": CHARGE | {38, 90},
    "0221": CHARGE | {38, 90},
    "0400": CHARGE | {38, 90},
    "0401": CHARGE | {38, 90},
    "0420": CHARGE | {39, 90},
    "0421": CHARGE | {39, 90},
    "0800": {7, 11, 70},
}

NOW: Final = 1_800_000_000.0
ACQUIRER: Final = Acquirer(institution_id="123456", merchant_type="5812")
CARD: Final = Card(number="4111111111111111", expires_on="2030-12")


def question(**changes: str) -> Question:
    made = Question(
        authorisation_id="a1",
        currency_code="EUR",
        minor_units=1250,
        fingerprint="",
        card_key="",
        merchant_id="cafe",
        terminal_id="till-1",
    )
    return replace(made, **changes)


def new_trace(reference: str) -> Trace:
    return Trace.new(serial=41 if reference else 6, now=NOW, reference=reference)


def asked(**changes: str) -> Authorisation:
    return rules.ask(None, question(**changes), now=NOW, gives_up_at=NOW, new_trace=new_trace)


def approved() -> Authorisation:
    verdict = Verdict(
        outcome=Outcome.APPROVED, approved_minor_units=1250, authorisation_code="ABC123"
    )
    return replace(asked(), verdict=verdict)


def errand(known: Authorisation, tries: int) -> Message:
    for _ in range(tries):
        known = rules.send_next(known, now=NOW + 1000)
        known = _due(known)
    return errand_message(known, CARD, ACQUIRER)


def _due(known: Authorisation) -> Authorisation:
    assert known.errand is not None
    pending = replace(known.errand, due_at=NOW)
    return replace(known, capture=pending) if known.capture else replace(known, reversal=pending)


def every_message() -> dict[str, Message]:
    known = asked()
    assert known.trace is not None
    assert known.question is not None
    captured = rules.capture(approved(), now=NOW, new_trace=new_trace)
    taken_back = rules.reverse(approved(), authorisation_id="a1", now=NOW, new_trace=new_trace)
    given_up = rules.give_up(known, now=NOW, new_trace=new_trace)
    made = [
        question_message(known.question, known.trace, CARD, ACQUIRER),
        network_message(NetworkCode.SIGN_ON, known.trace),
        *(errand(each, tries) for each in (captured, taken_back, given_up) for tries in (1, 2)),
    ]
    return {message.kind: message for message in made}


def test_there_is_a_table_for_each_message() -> None:
    assert every_message().keys() == FIELD_SETS.keys()


@pytest.mark.parametrize("kind", FIELD_SETS)
def test_a_message_has_its_fields_in_their_form(kind: str) -> None:
    message = every_message()[kind]

    odd = {
        number: value
        for number, value in message.fields.items()
        if not re.fullmatch(ELEMENTS[number], value)
    }
    assert message.fields.keys() == FIELD_SETS[kind]
    assert odd == {}
    assert pack(message).startswith(kind.encode())


def test_a_question_says_what_was_asked() -> None:
    message = every_message()["0100"]

    assert message.fields == {
        2: "4111111111111111",
        3: "000000",
        4: "000000001250",
        7: "0115080000",
        11: "000007",
        12: "080000",
        13: "0115",
        14: "3012",
        18: "5812",
        22: "100",
        25: "00",
        32: "123456",
        37: "701508000007",
        41: "till-1  ",
        42: "cafe           ",
        49: "978",
    }


@pytest.mark.parametrize("kind", ["0220", "0221", "0400", "0401", "0420", "0421"])
def test_field_90_names_the_question_and_field_37_stays(kind: str) -> None:
    message = every_message()[kind]

    # Original type, trace number, transmission date and time, acquirer, forwarder.
    assert message.field(90) == "0100" + "000007" + "0115080000" + "00000123456" + "00000000000"
    assert message.field(37) == every_message()["0100"].field(37)
    assert message.field(11) == "000042"


@pytest.mark.parametrize("kind", ["022", "040", "042"])
def test_a_repeat_differs_in_its_type_only(kind: str) -> None:
    first, again = every_message()[f"{kind}0"], every_message()[f"{kind}1"]

    assert again.fields == first.fields


@pytest.mark.parametrize(
    ("currency_code", "minor_units", "number"),
    [
        ("EUR", 1, "978"),
        ("JPY", 500, "392"),
        ("BHD", 1_000, "048"),
        ("AUD", 0, "036"),
        ("EUR", AMOUNT_MAX, "978"),
    ],
)
def test_amounts_are_minor_units_of_a_numbered_currency(
    currency_code: str, minor_units: int, number: str
) -> None:
    asking = replace(question(currency_code=currency_code), minor_units=minor_units)
    message = question_message(asking, new_trace(""), CARD, ACQUIRER)

    assert message.field(4) == f"{minor_units:012}"
    assert message.field(49) == number
    assert read_answer(message).currency_code == currency_code


@pytest.mark.parametrize("identifier", ["a-till-with-a-long-name", "Käse", ""])
def test_ids_that_do_not_fit_stand_in_their_fields_all_the_same(identifier: str) -> None:
    message = question_message(
        question(terminal_id=identifier, merchant_id=identifier), new_trace(""), CARD, ACQUIRER
    )

    assert re.fullmatch(ELEMENTS[41], message.field(41))
    assert re.fullmatch(ELEMENTS[42], message.field(42))


def test_an_odd_answer_is_read_as_one_that_fits_nothing() -> None:
    odd = Message(kind="0110", fields={4: "twelve", 49: "ABC"})

    said = read_answer(odd)

    assert (said.minor_units, said.currency_code, said.code) == (0, "", "")


def test_trace_numbers_and_references_do_not_repeat_in_a_round() -> None:
    traces = [Trace.new(serial=serial, now=NOW) for serial in range(999_999 - 500, 999_999 + 500)]

    assert len({trace.number for trace in traces}) == len(traces)
    assert len({trace.reference for trace in traces}) == len(traces)
    assert all(re.fullmatch(ELEMENTS[11], trace.number) for trace in traces)
    assert "000000" not in {trace.number for trace in traces}


def test_the_documentation_lists_these_fields() -> None:
    row = re.compile(r"^\| (0\d{3}) \|[^|]*\| ([0-9, ]+) \|", re.MULTILINE)
    rows = row.findall(DOCUMENT.read_text("utf-8"))

    documented = {kind: {int(number) for number in fields.split(",")} for kind, fields in rows}
    assert documented == {kind: FIELD_SETS[kind] for kind in documented}
    assert documented.keys() == {"0100", "0220", "0400", "0420", "0800"}
