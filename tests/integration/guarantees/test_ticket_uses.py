"""G8: a ticket good for k entries admits k times over all gates, whoever is cut off in between.

All gates scan at once: each another code of the same ticket, from ten phones of its holder. Some
gates are cut off while they ask, both ways or one way, and ask again when they are back. A gate
that refuses has to say where and when the ticket was used.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import identification_pb2 as i
from tallymark_server.domain.actions import admit
from tallymark_server.domain.devices import DEVICES_MAX
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tests.chaos.desk import Desk, Presentation, open_desks, until_answered
from tests.chaos.history import History
from tests.chaos.models import FREE_AT_GATE, Answer, Kind
from tests.chaos.proxy import BlackHole, DropReplies
from tests.doubles.mutant import Mutant, plant
from tests.proof import Proof
from tests.world.actions import ADMIT
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.world import World

pytestmark = pytest.mark.guarantee

GATES = 2 * DEVICES_MAX
"""A phone holds two codes of which neither ends the other: one for tickets, one for everything."""

TICKETS_AT_ONCE = 4
TICKETS_EACH = 25
"""Of one customer, one after the other."""

CUT_OFF = 0.1
CUT_OFF_SECONDS = 0.15

PER_GATE_CACHE = Mutant(
    owner=admit,
    name="grant",
    text="why_not(ticket, ",
    bug="why_not(msgspec.structs.replace(ticket, uses=tuple("
    "use for use in ticket.uses if use.terminal_id == process.terminal_id)), ",
)
"""Each gate knows only of those whom it let pass itself."""


class Scanned(NamedTuple):
    """What all gates said to one ticket."""

    entries: int
    admitted: list[Presentation]
    refused: list[Presentation]

    @property
    def is_right(self) -> bool:
        """Whether it admitted as often as it is good for, and each refusal names a winner."""
        passes = {
            (shown.process.terminal_id, shown.process.ended_at.ToMilliseconds())
            for shown in self.admitted
            if shown.process
        }
        return len(self.admitted) == self.entries and all(
            _named_use(shown) in passes for shown in self.refused
        )


class Venue(NamedTuple):
    """Gates, each on a line that fails now and then."""

    world: World
    gates: Sequence[Desk]
    random: random.Random

    async def run(self, tickets: Iterator[int]) -> list[Scanned]:
        """Scan one ticket after the other at all gates."""
        parties = [self._scan_tickets(place, tickets) for place in range(TICKETS_AT_ONCE)]
        return [scanned for party in await asyncio.gather(*parties) for scanned in party]

    async def _scan_tickets(self, place: int, tickets: Iterator[int]) -> list[Scanned]:
        scanned: list[Scanned] = []
        for ticket in tickets:
            if len(scanned) % TICKETS_EACH == 0:
                phones = await self._new_customer(f"ben-{place}-{ticket}")
            self.world.clock.move(seconds=0.001)
            scanned.append(await self._scan(f"ticket-{ticket}", phones))
        return scanned

    async def _new_customer(self, name: str) -> list[Phone]:
        first = await self.world.add_phone(name)
        others = [await self.world.add_device(first) for _ in range(DEVICES_MAX - 1)]
        return [first, *others]

    async def _scan(self, ticket_id: str, phones: Sequence[Phone]) -> Scanned:
        entries = self.random.choice((1, 1, 2, 3))
        await self.world.operator.add_ticket(phones[0], ticket_id, entries=entries)
        choice = c.TicketChoice(event_id="jazz", ticket_id=ticket_id)
        calls = [phone.issue(i.CODE_PURPOSE_TICKET, ticket=choice) for phone in phones]
        calls += [phone.issue() for phone in phones]
        codes = await asyncio.gather(*calls)
        self.random.shuffle(codes)
        shown = [
            gate.present(f"{ticket_id}/{number}", code, ADMIT, complete_on_instruction=True)
            for number, (gate, code) in enumerate(zip(self.gates, codes, strict=True))
        ]
        await asyncio.gather(*map(self._ask, self.gates, shown))
        admitted = [one for one in shown if one.answers[Kind.CLAIM] == Answer.DONE]
        return Scanned(entries, admitted, [one for one in shown if one not in admitted])

    async def _ask(self, gate: Desk, shown: Presentation) -> None:
        if self.random.random() < CUT_OFF:
            gate.proxy.strike(self.random.choice((BlackHole(), DropReplies())))
            asyncio.get_running_loop().call_later(CUT_OFF_SECONDS, gate.proxy.heal)
        await until_answered(gate, shown, Kind.CLAIM)


def _named_use(shown: Presentation) -> tuple[str, int] | None:
    """Return gate and time that a refusal names, in milliseconds since 1970."""
    refusal = shown.process.refusal if shown.process else a.Refusal()
    if refusal.reason != a.REFUSAL_REASON_ALREADY_ADMITTED:
        return None
    return refusal.first_use.terminal_id, refusal.first_use.used_at.ToMilliseconds()


@asynccontextmanager
async def venue(
    keyring: Keyring, path: Path, seed: random.Random, history: History
) -> AsyncIterator[Venue]:
    store = await SqliteStore.open(path / "tallymark.sqlite3", keyring.cells)
    try:
        async with world(store, keyring) as served, open_desks(served, history, GATES) as gates:
            yield Venue(served, gates, seed)
    finally:
        await store.close()


async def test_a_ticket_admits_as_often_as_it_says_though_gates_are_cut_off(
    keyring: Keyring, proof: Proof, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tickets = proof.trials(ci=16, campaign=1_000)
    with monkeypatch.context() as planted:
        plant(PER_GATE_CACHE, planted)
        async with venue(keyring, tmp_path / "planted", proof.random, History()) as cached:
            found_after = await _tickets_until_wrong(cached)

    history = History(free=FREE_AT_GATE)
    async with venue(keyring, tmp_path, proof.random, history) as honest:
        scanned = await honest.run(iter(range(tickets)))

    fired: Counter[str] = sum((gate.proxy.fired for gate in honest.gates), Counter())
    wrong = sum(not one.is_right for one in scanned) + len(history.not_linearizable())
    proof.record(
        "G8 tickets scanned at 20 gates at once",
        trials=tickets,
        failures=wrong,
        faults_fired={
            **fired,
            "scans without an answer": history.counts()["claim: unknown"],
            "decided, and nobody heard it": history.decided_unheard(),
        },
        mutants_killed={"a cache in each gate": found_after},
        figures={
            "admitted": sum(len(one.admitted) for one in scanned),
            "refused_naming_gate_and_time": sum(len(one.refused) for one in scanned),
        },
    )
    assert len(scanned) == tickets


async def _tickets_until_wrong(cached: Venue) -> int:
    """Return how many tickets it takes to find the bug that is planted."""
    for tried in range(0, 100, TICKETS_AT_ONCE):
        scanned = await cached.run(iter(range(tried, tried + TICKETS_AT_ONCE)))
        if not all(one.is_right for one in scanned):
            return tried + TICKETS_AT_ONCE
    message = "the planted bug was not found"
    raise AssertionError(message)
