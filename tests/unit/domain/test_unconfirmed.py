"""How much is charged without asking in a day, and what becomes of the count."""

from collections.abc import Callable

import pytest

from tallymark_server.domain.answers import ReversalAnswer, ReversalOutcome
from tallymark_server.domain.authorisation import AuthorisationAnswer
from tallymark_server.domain.commands import ReenrolTerminal, RevokeTerminal
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.actions import BurnPointsAsk, ChargeAsk, ReadPointsAsk
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.model.tallies import Tally, TerminalDay, day_of
from tests.unit.domain.furniture import enrolled, euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import OPERATOR, SmallWorld

HOUR = 3_600
DAY = 24 * HOUR

AUTHORISING, AWAITING = ProcessState.AUTHORISING, ProcessState.AWAITING_CUSTOMER


class DayWorld(SmallWorld):
    """The small world, and what is charged in it unasked."""

    def charge(self, minor_units: int = 100, *, by: str = "till-1", who: str = "ana") -> Process:
        ask = ChargeAsk(amount=euro(minor_units))
        return self.resolve(self.issue(f"{who}-1"), ask, by=by)

    def charges(
        self, count: int, minor_units: int = 100, *, by: str = "till-1"
    ) -> list[ProcessState]:
        return [self.charge(minor_units, by=by).state for _ in range(count)]

    def tally(self, who: str = "ana") -> tuple[int, int]:
        tally = self.customer(who).unconfirmed.on(day_of(self.now))
        return tally.count, tally.minor_units

    def sold(self, terminal_id: str = "till-1") -> Tally | None:
        row = self.rows.get(TerminalDay.key_of(terminal_id))
        return row.tally if isinstance(row, TerminalDay) else None

    def enrol_again(self, terminal_id: str = "till-1") -> None:
        """Have a terminal enrol once more, so that it is new."""
        commands = [
            RevokeTerminal(caller=OPERATOR, partition=DIRECTORY, terminal_id=terminal_id),
            ReenrolTerminal(
                caller=OPERATOR,
                partition=DIRECTORY,
                terminal_id=terminal_id,
                generation=1,
                code_hash="code-1",
            ),
            enrolled(terminal_id, "code-1"),
        ]
        for command in commands:
            assert reason_of(self.ask(command)) == "OK"


@pytest.mark.parametrize(
    ("policy", "minor_units", "expected"),
    [
        ({"unconfirmed_count_max": 3}, 1, 3),
        ({"unconfirmed_count_max": 0}, 1, 0),
        ({"unconfirmed_sum_max": 300}, 100, 3),
        ({"unconfirmed_sum_max": 299}, 100, 2),
        ({"unconfirmed_sum_max": 0}, 1, 0),
        ({}, 1, 10),
        ({}, 4_000, 3),
    ],
)
def test_beyond_the_bounds_of_a_day_the_customer_is_asked(
    policy: dict[str, int], minor_units: int, expected: int
) -> None:
    world = DayWorld()
    world.set_policy(**policy)

    states = world.charges(expected + 2, minor_units)

    assert states == [AUTHORISING] * expected + [AWAITING] * 2
    assert world.tally() == (expected, expected * minor_units)


def test_a_small_charge_may_still_fit_when_a_large_one_does_not() -> None:
    world = DayWorld()
    world.set_policy(unconfirmed_sum_max=1_000)
    world.charge(900)

    assert world.charge(101).state is AWAITING
    assert world.charge(100).state is AUTHORISING


def test_the_next_day_of_utc_begins_at_nothing() -> None:
    world = DayWorld()
    world.set_policy(unconfirmed_count_max=1)
    world.charge()

    world.move(seconds=16 * HOUR, milliseconds=-1)  # midnight: every test begins at 8
    before = world.charge().state
    world.move(milliseconds=1)

    assert (before, world.charge().state) == (AWAITING, AUTHORISING)
    assert world.tally() == (1, 100)


def test_one_customer_s_charges_are_not_another_s() -> None:
    world = DayWorld()
    world.set_policy(unconfirmed_count_max=1)
    world.charge()

    assert world.charge(who="ben").state is AUTHORISING


def test_what_takes_no_money_from_the_card_is_not_counted() -> None:
    world = DayWorld()
    world.set_policy(unconfirmed_count_max=1)
    rest = ChargeAsk(amount=None)

    world.resolve(world.issue(), ReadPointsAsk())
    world.resolve(world.issue(), rest, BurnPointsAsk(points=900), sale_total=euro(900))
    assert world.tally() == (0, 0)
    world.charge()
    free = world.resolve(world.issue(), rest, BurnPointsAsk(points=500), sale_total=euro(500))

    assert free.state is ProcessState.INSTRUCTED


