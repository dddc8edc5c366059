"""Whatever a lane presumes and remembers, it decides as if one command came after another."""

import random
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallymark_server.domain.answers import Answer
from tallymark_server.domain.commands import (
    Caller,
    Command,
    CompleteProcess,
    Enrol,
    ProcessName,
    PurgeRows,
    RequestKey,
    ReservePasswordTry,
)
from tallymark_server.domain.decide import Decision, decide
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.actions import BurnPointsAsk
from tallymark_server.domain.model.journal import Record
from tallymark_server.domain.model.merchants import CallerKind, Enrolment, Operator
from tallymark_server.domain.model.processes import Process, Request
from tallymark_server.domain.state import Key, Row
from tallymark_server.lanes import lane as lanes
from tallymark_server.lanes.batch import Batch, Waiting
from tallymark_server.lanes.lane import Lane
from tallymark_server.lanes.row_memory import RowMemory
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.tables import all_tables
from tests.contract.kept_stores import Kept, KeptInMemory, KeptInSqlite
from tests.doubles.mutant import Mutant, plant
from tests.integration.lane_ground import (
    furnish,
    lane_over,
    name_of,
    resolve,
    reverse,
    revoke_codes,
    together,
)
from tests.world.clock import MovedClock
from tests.world.keys import cells_of_tests

SEEDS = 8
CUSTOMERS = 4
PARTITIONS = (0, 1)
BATCHES = 3
"""Batches between two starts."""

DAYS_DOWN = [0, 0, 0, 31, 0, 400, 0, 0]
"""How long the server is down before each start: a month removes requests, a year processes."""

NOT_PROVED = Mutant(
    Lane,
    "_save",
    "await self._store.save(batch.changes, entries, new)",
    "await self._store.save(batch.changes, entries)",
)
"""A request is presumed to be new, and saved as if that were known."""

NOT_LOOKED_FOR = Mutant(Lane, "_look_for", "raise RowExists", "pass")
"""The same where nothing of it is saved."""

PRESUMED_AGAIN = Mutant(Batch, "presume_new", "key not in self.used and ", "")
"""A request that the batch itself has decided is presumed to be new."""


