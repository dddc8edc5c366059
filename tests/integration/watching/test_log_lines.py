"""A log line says which call it belongs to, and nobody fills a disk by having it repeated."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tallymark_server.lanes import lane
from tallymark_server.watching.logs import (
    LINES_AT_ONCE,
    SECONDS_EACH,
    Flood,
)
from tests.integration.watching.written_lines import Lines, written
from tests.world.actions import burn
from tests.world.messages import new_id
from tests.world.shop import Shop


@pytest.fixture(params=["text", "json"])
def lines(request: pytest.FixtureRequest) -> Iterator[Lines]:
    """Keep what the server writes in each format."""
    with written(request.param) as kept:
        yield kept


@pytest.mark.parametrize("lines", ["json"], indirect=True)
async def test_a_line_tells_the_call_that_it_belongs_to(
    lines: Lines, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, request_id = await shop.phone.issue(), new_id()
    _break(shop, monkeypatch)
    lines.lines.clear()

    await _scan(shop, code, request_id.upper())

    fault, end = map(json.loads, lines.lines)
    call = {
        "method": "TerminalService/ResolveCode",
        "request_id": request_id,
        "caller": "terminal/till-1",
    }
    assert call.items() <= fault.items()
    assert fault["level"] == "ERROR"
    assert fault["time"].endswith("Z")
    assert "RuntimeError: out of order" in fault["exc_info"]
    assert call.items() <= end.items()
    assert (end["level"], end["message"].split(" after ")[0]) == ("DEBUG", "ended with INTERNAL")


@pytest.mark.parametrize("lines", ["text"], indirect=True)
async def test_a_line_for_people_has_the_call_behind_it(
    lines: Lines, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, request_id = await shop.phone.issue(), new_id()
    _break(shop, monkeypatch)
    lines.lines.clear()

    await _scan(shop, code, request_id)

    call = f"method=TerminalService/ResolveCode request_id={request_id} caller=terminal/till-1"
    assert f" ERROR /tallymark.v1.TerminalService/ResolveCode failed [{call}]\n" in lines.lines[0]


@pytest.mark.parametrize("lines", ["json"], indirect=True)
async def test_a_fault_of_the_rules_tells_whose_command_it_was(
    lines: Lines, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, request_id = await shop.phone.issue(), new_id()
    monkeypatch.setattr(lane, "decide", None)
    lines.lines.clear()

    await _scan(shop, code, request_id)

    fault = json.loads(lines.lines[0])
    assert fault["message"] == "the rules failed on a ResolveCode"
    assert (fault["request_id"], fault["caller"]) == (request_id, "terminal/till-1")


async def test_no_line_holds_the_code_or_a_request_id_that_is_none(
    lines: Lines, shop: Shop
) -> None:
    code = await shop.phone.issue()

    for request_id in ("x\n2026-01-01 CRITICAL forged", new_id() + "\n", new_id()):
        await _scan(shop, code, request_id)

    written = "\n".join(lines.lines)
    assert "ended with" in written
    assert code not in written
    assert "forged" not in written
    assert written.count("\n") == len(lines.lines) - 1


def test_what_is_repeated_without_end_is_left_out_and_counted() -> None:
    now = 0.0
    flood = Flood(lambda: now)
    kept = [record for _ in range(LINES_AT_ONCE + 7) if flood.filter(record := _record())]

    assert len(kept) == LINES_AT_ONCE
    assert flood.filter(_record(line=2)), "another place has lines of its own"
    assert all(flood.filter(_record(level=logging.CRITICAL)) for _ in range(LINES_AT_ONCE + 1))

    now += SECONDS_EACH
    next_one = _record()
    assert flood.filter(next_one)
    assert vars(next_one)["left_out"] == 7
    assert not flood.filter(_record())


def _break(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every command raise what no rule raises."""

    async def submit(_: object) -> Any:
        message = "out of order"
        raise RuntimeError(message)

    monkeypatch.setattr(shop.world.app.lane, "submit", submit)


async def _scan(shop: Shop, code: str, request_id: str) -> None:
    scan = shop.till.resolve(code, burn(1), request_id=request_id)
    await asyncio.gather(scan, return_exceptions=True)


def _record(*, line: int = 1, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("tallymark_server", level, "lane.py", line, "again", None, None)