def test_what_the_customer_confirms_is_not_counted() -> None:
    world = DayWorld()
    process = world.charge(5_000)

    world.confirm(process)
    world.authorised(world.again(process), AuthorisationAnswer.CARD_BLOCKED)

    assert world.tally() == (0, 0)


def unanswered(world: DayWorld, process: Process) -> None:
    world.now = process.timer_at
    world.fire(process)


def declined(world: DayWorld, process: Process) -> None:
    world.authorised(process, AuthorisationAnswer.CARD_BLOCKED, approved_minor_units=0)


def approved_in_part(world: DayWorld, process: Process) -> None:
    world.authorised(process, AuthorisationAnswer.PARTIALLY_APPROVED, approved_minor_units=1)


def given_up_early(world: DayWorld, process: Process) -> None:
    world.reverse(process)


def given_up(world: DayWorld, process: Process) -> None:
    world.authorised(process)
    world.reverse(process)


def taken_back_by_the_terminal(world: DayWorld, process: Process) -> None:
    world.authorised(process)
    world.complete(process)
    answer = world.reverse(process)
    assert isinstance(answer, ReversalAnswer)
    assert answer.outcome is ReversalOutcome.COMPENSATING


def refused_when_contested(world: DayWorld, process: Process) -> None:
    world.authorised(process)
    world.dispute(process)
    world.confirm(process, approve=False)


def approved_when_contested(world: DayWorld, process: Process) -> None:
    world.authorised(process)
    world.dispute(process)
    world.confirm(process)


@pytest.mark.parametrize(
    ("go_on", "expected"),
    [
        (declined, 0),
        (approved_in_part, 0),
        (unanswered, 0),
        (given_up_early, 1),
        (given_up, 1),
        (taken_back_by_the_terminal, 1),
        (refused_when_contested, 1),
        (approved_when_contested, 1),
    ],
)
def test_only_what_the_institution_refused_counts_no_more(
    go_on: Callable[[DayWorld, Process], None], expected: int
) -> None:
    world = DayWorld()
    process = world.charge(100)
    assert world.tally() == (1, 100)

    go_on(world, process)

    assert world.again(process).state is not AUTHORISING
    assert world.tally() == (expected, expected * 100)


def test_what_is_refused_after_midnight_does_not_count_for_the_new_day() -> None:
    world = DayWorld()
    world.set_policy(unconfirmed_count_max=1)
    world.move(seconds=16 * HOUR, milliseconds=-1)
    process = world.charge()
    world.move(milliseconds=1)
    world.charge()

    declined(world, process)

    assert world.tally() == (1, 100)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [({"new_terminal_count_max": 3}, 3), ({"new_terminal_sum_max": 299}, 2)],
)
def test_a_new_terminal_has_bounds_of_its_own_for_all_customers_together(
    policy: dict[str, int], expected: int
) -> None:
    world = DayWorld()
    world.set_policy(**policy)
    world.enrol_again()

    for _ in range(expected - 1):
        world.charge(who="ben")
    states = [world.charge().state, world.charge().state, world.charge(by="till-2").state]

    assert states == [AUTHORISING, AWAITING, AUTHORISING]
    assert world.sold() == Tally(day=day_of(world.now), count=expected, minor_units=expected * 100)
    assert world.sold("till-2") is None, "a terminal that is not new leaves no trace"


@pytest.mark.parametrize(
    ("off_by", "expected"), [(-1, AWAITING), (0, AUTHORISING), (1, AUTHORISING)]
)
def test_a_terminal_is_new_for_thirty_days(off_by: int, expected: ProcessState) -> None:
    world = DayWorld()
    world.set_policy(new_terminal_count_max=0)
    world.enrol_again()

    world.move(seconds=30 * DAY, milliseconds=off_by)

    assert world.charge().state is expected


def test_a_new_terminal_begins_each_day_in_the_same_row() -> None:
    world = DayWorld()
    world.set_policy(new_terminal_count_max=1)
    world.enrol_again()
    world.charge()

    world.move(seconds=DAY)

    assert world.charge().state is AUTHORISING
    assert len(world.all(TerminalDay)) == 1
    assert world.charge().state is AWAITING


def test_refused_cards_count_for_the_terminal_that_tried_them() -> None:
    world = DayWorld()
    world.set_policy(new_terminal_count_max=1)
    world.enrol_again()

    declined(world, world.charge())

    assert world.tally() == (0, 0)
    assert world.charge().state is AWAITING


def test_with_no_new_days_no_terminal_is_new() -> None:
    world = DayWorld()
    world.set_policy(new_terminal_days=0, new_terminal_count_max=0)
    world.enrol_again()

    assert world.charge().state is AUTHORISING
