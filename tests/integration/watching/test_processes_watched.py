"""What is open is known without counting the table of processes, also by the next server."""

from typing import Any

import pytest

from tallymark_server.domain.model.processes import CodeState, Process, ProcessState
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.watching.processes import ProcessWatch
from tests.world.actions import ADMIT, burn, charge
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

SILENT_AMOUNT = 7_791
"""Minor units about which the institution says nothing at first."""


async def counted(shop: Shop) -> dict[ProcessState, int]:
    """Return the open processes by state, by reading all of them."""
    rows = await shop.world.store.scan(Process, 0, limit=10_000)
    found = dict.fromkeys(ProcessState, 0)
    for row in rows:
        found[row.state] += not row.is_final
    return found


async def leave_some_open(shop: Shop) -> None:
    """Leave processes in several states, one of them for a person."""
    world = shop.world
    await shop.scan(burn(1))
    await world.pass_time(seconds=61)
    await shop.scan(burn(2))
    await shop.scan(charge(SILENT_AMOUNT), wait_milliseconds=1)
    await world.operator.set_policy(confirm_money_from=0)
    await shop.scan(charge(500), wait_milliseconds=1)
    await shop.scan(ADMIT, complete_on_instruction=True)
    await shop.till.reverse((await shop.scan(burn(3))).process_id)


async def test_open_processes_are_those_that_the_table_has(shop: Shop) -> None:
    await leave_some_open(shop)

    processes = shop.world.app.watched.processes

    assert processes.open == await counted(shop)
    assert processes.open[ProcessState.OVERDUE] == 1
    assert processes.open[ProcessState.AWAITING_CUSTOMER] == 1
    assert processes.unresolved == len(await shop.unresolved()) == 1
    assert processes.due["call"] == 1
    assert processes.ended[ProcessState.COMPLETED] == 1
    assert processes.ended[ProcessState.RELEASED] == 1
    assert processes.codes[CodeState.CONSUMED] == 2


async def test_the_next_server_knows_what_the_one_before_left_open(shop: Shop) -> None:
    await leave_some_open(shop)
    before = shop.world.app.watched.processes

    after = ProcessWatch()
    await after.start(shop.world.store, [0])

    assert after.open == before.open
    assert after.due == before.due
    assert after.unresolved == before.unresolved
    assert not any(after.ended.values()), "what ended before is not counted again"


async def test_what_ended_is_counted_once_though_its_money_follows_later(shop: Shop) -> None:
    process = await shop.scan(charge(420))
    await shop.till.complete(process.process_id)
    await shop.world.settle()

    processes = shop.world.app.watched.processes

    assert processes.ended[ProcessState.COMPLETED] == 1
    assert processes.due == {"timer": 0, "call": 0}
    assert sum(processes.open.values()) == 0


@pytest.mark.parametrize("pages", [1, 3])
async def test_a_start_reads_page_by_page(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    async with world(MemoryStore(), keyring) as served:
        shop = await open_shop(served)
        for points in (1, 2, 3):
            await shop.scan(burn(points))
        reads: list[Any] = []
        scan = served.store.scan

        async def counting(*arguments: Any, **bounds: Any) -> Any:
            reads.append(arguments)
            return await scan(*arguments, **bounds)

        monkeypatch.setattr(served.store, "scan", counting)
        monkeypatch.setattr("tallymark_server.watching.processes._PAGE_ROWS", 4 - pages)

        watch = ProcessWatch()
        await watch.start(served.store, [0])

    assert watch.open[ProcessState.INSTRUCTED] == 3
    assert len(reads) > 2
