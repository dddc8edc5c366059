import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, RenderableType

from tallymark.v1 import action_pb2
from tallymark_phone.display import as_json
from tallymark_phone.process_display import (
    action_line,
    claim_lines,
    headline,
    process_lines,
    processes_table,
)
from tallymark_phone.processes import (
    Action,
    ActionKind,
    ConfirmedBy,
    Money,
    PointsPosting,
    Process,
    ProcessState,
    Receipt,
    Refusal,
)
from tallymark_phone.receipt_display import receipt_lines
from tallymark_phone.refusals import SENTENCES, explain
from tallymark_phone.registrations import Bill, Card, Device, Holdings, PointsAccount, Ticket
from tallymark_phone.request_ids import new_request_id
from tallymark_phone.wallet_display import wallet_tables

from .fakes import SERVER_TIME, code


def euros(minor_units: int) -> Money:
    return Money(currency_code="EUR", minor_units=minor_units)


PROCESS = Process(
    process_id="ab" * 17,
    state=ProcessState.AWAITING_CUSTOMER,
    version=1,
    merchant_id="cafe",
    merchant_name="Café \x1b[31mRot\x07",
    terminal_id="till-1",
    actions=(
        Action(kind=ActionKind.CHARGE, amount=euros(990), description="VISA 1111"),
        Action(kind=ActionKind.EARN_POINTS, points=9, reference="beans"),
    ),
    created_at=SERVER_TIME,
    sale_total=euros(1490),
    card_total=euros(990),
)


def printed(renderable: RenderableType, *, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


@pytest.mark.parametrize(
    ("currency_code", "minor_units", "text"),
    [
        ("EUR", 420, "4.20 EUR"),
        ("EUR", 5, "0.05 EUR"),
        ("EUR", 10**12, "10000000000.00 EUR"),
        ("JPY", 500, "500 JPY"),
        ("KWD", 1234, "1.234 KWD"),
        ("CLF", 12345, "1.2345 CLF"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(
    currency_code: str, minor_units: int, text: str
) -> None:
    action = Action(
        kind=ActionKind.CHARGE, amount=Money(currency_code=currency_code, minor_units=minor_units)
    )

    assert action_line(action) == f"charge {text}"


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (Action(kind=ActionKind.CHARGE), "charge an amount not known yet"),
        (
            Action(
                kind=ActionKind.PAY_BILL,
                reference="R-17",
                amount=euros(3000),
                way="CARD",
                description="Water",
            ),
            "pay bill R-17 of 30.00 EUR by card (Water)",
        ),
        (
            Action(kind=ActionKind.ADMIT, reference="summer", way="ENTRY", description="Row 4"),
            "enter summer (Row 4)",
        ),
        (Action(kind=ActionKind.ADMIT, reference="summer", way="EXIT"), "leave summer"),
        (Action(kind=ActionKind.READ_POINTS, points=12), "tell your 12 points"),
        (Action(kind=ActionKind.READ_POINTS), "tell your points"),
        (Action(kind=ActionKind.EARN_POINTS, points=3), "give you 3 points"),
        (
            Action(kind=ActionKind.BURN_POINTS, points=500, amount=euros(500)),
            "take 500 points worth 5.00 EUR",
        ),
        (
            Action(kind=ActionKind.ADMIT, reference="x", refusal=Refusal(reason="NO_TICKET")),
            "enter x - refused: you have no ticket for this event",
        ),
        (
            Action(kind=ActionKind.UNKNOWN),
            "something that this version of the phone does not know",
        ),
    ],
)
def test_each_action_is_one_line_with_its_amount(action: Action, line: str) -> None:
    assert action_line(action) == line


def test_a_process_shows_merchant_terminal_and_every_amount() -> None:
    text = printed(process_lines(PROCESS))

    for part in (
        "till-1",
        "awaiting customer",
        "charge 9.90 EUR",
        "give you 9 points",
        "14.90 EUR",
    ):
        assert part in text


def test_a_merchants_name_cannot_control_the_terminal() -> None:
    for renderable in (process_lines(PROCESS), processes_table([PROCESS])):
        text = printed(renderable)
        assert "Café" in text
        assert "\x1b" not in text
        assert "\x07" not in text


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, "9.90 EUR"),
        ({"card_total": None}, "14.90 EUR"),
        (
            {"card_total": None, "sale_total": None},
            "charge 9.90 EUR (VISA 1111), give you 9 points of beans",
        ),
    ],
)
def test_the_headline_says_who_takes_what(changes: dict[str, Any], what: str) -> None:
    process = replace(PROCESS, merchant_name="Café", **changes)

    assert headline(process) == f"Café, till-1: {what}"


@pytest.mark.parametrize(
    ("process", "hint"),
    [
        (PROCESS, "confirm"),
        (replace(PROCESS, state=ProcessState.INSTRUCTED), "dispute"),
        (replace(PROCESS, state=ProcessState.COMPLETED), "dispute"),
        (replace(PROCESS, state=ProcessState.COMPLETED, is_disputed=True), None),
        (replace(PROCESS, state=ProcessState.DECLINED), None),
    ],
)
def test_a_claim_says_what_the_customer_can_do_about_it(process: Process, hint: str | None) -> None:
    text = printed(claim_lines(process))

    assert text.startswith(headline(process))
    if hint:
        assert f"tallymark-phone {hint} {process.process_id}" in text
    else:
        assert "tallymark-phone" not in text