class AllRows(dict[Key[Any], Row | None]):
    """Rows of which none has to be loaded: what is not there does not exist."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: Key[Any]) -> None:
        return None


class OneAfterAnother:
    """Knows all rows, and decides the commands one by one in the order that a lane chose."""

    def __init__(self, rows: dict[Key[Any], Row]) -> None:
        self.rows = AllRows(rows)
        self.records: dict[int, list[Record]] = {partition: [] for partition in PARTITIONS}

    def decide(self, command: Command, now: int) -> Answer:
        decision = decide(self.rows, command, now)
        self.rows.update(decision.changes)
        if decision.record is not None:
            self.records[command.partition].append(decision.record)
        return decision.answer


class WatchedBatch(Batch):
    """Keeps what was decided, in order."""

    newest: "WatchedBatch"

    def __init__(self, memory: RowMemory, *, presumes: bool) -> None:
        super().__init__(memory, presumes=presumes)
        self.decided: list[tuple[Command, Answer]] = []
        WatchedBatch.newest = self

    def take(self, waiting: Waiting, decision: Decision) -> None:
        super().take(waiting, decision)
        self.decided.append((waiting.command, decision.answer))


@pytest.fixture(params=["memory", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    kept: KeptInMemory | KeptInSqlite = KeptInMemory()
    if request.param == "sqlite":
        path = tmp_path / "tallymark.sqlite3"
        kept = KeptInSqlite(path, await SqliteStore.open(path, cells_of_tests()))
    yield kept
    await kept.store.close()


@pytest.fixture(autouse=True)
def few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "Batch", WatchedBatch)
    monkeypatch.setattr(lanes, "RowMemory", partial(RowMemory, rows_max=20, requests_max=4))


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_batch_is_decided_as_if_one_command_came_after_another(
    kept: Kept, seed: int
) -> None:
    await play(kept, seed)


@pytest.mark.parametrize("bug", [NOT_PROVED, NOT_LOOKED_FOR, PRESUMED_AGAIN])
async def test_what_is_presumed_and_wrong_would_be_noticed(
    bug: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(bug, monkeypatch)

    with pytest.raises(AssertionError):
        await play_all()


async def play_all() -> None:
    for seed in range(SEEDS):
        await play(KeptInMemory(), seed)


async def play(kept: Kept, seed: int) -> None:
    """Send the same few requests again and again; look at each answer, and at what is stored.

    Raises:
        AssertionError: something is not as if they had come one after another.

    """
    chance = random.Random(seed)  # noqa: S311 -- repeatable is what it is for
    await furnish(kept.store, CUSTOMERS)
    await kept.store.save({row.key: row for row in _invited()}, [])
    expected, clock = OneAfterAnother(await rows_in(kept)), MovedClock()
    for days in DAYS_DOWN:
        await kept.restart()
        clock.move(seconds=1 + days * 24 * 3600)
        async with lane_over(kept.store, clock=clock) as lane:
            for _ in range(BATCHES):
                sent = [_command(chance, expected.rows) for _ in range(chance.randint(1, 8))]
                answers = await together(lane, sent)
                check_batch(WatchedBatch.newest.decided, answers, expected, clock.now())
    left = {key: row for key, row in expected.rows.items() if row is not None}
    assert await rows_in(kept) == left
    for partition in PARTITIONS:
        journal = await kept.store.journal(partition, after_sequence=0, limit=1_000)
        assert [entry.record for entry in journal] == expected.records[partition]


def check_batch(
    decided: Sequence[tuple[Command, Answer]],
    told: Sequence[Answer | BaseException],
    expected: OneAfterAnother,
    now: int,
) -> None:
    """Compare what was decided, and told, with what is decided one by one in the same order."""
    assert sorted(map(repr, told)) == sorted(repr(answer) for _, answer in decided)
    for command, answer in decided:
        assert answer == expected.decide(command, now)


def _invited() -> list[Row]:
    codes = [
        Enrolment(partition=DIRECTORY, code_hash=code, kind=CallerKind.OPERATOR, owner_id="ops")
        for code in ("first", "second")
    ]
    return [Operator(partition=DIRECTORY, operator_id="ops"), *codes]


async def rows_in(kept: Kept) -> dict[Key[Any], Row]:
    rows = [
        row
        for table in all_tables()
        for partition in PARTITIONS
        for row in await kept.store.scan(table, partition, limit=1_000)
    ]
    return {row.key: row for row in rows}


def _command(chance: random.Random, rows: AllRows) -> Command:
    """Return one of few commands; seldom one for the other partition, where nobody is known."""
    name, number = name_of(chance.randrange(CUSTOMERS)), chance.randrange(9)
    commands: list[Command] = [
        resolve(name, f"r{number}", BurnPointsAsk(points=10)),
        resolve(name_of(number % CUSTOMERS), f"r{number}", BurnPointsAsk(points=10)),
        reverse(f"v{chance.randrange(9)}", f"r{number}"),
        _complete(f"c{chance.randrange(9)}", f"r{number}"),
        revoke_codes(name),
        _guess_at_revoke_codes(name),
        _enrol(chance.choice(["first", "second", "wrong"]), f"e{number % 4}"),
        _purge(rows),
    ]
    [command] = chance.choices(commands, weights=[4, 8, 4, 4, 2, 1, 3, 1])
    is_elsewhere = chance.random() < 0.1
    return msgspec.structs.replace(command, partition=1) if is_elsewhere else command


def _complete(request_id: str, resolve_request_id: str) -> CompleteProcess:
    reversal = reverse(request_id, resolve_request_id)
    return CompleteProcess(
        caller=reversal.caller,
        partition=0,
        request=RequestKey(rpc="CompleteProcess", request_id=request_id, fingerprint=""),
        name=ProcessName(resolve_request_id=resolve_request_id),
    )


def _guess_at_revoke_codes(name: str) -> ReservePasswordTry:
    guessed = revoke_codes(name)
    return ReservePasswordTry(
        caller=guessed.caller, partition=0, customer_id=name, reused=guessed.request
    )


def _enrol(code: str, request_id: str) -> Enrol:
    """Ask as a stranger, of whom no row is left where the answer is no."""
    return Enrol(
        caller=Caller(kind=CallerKind.ANYONE, caller_id="somebody"),
        partition=DIRECTORY,
        request=RequestKey(rpc="Enrol", request_id=request_id, fingerprint=code),
        kind=CallerKind.OPERATOR,
        code_hash=code,
        owner_id="ops",
        key_hash=request_id,
        certificate_pem="",
        expires_at=1 << 50,
    )


def _purge(rows: AllRows) -> PurgeRows:
    here = [key for key, row in rows.items() if row is not None and key.partition == 0]
    return PurgeRows(
        caller=Caller(kind=CallerKind.SERVER, caller_id="server"),
        partition=0,
        process_ids=tuple(key.text for key in here if key.table is Process),
        requests=tuple(key.text for key in here if key.table is Request),
    )
