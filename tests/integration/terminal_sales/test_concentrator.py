"""A terminal that speaks for lanes, and the real server: many sales, one stream."""

import asyncio
import contextlib
import io
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tallymark.v1 import operator_service_pb2
from tallymark_server.services import exchange
from tallymark_server.services.contract_rules import check_batch
from tallymark_terminal.actions import EarnPoints, SaleRequest
from tallymark_terminal.app import open_concentrator
from tallymark_terminal.concentrator import Concentrator
from tallymark_terminal.home import Home
from tallymark_terminal.sale_results import Outcome, SaleResult
from tests.integration.terminal_sales.test_with_server import enrol
from tests.world.shop import Shop

EARN = SaleRequest(actions=(EarnPoints(points=1),), complete_on_instruction=True)
LANES = [f"lane-{number}" for number in range(6)]


class Gate:
    """A concentrator of the real program, with lanes that never enrolled."""

    def __init__(self, shop: Shop, concentrator: Concentrator) -> None:
        self.shop = shop
        self.concentrator = concentrator

    async def sell(self, lane_id: str, code: str) -> list[SaleResult]:
        return [result async for result in self.concentrator.sell(lane_id, code, EARN)]

    async def sell_at_all_lanes(self, codes: list[str]) -> list[list[SaleResult]]:
        return await asyncio.gather(*map(self.sell, LANES, codes))


