"""Many lanes, one stream: each lane makes its sales as a terminal by itself would.

    scan of a lane -> the lane's check and sale loop -> the stream that all lanes share
                        written down in the lane's own journal before it is sent

A lane is a terminal that the operator has delegated to this one, or this one itself. Scans of one
lane are made one after the other, scans of different lanes at the same time.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from tallymark_protocol.errors import TallymarkError
from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.code_check import CodeCheck, RefusedHere
from tallymark_terminal.command_stream import CommandStream
from tallymark_terminal.home import Home
from tallymark_terminal.journal import Journal
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.json_view import actions_text
from tallymark_terminal.lane_calls import LaneCalls
from tallymark_terminal.not_sent import refused_here
from tallymark_terminal.recovery import Recovery
from tallymark_terminal.sale import SaleLoop
from tallymark_terminal.sale_calls import SaleCalls
from tallymark_terminal.sale_results import SaleResult

__all__ = ["Concentrator", "Lane", "is_lane_id"]

_LANE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def is_lane_id(text: str) -> bool:
    """Say whether a terminal can have this id."""
    return _LANE_ID.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """The parts of one lane."""

    check: CodeCheck
    sale_loop: SaleLoop
    recovery: Recovery
    turn: asyncio.Lock
    """Held while it makes a sale."""


class Concentrator:
    """Makes sales for many lanes."""

    def __init__(
        self,
        *,
        home: Home,
        terminal_id: str,
        stream: CommandStream,
        build: Callable[[SaleCalls, Journal, str], Lane],
        not_sent: Callable[[TallymarkError], SaleResult],
    ) -> None:
        """Take its folder, who it is itself, the stream, and what builds a lane on a journal."""
        self._home = home
        self._terminal_id = terminal_id
        self._stream = stream
        self._build = build
        self._not_sent = not_sent
        self._lanes: dict[str, Lane] = {}
        self._files = ExitStack()

    def close(self) -> None:
        """Close the journals."""
        self._files.close()

    async def recover(self) -> AsyncIterator[tuple[str, SaleResult]]:
        """Settle what an earlier run left open; yield how, with the lane's id."""
        for lane_id in self._home.lane_ids():
            lane = self._lane(lane_id)
            await lane.recovery.forget_old()
            async for result in self._settle(lane):
                yield lane_id, result

    async def sell(
        self, lane_id: str, code: str, request: SaleRequest
    ) -> AsyncIterator[SaleResult]:
        """Make one sale of what was scanned at a lane, and yield how it ended.

        A new sale may wait, one that is in the air may not: those are settled and yielded first.
        """
        lane = self._lane(lane_id)
        async with lane.turn:
            async for result in self._settle(lane):
                yield result
            yield await self._sell(lane, code, request)

    async def _settle(self, lane: Lane) -> AsyncIterator[SaleResult]:
        for sale in await lane.recovery.unsettled():
            yield replace(await lane.recovery.resume(sale), is_recovered=True)

    async def _sell(self, lane: Lane, code: str, request: SaleRequest) -> SaleResult:
        try:
            shown = await lane.check.check(code)
        except RefusedHere as refused:
            return refused_here(refused)
        except TallymarkError as error:
            return self._not_sent(error)
        return await lane.sale_loop.run(shown, request, asked=actions_text(request))

    def _lane(self, lane_id: str) -> Lane:
        """Return the lane, opened when it is first needed."""
        if lane_id not in self._lanes:
            file = JournalFile(self._home.lane_journal_path(lane_id))
            self._files.callback(file.close)
            spoken_for = "" if lane_id == self._terminal_id else lane_id
            calls = LaneCalls(self._stream, terminal_id=spoken_for)
            self._lanes[lane_id] = self._build(calls, Journal(file), lane_id)
        return self._lanes[lane_id]