def test_a_receipt_shows_totals_and_points() -> None:
    receipt = Receipt(
        receipt_number="ab" * 17,
        merchant_id="cafe",
        merchant_name="Café",
        terminal_id="till-1",
        actions=PROCESS.actions,
        postings=(PointsPosting(programme_id="beans", points=-500, balance_after=20),),
        completed_at=SERVER_TIME,
        sale_total=euros(1490),
        card_total=euros(990),
        confirmed_by=ConfirmedBy(
            device_id="d1" * 17, device_key_hash="ef" * 32, confirmed_at=SERVER_TIME
        ),
        reversed_by_process_id="cd" * 17,
        checkpoint=f"tmc1:0:17:{'ab' * 16}",
    )

    text = printed(receipt_lines(receipt))

    for part in (
        "paid by card 9.90 EUR",
        "beans -500, balance 20",
        f"confirmed by phone {'d1' * 17} on 20",
        "taken back by cdcd",
        "checkpoint tmc1:0:17:",
    ):
        assert part in text
    assert "confirmed by this phone" in printed(receipt_lines(receipt, own_key_hash="ef" * 32))


def test_the_wallet_shows_what_there_is_and_no_empty_table() -> None:
    holdings = Holdings(
        customer_id="c1",
        login_name="ana",
        telephone_number="+4930123456",
        is_number_verified=False,
        cards=(
            Card(
                card_id="ca" * 17,
                brand="VISA",
                last_four="1111",
                expires_on="2031-05",
                is_default=True,
            ),
        ),
        bills=(
            Bill(
                merchant_id="water",
                bill_reference="[red]R-17",
                amount=euros(3000),
                description="Water",
                due_on="2030-06-01",
                state="OPEN",
            ),
        ),
        tickets=(
            Ticket(
                event_id="summer",
                ticket_id="T1",
                event_name="Summer",
                place="Row 4",
                entries=2,
                entries_used=1,
                valid_from=None,
                valid_until=None,
            ),
        ),
        points_accounts=(
            PointsAccount(programme_id="beans", programme_name="Beans", balance=40, held=5, debt=0),
        ),
        devices=(),
    )

    text = printed(wallet_tables(holdings), width=160)

    for part in ("not verified", "VISA 1111", "ca" * 17, "[red]R-17", "30.00 EUR", "1 of 2", "40"):
        assert part in text
    assert "Devices" not in text
    assert "Devices" in printed(
        wallet_tables(
            Holdings(
                customer_id="c1",
                login_name="ana",
                telephone_number="",
                is_number_verified=False,
                cards=(),
                bills=(),
                tickets=(),
                points_accounts=(),
                devices=(Device(device_id="d1", name="Phone", is_current=True),),
            )
        )
    )


def test_json_has_the_fields_by_name_and_times_with_their_zone() -> None:
    parsed = json.loads(as_json([PROCESS]))[0]

    assert parsed["state"] == "AWAITING_CUSTOMER"
    assert parsed["created_at"] == "2030-05-01T12:00:00+00:00"
    assert parsed["actions"][0]["amount"] == {"currency_code": "EUR", "minor_units": 990}
    assert "\n" not in as_json(PROCESS, is_one_line=True)


def test_every_reason_of_the_contract_has_a_sentence() -> None:
    names = {name.removeprefix("REFUSAL_REASON_") for name, _ in action_pb2.RefusalReason.items()}

    assert set(SENTENCES) == names - {"UNSPECIFIED"}


def test_a_reason_of_a_newer_server_is_shown_by_its_name() -> None:
    assert explain(Refusal(reason="99")) == "reason 99"


def test_a_refused_ticket_says_when_and_where_it_was_used() -> None:
    refusal = Refusal(
        reason="ALREADY_ADMITTED",
        first_used_at=datetime(2030, 5, 1, 9, 30, tzinfo=UTC),
        first_used_terminal_id="gate-2",
    )

    assert "at gate-2" in explain(refusal)


def test_neither_a_repr_nor_json_shows_the_text_of_a_code() -> None:
    assert code(7).text not in repr(code(7)) + as_json(code(7))


def test_request_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    earlier = new_request_id(unix_milliseconds=1_900_000_000_000, random_bytes=b"\xff" * 10)
    later = new_request_id(unix_milliseconds=1_900_000_000_001, random_bytes=b"\x00" * 10)

    assert (
        earlier
        == f"{1_900_000_000_000 >> 16:08x}-{1_900_000_000_000 & 0xFFFF:04x}-7fff-bfff-{'f' * 12}"
    )
    assert earlier[14] == later[14] == "7"
    assert earlier[19] in "89ab"
    assert earlier < later
    assert new_request_id() != new_request_id()