class Held:
    """Commits that wait until they are let go."""

    def __init__(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began = asyncio.Event()
        self.may_go_on = asyncio.Event()
        save = shop.world.store.save

        async def wait_and_save(*given: Any) -> None:
            self.began.set()
            await self.may_go_on.wait()
            await save(*given)

        monkeypatch.setattr(shop.world.store, "save", wait_and_save)


@contextlib.asynccontextmanager
async def opened(shop: Shop, home: Home) -> AsyncIterator[Gate]:
    with contextlib.redirect_stdout(io.StringIO()):
        async with open_concentrator(home, patience_seconds=0) as (terminal, concentrator):
            assert await terminal.scanning.start() is None
            yield Gate(shop, concentrator)


@pytest.fixture
async def home(shop: Shop, tmp_path: Path) -> Home:
    """Return the folder of a concentrator to which some lanes are delegated."""
    home = Home(tmp_path / "till-9")
    await enrol(shop, home)
    for lane_id in LANES:
        create = operator_service_pb2.CreateTerminalRequest(terminal_id=lane_id, merchant_id="cafe")
        await shop.world.operator.call("CreateTerminal", create)
        delegate = operator_service_pb2.DelegateTerminalRequest(
            terminal_id=lane_id, concentrator_id="till-9"
        )
        await shop.world.operator.call("DelegateTerminal", delegate)
    return home


@pytest.fixture
async def codes(shop: Shop) -> list[str]:
    """Return a code of a guest for each lane."""
    guests = [await shop.world.add_phone(f"guest-{number}") for number in range(len(LANES))]
    return [await guest.issue() for guest in guests]


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many commands each batch has that the server reads."""
    found: list[int] = []

    def counted(request: Any) -> Any:
        found.append(len(request.commands))
        return check_batch(request)

    monkeypatch.setattr(exchange, "check_batch", counted)
    return found


async def test_each_lane_sells_under_its_own_name(
    shop: Shop, home: Home, codes: list[str], sizes: list[int]
) -> None:
    async with opened(shop, home) as gate:
        ended = [results for (results,) in await gate.sell_at_all_lanes(codes)]

    assert [result.outcome for result in ended] == [Outcome.EXECUTED] * len(LANES)
    assert [result.receipt.terminal_id for result in ended if result.receipt] == LANES
    assert sum(sizes) == 2 * len(LANES), "a scan and a look at its receipt for each"


async def test_what_is_scanned_while_a_batch_is_under_way_travels_together(
    shop: Shop,
    home: Home,
    codes: list[str],
    sizes: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tallymark_terminal.command_stream.BATCHES_AT_ONCE", 1)
    held = Held(shop, monkeypatch)

    async with opened(shop, home) as gate:
        selling = asyncio.create_task(gate.sell_at_all_lanes(codes))
        await held.began.wait()
        waiting = gate.concentrator._stream._waiting  # noqa: SLF001 -- nothing else tells
        while sum(sizes) + len(waiting) < len(LANES):  # noqa: ASYNC110 -- it tells nobody
            await asyncio.sleep(0)
        held.may_go_on.set()
        await selling

    assert sizes[0] + sizes[1] == len(LANES)


async def test_a_code_that_a_lane_has_seen_is_refused_by_it(shop: Shop, home: Home) -> None:
    code = await shop.phone.issue()

    async with opened(shop, home) as gate:
        (first,) = await gate.sell("lane-1", code)
        (again,) = await gate.sell("lane-1", code)
        (elsewhere,) = await gate.sell("lane-2", code)

    assert first.outcome is Outcome.EXECUTED
    assert again.outcome is Outcome.REFUSED_HERE
    assert (elsewhere.outcome, elsewhere.reason) == (Outcome.REFUSED, "CODE_ALREADY_CLAIMED")


async def test_a_lane_that_is_not_delegated_is_not_accepted(shop: Shop, home: Home) -> None:
    async with opened(shop, home) as gate:
        (result,) = await gate.sell("lane-99", await shop.phone.issue())

    assert (result.outcome, result.reason) == (Outcome.NOT_ACCEPTED, "TERMINAL_NOT_DELEGATED")


async def test_a_sale_whose_stream_breaks_is_taken_back_over_the_next_one(
    shop: Shop, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[object] = []
    in_bounds = exchange._in_bounds  # noqa: SLF001 -- where answers go out

    def lose_the_first(answers: Any) -> Any:
        if not lost:
            lost.append(answers)
            message = "the line is cut"
            raise RuntimeError(message)
        return in_bounds(answers)

    monkeypatch.setattr(exchange, "_in_bounds", lose_the_first)
    points = await shop.phone.points()

    async with opened(shop, home) as gate:
        (result,) = await gate.sell("lane-1", await shop.phone.issue())

    assert result.outcome is Outcome.GIVEN_UP
    assert result.reversal is not None
    assert result.reversal.outcome == "COMPENSATED"
    assert await shop.phone.points() == points


async def test_what_a_crash_left_open_at_a_lane_is_settled_by_the_next_start(
    shop: Shop, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await shop.phone.issue()
    async with opened(shop, home) as gate:
        held = Held(shop, monkeypatch)
        sale = asyncio.create_task(gate.sell("lane-1", code))
        await held.began.wait()
        sale.cancel()
        await asyncio.wait({sale})
        held.may_go_on.set()

    async with opened(shop, home) as gate:
        ((lane_id, recovered),) = [one async for one in gate.concentrator.recover()]

    assert (lane_id, recovered.is_recovered) == ("lane-1", True)
    assert recovered.outcome is Outcome.EXECUTED


async def test_the_program_answers_a_line_for_each_line(shop: Shop, home: Home) -> None:
    lines = [
        {"lane": "lane-1", "code": await shop.phone.issue(), "id": 7},
        {"lane": "?", "code": "TM1:", "id": 8},
        {"lane": "lane-2", "code": "no code", "id": [9]},
    ]
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tallymark_terminal", "--home", str(home.path)),
        *("serve-lane", "--earn", "3"),
        stdin=PIPE,
        stdout=PIPE,
    )
    text = "".join(f"{json.dumps(one)}\n" for one in lines)
    out, _ = await program.communicate(text.encode())

    answers = {str(one["id"]): one for one in map(json.loads, out.splitlines())}
    assert {own_id: one["outcome"] for own_id, one in answers.items()} == {
        "7": "executed",
        "8": "no_code",
        "[9]": "refused_here",
    }
    assert answers["7"]["receipt"]["terminal_id"] == "lane-1"
    assert program.returncode == 1
