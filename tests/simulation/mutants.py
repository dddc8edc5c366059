"""Planted bugs, for the tests of the simulator only: each breaks a promise, and has to be found."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import pytest

from tallymark_server.domain import decide
from tallymark_server.domain.actions import admit, charge
from tallymark_server.domain.answers import Answer
from tallymark_server.domain.commands import Command
from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.processes import finish, lifecycle, outcomes, resolve, settling
from tallymark_server.domain.state import Key, Need, Row
from tallymark_server.lanes import errands
from tallymark_server.lanes.batch import Batch
from tallymark_server.lanes.lane import Lane
from tallymark_server.lanes.row_memory import RowMemory
from tallymark_server.storage.store import RowExists
from tallymark_terminal.recovery import Recovery
from tests.doubles.mutant import Mutant, plant
from tests.simulation.server_machine import Changes, WatchedStore

__all__ = ["MUTANTS", "Bug"]


class Bug(NamedTuple):
    """A bug, with the guarantee that it breaks."""

    guarantee: str
    plant: Callable[[pytest.MonkeyPatch], None]


def _text(owner: object, name: str, text: str, bug: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: plant(Mutant(owner, name, text, bug), patch)


def _no_single_writer(patch: pytest.MonkeyPatch) -> None:
    """Let every command read, decide, and write later, whatever the others do meanwhile."""

    async def submit(self: Any, command: Command) -> Answer:  # the lane's own parts
        rows: dict[Key[Any], Row | None] = {}
        while True:
            try:
                decision = decide.decide(rows, command, self._clock.now())
            except Need as need:
                rows.update(await self._store.load(need.keys))
            else:
                break
        async with vars(self).setdefault("_writing", asyncio.Lock()):
            head = await self._store.journal_head(command.partition)
            records = [decision.record] if decision.record else []
            entries = [head.follow(command.partition, record) for record in records]
            if decision.changes:
                await self._store.save(decision.changes, entries)
                self._heads = {entry.partition: entry.head for entry in entries}
                self._on_commit(decision.changes)
        return decision.answer

    patch.setattr(Lane, "submit", submit)


def _two_transactions(patch: pytest.MonkeyPatch) -> None:
    """Save the process first, and what it does a moment later."""
    save = WatchedStore.save

    async def twice(
        self: WatchedStore, changes: Changes, entries: Sequence[JournalEntry], new: Any
    ) -> None:
        first = {key: row for key, row in changes.items() if key.table is Process}
        rest = {key: row for key, row in changes.items() if key.table is not Process}
        if any((await self.load(new)).values()):
            raise RowExists
        await save(self, first, entries)
        await save(self, rest, [])

    patch.setattr(WatchedStore, "save", twice)


def _answer_before_save(patch: pytest.MonkeyPatch) -> None:
    async def run_batch(self: Any, waiting: list[Any]) -> None:  # the lane's own parts
        batch: Any = Batch(self._memory, presumes=True)
        await self._decide(batch, waiting)
        for answer, outcome in batch.outcomes:
            if not answer.done():
                answer.set_result(outcome)
        await asyncio.sleep(0.05)
        await self._save(batch)
        self._memory.learn(batch.used)
        if batch.changes:
            self._on_commit(batch.changes)

    patch.setattr(Lane, "_run_batch", run_batch)


MUTANTS: Final = {
    "a claimed code can be claimed again": Bug(
        "G1",
        _text(
            resolve,
            "_resolve_code",
            "code.state is not CodeState.ISSUED",
            "code.process_id == 'never'",
        ),
    ),
    "read, then write, without a single writer": Bug("G1", _no_single_writer),
    "answers leave before they are saved": Bug("G3", _answer_before_save),
    "a repeated request is decided again": Bug(
        "G4",
        _text(decide, "_earlier_answer", "draft.get(key) if key is not None else None", "None"),
    ),
    "a request with another body is answered": Bug(
        "G4", _text(decide, "_earlier_answer", "!= command.request.fingerprint", "== 'never'")
    ),
    "a request that was given up has its effect when it arrives": Bug(
        "G4", _text(finish, "_find_or_mark", "draft.put(mark)", "pass")
    ),
    "a balance is computed from rows read long ago": Bug(
        "G5",
        _text(
            RowMemory,
            "learn",
            "if key.table not in _SELDOM_READ",
            "if key.table not in _SELDOM_READ and not"
            " (key in self.rows and key.table.table == 'points_accounts')",
        ),
    ),
    "a process and what it does are two transactions": Bug("G6", _two_transactions),
    "silence of the institution counts as a decline": Bug(
        "G7",
        _text(
            errands,
            "run_errand",
            "authorised.answer.result if authorised.answer else None",
            "authorised.answer.result if authorised.answer else"
            " AuthorisationResult(answer=AuthorisationAnswer.NOT_HONOURED)",
        ),
    ),
    "each try has an id of its own at the institution": Bug(
        "G7",
        _text(
            errands,
            "_authorise",
            "identifier = authorisation.authorisation_id",
            "identifier = f'{authorisation.authorisation_id}{authorisation.attempts}'",
        ),
    ),
    "what is let go is not reversed": Bug(
        "G7", _text(charge, "release", "not _was_asked(action)", "True")
    ),
    "a late approval is forgotten": Bug(
        "G7",
        _text(settling, "_released", "if not authorisation.looks_left:", "if said != 'never':"),
    ),
    "the clock ends what was instructed": Bug(
        "G7", _text(outcomes, "fire_timer", "ProcessState.OVERDUE", "ProcessState.EXPIRED")
    ),
    "a terminal takes back what it has shown": Bug(
        "G7",
        _text(
            Recovery,
            "resume",
            "return await self._settling.complete(sale)",
            "return await self._settling.reverse(sale, note='power cut')",
        ),
    ),
    "a ticket admits once too often": Bug(
        "G8", _text(admit, "why_not", "ticket.entries_used >=", "ticket.entries_used >")
    ),
    "an ended process gives its code back": Bug(
        "G11", _text(lifecycle, "_consume_code", "CodeState.CONSUMED", "CodeState.ISSUED")
    ),
    "dead codes are forgotten": Bug(
        "G11",
        _text(
            lifecycle,
            "_consume_code",
            "draft.put(msgspec.structs.replace(code, state=CodeState.CONSUMED))",
            "draft.delete(code.key)",
        ),
    ),
}
