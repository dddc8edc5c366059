from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import protovalidate
import pytest
from google.protobuf.message import Message

from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1 import registration_pb2
from tallymark_admin.cells import BadCell, Cells

Reader = Callable[[Cells], object]

BERLIN_SUMMER = timezone(timedelta(hours=2))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc] # year to microsecond


def begin(cells: Cells) -> object:
    return cells.moment("x")


def end(cells: Cells) -> object:
    return cells.moment("x", is_end=True)


def points(cells: Cells) -> object:
    return cells.whole_number("x", at_most=1000)


def entries(cells: Cells) -> object:
    return cells.whole_number("x", at_most=1000, default=1)


def euros(cells: Cells) -> object:
    return cells.minor_units("x", currency_code="EUR")


def short_text(cells: Cells) -> object:
    return cells.text("x", characters_max=5)


GOOD = (
    (begin, "", None),
    (begin, "2026-05-01T18:00+02:00", utc(2026, 5, 1, 16)),
    (begin, "2026-05-01 18:00:30Z", utc(2026, 5, 1, 18, 0, 30)),
    (begin, "2026-05-01T18:00:00.25-00:30", utc(2026, 5, 1, 18, 30, 0, 250_000)),
    (begin, "2026-05-01", utc(2026, 4, 30, 22)),
    (end, "2026-05-01", utc(2026, 5, 1, 22)),
    (end, "2026-05-01T18:00+02:00", utc(2026, 5, 1, 16)),
    (points, "1", 1),
    (points, " 1000 ", 1000),
    (entries, "", 1),
    (entries, "7", 7),
    (euros, "4.2", 420),
    (short_text, "", ""),
    (short_text, "G\u00e4ste", "G\u00e4ste"),
)

BAD = (
    (begin, "2026-05-01T18:00", "Add the offset"),
    (begin, "1.5.2026", "Write a day as 2026-05-01 or a time"),
    (begin, "20260501", "Write a day as 2026-05-01 or a time"),
    (begin, "2026-W18-5", "Write a day as 2026-05-01 or a time"),
    (begin, "2026-02-30", "no such day"),
    (begin, "2026-02-30T10:00Z", "no such day"),
    (begin, "2026-05-01T25:00Z", "no such time"),
    (begin, "0001-01-01T00:00+14:00", "no such time"),
    (end, "9999-12-31", "Leave it empty when there is no limit"),
    (points, "", "must not be empty"),
    (points, "0", "from 1 to 1000"),
    (points, "1001", "from 1 to 1000"),
    (points, "1.0", "digits only"),
    (points, "-1", "digits only"),
    (points, "1_0", "digits only"),
    (points, "\u0661", "digits only"),
    (points, "9" * 5000, "from 1 to 1000"),
    (euros, "0.00", "above zero"),
    (euros, "4,20", "digits and a point"),
    (euros, "", "must not be empty"),
    (short_text, "sixsix", "Shorten it to 5 characters; it has 6"),
    (short_text, "a\tb", "control character"),
    (short_text, "\x1b[2J", "control character"),
)


@pytest.mark.parametrize(("read", "text", "value"), GOOD)
def test_a_good_cell_becomes_a_value(read: Reader, text: str, value: object) -> None:
    assert read(Cells({"x": text}, zone=BERLIN_SUMMER)) == value


@pytest.mark.parametrize(("read", "text", "advice"), BAD)
def test_a_bad_cell_names_its_column_and_what_to_do(read: Reader, text: str, advice: str) -> None:
    with pytest.raises(BadCell, match=advice) as caught:
        read(Cells({"x": text}, zone=BERLIN_SUMMER))

    assert caught.value.column == "x"


def test_a_day_needs_a_zone_in_which_it_begins() -> None:
    with pytest.raises(BadCell, match="--time-zone"):
        Cells({"x": "2026-05-01"}, zone=None).moment("x")


def bill_of(text: str) -> registration_pb2.Bill:
    bill = registration_pb2.Bill(
        merchant_id="shop", bill_reference="B-1", login_name=text, description=""
    )
    bill.amount.currency_code = "EUR"
    bill.amount.minor_units = 1
    return bill


CONTRACT_FIELDS: dict[str, tuple[Reader, Callable[[str], Message]]] = {
    "id": (
        lambda cells: cells.id("x"),
        lambda text: contract.RevokeTerminalRequest(terminal_id=text),
    ),
    "login name": (lambda cells: cells.login_name("x"), bill_of),
    "ticket id": (
        lambda cells: cells.ticket_id("x"),
        lambda text: registration_pb2.Ticket(
            event_id="concert", ticket_id=text, login_name="anna", entries=1
        ),
    ),
    "reference": (
        lambda cells: cells.reference("x"),
        lambda text: contract.PointsGrant(
            programme_id="stamps", login_name="anna", grant_reference=text, points=1
        ),
    ),
    "day": (
        lambda cells: cells.day("x"),
        lambda text: registration_pb2.Bill(
            merchant_id="shop",
            bill_reference="B-1",
            login_name="anna",
            amount=bill_of("anna").amount,
            due_on=text,
        ),
    ),
}

EDGES = (
    *("", "a", "A", "-", "a-", "-a", "0", "a.b", "a_b", "a@b.example", "a+b", "a b", "\u00e4bc"),
    *("ab", "abc", "a" * 32, "a" * 33, "a" * 63, "a" * 64, "a" * 65, "A-7", "\u4e2d" * 64),
    *("\u4e2d" * 65, "2026-05-01", "2026-5-1", "2026-05-01x", "abc\n"),
)


@pytest.mark.parametrize("field", CONTRACT_FIELDS)
@pytest.mark.parametrize("text", EDGES)
def test_a_cell_is_good_exactly_when_the_contract_takes_it(field: str, text: str) -> None:
    read, message_of = CONTRACT_FIELDS[field]
    stripped = text.strip()
    is_taken = not protovalidate.collect_violations(message_of(stripped))

    try:
        read(Cells({"x": text}, zone=None))
    except BadCell:
        assert not is_taken
    else:
        assert is_taken
