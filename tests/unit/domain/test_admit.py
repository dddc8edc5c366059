"""Which ticket admits whom, when, how often, and why not."""

import pytest

from tallymark_server.domain.actions.admit import why_not
from tallymark_server.domain.model.actions import AdmitAsk, AdmitGrant, Refusal, RefusalReason
from tallymark_server.domain.model.merchants import ReentryRule
from tallymark_server.domain.model.people import TicketReference
from tallymark_server.domain.model.processes import ProcessState
from tallymark_server.domain.model.registrations import AdmitDirection, Ticket, TicketUse
from tests.unit.domain.furniture import PARTITION, ticket
from tests.unit.domain.small_world import SmallWorld

ENTRY, EXIT = AdmitDirection.ENTRY, AdmitDirection.EXIT
EACH, BETWEEN, FREE = ReentryRule
ADMITTED = RefusalReason.ALREADY_ADMITTED
STILL, NOT_INSIDE = RefusalReason.STILL_INSIDE, RefusalReason.NOT_INSIDE

IN = AdmitAsk(event_id="jazz", direction=ENTRY)
OUT = AdmitAsk(event_id="jazz", direction=EXIT)


def passes(history: str, **more: object) -> Ticket:
    """Return a ticket with this history: i in, o out, f in again for free."""
    uses = tuple(
        TicketUse(
            used_at=place,
            terminal_id="gate-1",
            direction=EXIT if letter == "o" else ENTRY,
            process_id=f"process-{place}",
            is_free=letter == "f",
        )
        for place, letter in enumerate(history)
    )
    fields: dict[str, object] = {"entries": 1, "uses": uses, **more}
    return Ticket(
        partition=PARTITION,
        event_id="jazz",
        ticket_id="J-1",
        customer_id="ana",
        login_name="ana",
        **fields,  # type: ignore[arg-type]  # fields of a ticket
    )


@pytest.mark.parametrize(
    ("rule", "history", "entries", "direction", "expected"),
    [
        (EACH, "", 1, ENTRY, None),
        (EACH, "i", 1, ENTRY, ADMITTED),
        (EACH, "i", 2, ENTRY, None),
        (EACH, "ii", 2, ENTRY, ADMITTED),
        (EACH, "io", 1, ENTRY, ADMITTED),
        (EACH, "", 1, EXIT, NOT_INSIDE),
        (EACH, "i", 1, EXIT, None),
        (EACH, "io", 1, EXIT, NOT_INSIDE),
        (BETWEEN, "", 1, ENTRY, None),
        (BETWEEN, "i", 1, ENTRY, ADMITTED),
        (BETWEEN, "i", 2, ENTRY, STILL),
        (BETWEEN, "io", 2, ENTRY, None),
        (BETWEEN, "ioi", 2, ENTRY, ADMITTED),
        (BETWEEN, "ioi", 2, EXIT, None),
        (FREE, "", 1, ENTRY, None),
        (FREE, "i", 1, ENTRY, ADMITTED),
        (FREE, "i", 2, ENTRY, None),
        (FREE, "io", 1, ENTRY, None),
        (FREE, "iof", 1, ENTRY, ADMITTED),
        (FREE, "iofo", 1, ENTRY, None),
        (FREE, "iof", 1, EXIT, None),
    ],
)
def test_a_rule_says_who_may_pass(
    rule: ReentryRule,
    history: str,
    entries: int,
    direction: AdmitDirection,
    expected: RefusalReason | None,
) -> None:
    refusal = why_not(passes(history, entries=entries), rule, direction, now=100)

    assert (refusal.reason if refusal else None) == expected
    if expected in {ADMITTED, STILL}:
        assert refusal is not None
        assert refusal.first_use == passes(history).uses[0], "when it was used first, and where"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (999, Refusal(reason=RefusalReason.TICKET_NOT_YET_VALID, valid_from=1_000)),
        (1_000, None),
        (1_999, None),
        (2_000, Refusal(reason=RefusalReason.TICKET_NO_LONGER_VALID, valid_until=2_000)),
    ],
)
def test_a_ticket_admits_within_its_window_only(now: int, expected: Refusal | None) -> None:
    valid = passes("", valid_from=1_000, valid_until=2_000)

    assert why_not(valid, EACH, ENTRY, now) == expected


def test_whoever_is_inside_may_leave_after_the_window() -> None:
    assert why_not(passes("i", valid_until=2_000), EACH, EXIT, now=9_999) is None


