"""Many charges against a host that misbehaves, and how both sides' lists are compared."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from tallymark_institution.iso8583.gateway.authorisation import Authorisation, ErrandResult
from tallymark_institution.iso8583.host.books import State
from tallymark_institution.iso8583.host.faults import FAULTS
from tallymark_institution.iso8583.host.server import CardHost
from tallymark_server.domain.authorisation import InstitutionSilent
from tests.integration.iso8583.ground import DEADLINE_SECONDS, Counter, MovedClock, counter, line_to

__all__ = ["Charge", "Plan", "all_of", "both_lists", "plan_charges", "play", "settle"]

FAULTY_SHARE = 0.3
AT_ONCE = 40
CALL_SECONDS = 0.1
"""How long a call waits for the host here; the host on the same machine needs a hundredth."""
TRIES = 4
SETTLING_ROUNDS = 12
SETTLE_SECONDS = 0.25
"""Of real time, for what the host answers within a round."""


class Plan(StrEnum):
    """What the server wants of a charge."""

    LEAVE = "LEAVE"
    CAPTURE = "CAPTURE"
    REVERSE = "REVERSE"
    REFUND = "REFUND"
    REVERSE_FIRST = "REVERSE_FIRST"
    GIVE_UP = "GIVE_UP"
    """Reverse while the question is on its way."""


class Charge(NamedTuple):
    """One charge to be made."""

    authorisation_id: str
    minor_units: int
    plan: Plan


def plan_charges(
    count: int, chance: random.Random, *, faulty_share: float = FAULTY_SHARE
) -> Iterator[Charge]:
    """Return charges, this share of them with a fault; every fault comes in turn."""
    for number in range(count):
        is_faulty = chance.random() < faulty_share
        code = 7700 + FAULTS[number % len(FAULTS)].code if is_faulty else chance.randint(1, 7699)
        plan = Plan.CAPTURE if chance.random() < 1 / 2 else chance.choice(list(Plan))
        yield Charge(f"charge-{number:06}", 10_000 * chance.randint(0, 9) + code, plan)


async def play(folder: Path, charges: list[Charge], host: CardHost, *, lives: int) -> list[str]:
    """Make the charges over several lives of the gateway, let time pass, and return differences."""
    clock = MovedClock()
    async with host.listening() as port:
        for life in range(lives):
            async with counter(folder, line_to(port), clock=clock) as desk:
                desk.give_up_waiting(CALL_SECONDS)
                await _make(desk, charges[life::lives])
        async with counter(folder, line_to(port), clock=clock) as desk:
            await settle(desk)
            return both_lists(await all_of(desk), host)


def both_lists(gateway: list[Authorisation], host: CardHost) -> list[str]:
    """Return the ids of authorisations about which the gateway and the host disagree."""
    entries = dict(host.books.entries)
    different = []
    for known in gateway:
        entry = None if known.trace is None else entries.pop(known.trace.reference, None)
        found = (State.DECLINED, 0) if entry is None else (entry.state, entry.minor_units)
        if found[0] in {State.DECLINED, State.RETURNED}:
            found = (State.DECLINED, 0)
        if known.errand or known.is_unanswered or _expected(known) != found:
            different.append(known.authorisation_id)
    return different + list(entries)


def _expected(known: Authorisation) -> tuple[State, int]:
    """Return state and amount that the host should have in its books."""
    verdict, reversal = known.verdict, known.reversal
    is_reversed = reversal is not None and reversal.result is ErrandResult.DONE
    if verdict is None or is_reversed or not verdict.outcome.holds_money:
        return State.DECLINED, 0
    is_taken = known.capture is not None and known.capture.result is ErrandResult.DONE
    return State.TAKEN if is_taken else State.HELD, verdict.approved_minor_units


async def _make(desk: Counter, charges: list[Charge]) -> None:
    waiting = iter(charges)

    async def work() -> None:
        for charge in waiting:
            await _make_one(desk, charge)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _make_one(desk: Counter, charge: Charge) -> None:
    name = charge.authorisation_id
    if charge.plan is Plan.REVERSE_FIRST:
        await _insist(desk.reverse, name)
    asking = asyncio.create_task(_insist(desk.authorise, name, charge.minor_units))
    if charge.plan is Plan.GIVE_UP:
        await _insist(desk.reverse, name)
    await asking
    if charge.plan in {Plan.CAPTURE, Plan.REFUND}:
        await _insist(desk.capture, name)
    if charge.plan in {Plan.REVERSE, Plan.REFUND}:
        await _insist(desk.reverse, name)


async def _insist(call: Callable[..., Awaitable[object]], *values: object) -> None:
    """Call until it is answered, a few times."""
    for _ in range(TRIES):
        with suppress(InstitutionSilent):
            await call(*values)
            return


async def settle(desk: Counter) -> None:
    """Let minutes pass until nobody owes an answer, or too many have passed."""
    for _ in range(SETTLING_ROUNDS):
        open_ids = [
            known.authorisation_id
            for known in await all_of(desk)
            if known.errand or known.is_unanswered
        ]
        if not open_ids:
            return
        await asyncio.wait_for(desk.gateway.line.signed_on(), DEADLINE_SECONDS)
        await desk.pass_time(60)
        settling = (desk.gateway.settled(each) for each in open_ids)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*settling), SETTLE_SECONDS)


async def all_of(desk: Counter) -> list[Authorisation]:
    """Return all that the gateway remembers, oldest first."""
    found: list[Authorisation] = []
    after = (0.0, "")
    while page := await desk.gateway.arrived(since=0, until=2e9, after=after, limit=500):
        found += page
        after = (page[-1].arrived_at, page[-1].authorisation_id)
    return found
