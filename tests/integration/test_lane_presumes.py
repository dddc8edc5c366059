"""A request is presumed to be new until the store says otherwise; then nothing was done yet."""

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tallymark_server.domain.answers import Done, ProcessAnswer, RefusedAnswer, SeenProcess
from tallymark_server.domain.decide import Decision, request_key
from tallymark_server.domain.model.actions import BurnPointsAsk
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.model.registrations import PointsAccount
from tallymark_server.domain.state import Key, Need, Row, Rows
from tallymark_server.lanes import lane as lanes
from tallymark_server.lanes.row_memory import RowMemory
from tallymark_server.storage.sqlite import SqliteStore
from tests.integration.lane_ground import (
    POINTS,
    furnish,
    lane_over,
    name_of,
    resolve,
    revoke_codes,
    together,
)
from tests.world.keys import cells_of_tests

BURN = BurnPointsAsk(points=10)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", cells_of_tests())
    yield store
    await store.close()


@pytest.fixture
def read(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the tables of all rows that are read from now on."""
    read: list[str] = []
    load = store.load

    async def watched(keys: Iterable[Key[Any]]) -> Rows:
        keys = list(keys)
        read.extend(key.table.table for key in keys)
        return await load(keys)

    monkeypatch.setattr(store, "load", watched)
    return read


async def test_a_new_request_is_not_looked_for(store: SqliteStore, read: list[str]) -> None:
    await furnish(store, 1)
    async with lane_over(store) as lane:
        await together(lane, [resolve(name_of(0), "r", BURN)])

    assert read
    assert "requests" not in read


async def test_a_request_of_a_moment_ago_is_looked_for_and_its_batch_decided_once(
    store: SqliteStore, read: list[str]
) -> None:
    await furnish(store, 2)
    first = resolve(name_of(0), "r", BURN)
    async with lane_over(store) as lane:
        (answer,) = await together(lane, [first])
        read.clear()
        again, other = await together(lane, [first, resolve(name_of(1), "s", BURN)])

    assert isinstance(answer, ProcessAnswer)
    assert again == SeenProcess(process_id=answer.process.process_id)
    assert isinstance(other, ProcessAnswer)
    assert read.count("requests") == 1
    assert len(read) == len(set(read)), "each row once"


async def test_a_request_of_before_a_restart_is_answered_as_it_was_and_its_batch_is_whole(
    store: SqliteStore,
) -> None:
    await furnish(store, 3)
    first = resolve(name_of(0), "r", BURN)
    async with lane_over(store) as lane:
        (answer,) = await together(lane, [first])
    others = [resolve(name_of(number), f"r{number}", BURN) for number in (1, 2)]
    async with lane_over(store) as restarted:
        before, again, after = await together(restarted, [others[0], first, others[1]])

    assert isinstance(answer, ProcessAnswer)
    assert again == SeenProcess(process_id=answer.process.process_id)
    assert isinstance(before, ProcessAnswer)
    assert isinstance(after, ProcessAnswer)
    held = {row.holder_id: row.held for row in await store.scan(PointsAccount, 0, limit=9)}
    assert [held[name_of(number)] for number in range(3)] == [BURN.points] * 3
    assert len(await store.scan(Process, 0, limit=9)) == 3
    assert (await store.journal_head(0)).sequence == 3


async def test_a_request_of_before_a_restart_with_another_body_is_refused(
    store: SqliteStore,
) -> None:
    await furnish(store, 2)
    async with lane_over(store) as lane:
        await together(lane, [resolve(name_of(0), "r", BURN)])
    async with lane_over(store) as restarted:
        answers = await together(
            restarted, [resolve(name_of(1), "r", BURN), revoke_codes(name_of(1))]
        )

    assert answers[0] == RefusedAnswer(reason="REQUEST_ID_REUSED")
    assert answers[1] != answers[0]
    accounts = {row.holder_id: row for row in await store.scan(PointsAccount, 0, limit=9)}
    assert accounts[name_of(1)].balance == POINTS
    assert accounts[name_of(1)].held == 0


async def test_a_decision_that_leaves_no_row_is_proved_by_looking(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnish(store, 1)
    command = resolve(name_of(0), "r", BURN)
    async with lane_over(store) as lane:
        await together(lane, [command])

    def refuse_unless_seen(rows: Mapping[Key[Any], Row | None], *_: object) -> Decision:
        key = request_key(command)
        assert key is not None
        return Decision(Done(count=int(rows[key] is not None)), {}, None)

    async with lane_over(store) as restarted:
        monkeypatch.setattr(lanes, "decide", _asking(refuse_unless_seen))
        (answer,) = await together(restarted, [command])

    assert answer == Done(count=1)


def _asking(rule: Any) -> Any:
    """Let a rule ask for the rows that it looks for."""

    def decide(rows: Rows, *more: object) -> Decision:
        try:
            decision: Decision = rule(rows, *more)
        except KeyError as missing:
            raise Need(missing.args) from missing
        return decision

    return decide


def test_only_the_newest_requests_are_remembered() -> None:
    memory = RowMemory(requests_max=2)
    keys = [request_key(resolve("ana", f"r{number}", BURN)) for number in range(3)]

    for key in keys:
        assert key is not None
        memory.learn({key: Done()})  # type: ignore[dict-item]  # any row will do

    assert list(memory.requests) == keys[1:]
    assert not memory.rows
