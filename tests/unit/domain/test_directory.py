"""What the operator keeps: the same thing twice is one, another under its id is refused."""

from typing import Any

import msgspec
import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import RowAnswer
from tallymark_server.domain.commands import (
    Command,
    CreateEvent,
    CreateMerchant,
    CreateProgramme,
    CreateTerminal,
)
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import (
    Event,
    Merchant,
    PointsProgramme,
    ReentryRule,
)
from tallymark_server.domain.model.people import BillReference, TicketReference
from tests.unit.domain.furniture import bill, euro, points, ticket
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import OPERATOR, SmallWorld

NEW, KNOWN = RowAnswer(is_new=True), RowAnswer(is_new=False)


def by_operator(kind: type[Any], **fields: Any) -> Any:
    return kind(caller=OPERATOR, partition=DIRECTORY, **fields)


def merchant(programme_id: str = "", name: str = "Shop") -> Any:
    row = Merchant(partition=DIRECTORY, merchant_id="shop", name=name, programme_id=programme_id)
    return by_operator(CreateMerchant, merchant=row)


def event(merchant_id: str = "cafe", name: str = "Opera") -> Any:
    row = Event(
        partition=DIRECTORY,
        event_id="opera",
        merchant_id=merchant_id,
        name=name,
        reentry_rule=ReentryRule.EXIT_BETWEEN,
    )
    return by_operator(CreateEvent, event=row)


def programme(programme_id: str = "miles", most: int = 10) -> Any:
    row = PointsProgramme(
        partition=DIRECTORY,
        programme_id=programme_id,
        name="Miles",
        point_value=euro(2),
        earn_points_max=most,
    )
    return by_operator(CreateProgramme, programme=row)


def terminal(terminal_id: str = "till-9", merchant_id: str = "cafe") -> Any:
    return by_operator(
        CreateTerminal, terminal_id=terminal_id, merchant_id=merchant_id, code_hash=terminal_id
    )


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (merchant(), merchant(name="Market")),
        (event(), event(name="Ballet")),
        (programme(), programme(most=11)),
        (terminal(), terminal(merchant_id="hall")),
        (bill("N-1", euro(5)), bill("N-1", euro(6))),
        (bill("N-1", euro(5)), bill("N-1", euro(5), login_name="ben")),
        (ticket("N-1"), ticket("N-1", entries=2)),
        (points(5, "gift"), points(6, "gift")),
    ],
)
def test_a_second_import_changes_nothing_and_another_row_is_refused(
    first: Command, other: Command
) -> None:
    world = SmallWorld()

    assert world.ask(first) == NEW
    rows = dict(world.rows)
    world.move(seconds=3_600)
    assert world.ask(first) == KNOWN
    assert reason_of(world.ask(other)) == Reason.ALREADY_EXISTS_DIFFERENT
    assert world.rows == rows


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (merchant(programme_id="miles"), Reason.PROGRAMME_NOT_FOUND),
        (event(merchant_id="shop"), Reason.MERCHANT_NOT_FOUND),
        (terminal(merchant_id="shop"), Reason.MERCHANT_NOT_FOUND),
        (bill("N-1", euro(5), merchant_id="shop"), Reason.MERCHANT_NOT_FOUND),
        (bill("N-1", euro(5), login_name="cleo"), Reason.CUSTOMER_NOT_FOUND),
        (ticket("N-1", "opera"), Reason.EVENT_NOT_FOUND),
        (points(5, "gift", programme_id="miles"), Reason.PROGRAMME_NOT_FOUND),
    ],
)
def test_what_a_row_names_must_be_there(command: Command, expected: Reason) -> None:
    world = SmallWorld()

    assert reason_of(world.ask(command)) == expected
    assert not world.last.changes


def test_a_paid_bill_and_a_used_ticket_are_still_the_same_row() -> None:
    world = SmallWorld()
    first_bill, first_ticket = bill("N-1", euro(5)), ticket("N-1")
    world.ask(first_bill)
    world.ask(first_ticket)
    for row in (world.bill("N-1"), world.ticket("N-1")):
        mark = {"process_id": "p"} if hasattr(row, "process_id") else {"held_by": "p"}
        world.rows[row.key] = msgspec.structs.replace(row, **mark)

    assert world.ask(first_bill) == world.ask(first_ticket) == KNOWN


@pytest.mark.parametrize(
    ("registered", "command"),
    [
        ({"bills": (BillReference(merchant_id="m", bill_reference="b"),) * 499}, bill),
        ({"tickets": (TicketReference(event_id="e", ticket_id="t"),) * 499}, ticket),
        ({"programme_ids": ("p",) * 99}, points),
    ],
)
def test_registrations_are_bounded(registered: dict[str, Any], command: Any) -> None:
    world = SmallWorld()
    world.ask(programme("p-1"))
    world.ask(programme("p-2"))
    full = msgspec.structs.replace(world.customer(), **registered)
    world.rows[full.key] = full
    commands: dict[Any, list[Command]] = {
        bill: [bill("N-1", euro(1)), bill("N-2", euro(1))],
        ticket: [ticket("N-1"), ticket("N-2")],
        points: [points(1, "gift", programme_id=name) for name in ("p-1", "p-2")],
    }

    answers = [reason_of(world.ask(one)) for one in commands[command]]

    assert answers == ["OK", Reason.TOO_MANY_REGISTRATIONS]
