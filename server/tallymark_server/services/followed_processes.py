"""Processes that were undecided when a stream was told of them: their later states follow."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.lanes.feed import Feed, Subscription
from tallymark_server.services.exchange_batches import UNDECIDED, Answered
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.terminal_answers import TerminalAnswers

__all__ = ["FOLLOWED_MAX", "FollowedProcesses"]

FOLLOWED_MAX: Final = 1_000
"""Processes that are followed for one stream; whoever has more asks GetProcess about them."""


@dataclass(slots=True)
class _Followed:
    told: int
    """Version that the caller was told of last."""

    correlations: list[int] = field(default_factory=list)


class FollowedProcesses:
    """Those of one stream. However slow its reader is, only the newest state of each is kept."""

    def __init__(
        self, *, feed: Feed, lookup: Lookup, answers: TerminalAnswers, has_news: asyncio.Event
    ) -> None:
        """Take the parts it works with, and the event to set when there are news."""
        self._feed = feed
        self._lookup = lookup
        self._answers = answers
        self._news = Subscription(has_news)
        self._followed: dict[str, _Followed] = {}
        feed.add(self._news, _NOBODY)  # so that it is told when the server stops

    def add(self, answered: Sequence[Answered]) -> list[str]:
        """Follow what is undecided of these, and say so in the answers; return the process ids."""
        followed: list[str] = []
        for one in answered:
            if one.undecided is None:
                continue
            process_id = one.undecided.process_id
            if process_id not in self._followed:
                if len(self._followed) >= FOLLOWED_MAX:
                    continue
                self._followed[process_id] = _Followed(as_terminal_sees(one.undecided).version)
                self._feed.add(self._news, process_id)
            self._followed[process_id].correlations.append(one.message.correlation)
            one.message.more = True
            followed.append(process_id)
        return followed

    async def catch_up(self, process_ids: Sequence[str]) -> None:
        """Take in what became of processes between their decision and now."""
        for process in (await self._lookup.processes(process_ids)).values():
            followed = self._followed.get(process.process_id)
            if followed is not None and process.version > followed.told:
                self._news.put(process)

    def news(self) -> list[contract.ExchangeAnswer]:
        """Return an answer for each correlation whose process is in another state than was told.

        Raises:
            NotDone: the server is stopping.

        """
        return [
            answer
            for process in map(as_terminal_sees, self._news.take())
            for answer in self._tell(process)
        ]

    def close(self) -> None:
        """Follow nothing any more."""
        for identifier in (_NOBODY, *self._followed):
            self._feed.remove(self._news, identifier)
        self._followed = {}

    def _tell(self, process: Process) -> list[contract.ExchangeAnswer]:
        followed = self._followed.get(process.process_id)
        if followed is None or process.version <= followed.told:
            return []  # what only the customer notices is no news
        followed.told = process.version
        more = process.state in UNDECIDED
        if not more:
            del self._followed[process.process_id]
            self._feed.remove(self._news, process.process_id)
        resolved = self._answers.resolved(process)
        return [
            contract.ExchangeAnswer(correlation=correlation, more=more, resolve_code=resolved)
            for correlation in followed.correlations
        ]


_NOBODY: Final = ""
"""An identifier that no process and no customer has."""
