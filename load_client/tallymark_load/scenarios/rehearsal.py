"""What a scenario needs of its cast before it begins, and leaves in it afterwards."""

import math
from dataclasses import replace
from typing import Final

from tallymark_load.cast import Cast
from tallymark_load.cast.furnishing import ENTRIES, Furnisher
from tallymark_load.cast.lines import Lines
from tallymark_load.scenarios.kinds import KINDS
from tallymark_load.scenarios.scenario import InvalidScenario, Scenario
from tallymark_load.scenarios.stage import Stage

__all__ = ["add_tickets_for", "check_cast", "note_entries"]

_CLOSED_LOOP_RATE: Final = 500
"""Visits a second that a closed loop is furnished for: more than one core of a server does."""

_SPARE: Final = 50
"""Entries that a customer may need beyond a share of the whole: nobody waits in a strict line."""


def check_cast(scenario: Scenario, cast: Cast) -> None:
    """Refuse a cast that cannot play the scenario.

    Raises:
        InvalidScenario: as its message says.

    """
    if not cast.is_ready:
        message = "the cast is not complete; run `tallymark-load prepare` again, it goes on"
        raise InvalidScenario(message)
    if scenario.users > len(cast.customers):
        message = (
            f"{scenario.name}: users: {scenario.users} need as many customers, and the cast has"
            f" {len(cast.customers)}"
        )
        raise InvalidScenario(message)


async def add_tickets_for(scenario: Scenario, cast: Cast, lines: Lines) -> None:
    """Give customers the tickets that they may need beyond those that they have."""
    each = _entries_of_each(scenario, len(cast.customers))
    if not each:
        return
    assert cast.operator is not None, "a prepared cast has an operator"
    furnisher = Furnisher(lines.operators(cast.operator.identity), cast)
    used = max(customer.entries_used for customer in cast.customers.values())
    # What is there already stays as it is; the first came with the customer.
    for number in range(2, (used + each) // ENTRIES + 2):
        await furnisher.add_tickets(cast.customers.values(), number)


def note_entries(cast: Cast, stage: Stage) -> None:
    """Keep how many entries each customer has used, so that the next run goes on there."""
    for phone in stage.phones:
        name = phone.customer.name
        cast.customers[name] = replace(cast.customers[name], entries_used=phone.entries_used)


def _entries_of_each(scenario: Scenario, customers: int) -> int:
    """Return how many entries a customer may use; 0 when nobody uses any."""
    total = sum(visit.share for visit in scenario.visits)
    admissions = sum(visit.share * KINDS[visit.kind].admissions for visit in scenario.visits)
    if not admissions:
        return 0
    planned = scenario.visits_planned
    visits = scenario.seconds * _CLOSED_LOOP_RATE if planned is None else planned
    return math.ceil(visits * admissions / total / customers) + _SPARE