def test_a_held_ticket_is_in_use_even_for_leaving() -> None:
    refusal = why_not(passes("i", held_by="another"), EACH, EXIT, now=1)

    assert refusal == Refusal(reason=RefusalReason.TICKET_IN_USE)


def test_a_free_entry_uses_none_and_says_so() -> None:
    world = SmallWorld()
    swim = AdmitAsk(event_id="pool", direction=ENTRY)
    leave = AdmitAsk(event_id="pool", direction=EXIT)

    for ask in (swim, leave, swim):
        process = world.resolve(world.issue(), ask, by="gate-1", complete_on_instruction=True)
        assert process.state is ProcessState.COMPLETED

    granted = process.actions[0].grant
    assert isinstance(granted, AdmitGrant)
    assert granted.is_free
    assert granted.entries_left == 0
    assert world.ticket("P-1", "pool").entries_used == 1


def test_an_undone_entry_leaves_no_free_way_back_in() -> None:
    world = SmallWorld()
    swim = AdmitAsk(event_id="pool", direction=ENTRY)
    leave = AdmitAsk(event_id="pool", direction=EXIT)
    sold = world.resolve(world.issue(), swim, by="gate-1", complete_on_instruction=True)
    world.resolve(world.issue(), leave, by="gate-1", complete_on_instruction=True)

    world.reverse(sold, by="gate-1")
    again = world.resolve(world.issue(), swim, by="gate-1")

    granted = again.actions[0].grant
    assert isinstance(granted, AdmitGrant)
    assert not granted.is_free, "the entry that it came back from was taken back"


def test_the_next_ticket_admits_when_the_first_is_used_up() -> None:
    world = SmallWorld()
    world.ask(ticket("F-2", "fair"))
    enter = AdmitAsk(event_id="fair", direction=ENTRY)
    first = world.resolve(world.issue(), enter)
    second = world.resolve(world.issue(), enter)
    third = world.resolve(world.issue(), enter)

    chosen = [one.actions[0].grant for one in (first, second)]
    assert [one.ticket_id for one in chosen if isinstance(one, AdmitGrant)] == ["F-1", "F-2"]
    assert third.refusal == Refusal(reason=RefusalReason.TICKET_IN_USE)


def test_an_admitted_ticket_explains_the_refusal_better_than_one_in_use() -> None:
    world = SmallWorld()
    world.ask(ticket("J-2b"))
    held = world.resolve(world.issue(), IN)
    used = [world.resolve(world.issue(), IN, complete_on_instruction=True) for _ in range(2)]

    refused = world.resolve(world.issue(), IN)

    assert {one.state for one in used} == {ProcessState.COMPLETED}
    assert held.state is ProcessState.INSTRUCTED
    assert refused.refusal is not None
    assert refused.refusal.reason is ADMITTED


@pytest.mark.parametrize(
    ("by", "event_id", "expected"),
    [
        ("gate-1", "jazz", RefusalReason.EVENT_NOT_FOUND),
        ("till-1", "nothing", RefusalReason.EVENT_NOT_FOUND),
        ("till-1", "fair", RefusalReason.NO_TICKET),
    ],
)
def test_only_own_events_and_own_tickets_count(
    by: str, event_id: str, expected: RefusalReason
) -> None:
    world = SmallWorld()
    ask = AdmitAsk(event_id=event_id, direction=ENTRY)

    process = world.resolve(world.issue("ben-1"), ask, by=by)

    assert process.state is ProcessState.DECLINED
    assert process.refusal == Refusal(reason=expected)


def test_a_code_for_one_ticket_admits_with_that_ticket_only() -> None:
    world = SmallWorld()
    chosen = TicketReference(event_id="jazz", ticket_id="J-2")

    process = world.resolve(world.issue(ticket=chosen), IN)
    other_event = world.resolve(
        world.issue(ticket=chosen), AdmitAsk(event_id="fair", direction=ENTRY)
    )

    assert world.ticket("J-2").held_by == process.process_id
    assert other_event.refusal == Refusal(reason=RefusalReason.NO_TICKET)


def test_an_undone_admission_admits_again() -> None:
    world = SmallWorld()
    code = world.issue("ben-1")
    first = world.resolve(code, IN, complete_on_instruction=True)
    assert world.ticket("J-9").entries_used == 1

    world.reverse(first)

    assert world.ticket("J-9").uses == ()
    again = world.resolve(world.issue("ben-1"), IN)
    assert again.state is ProcessState.INSTRUCTED
