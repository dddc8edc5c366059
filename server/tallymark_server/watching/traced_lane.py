"""A lane whose commands and batches are spans.

A batch decides commands of many calls. Its span is part of the first call's trace, and it and the
commands of the others are linked to each other. What a commit sets off, as a call of the
institution, is part of the batch's trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tallymark_protocol.errors import TallymarkError
from tallymark_server.domain.answers import Answer
from tallymark_server.domain.commands import Command
from tallymark_server.lanes.lane import Lane
from tallymark_server.watching import telemetry as otel

__all__ = ["TracedLane"]


class TracedLane(Lane):
    """Works as a lane does. What no traced call waits for makes no span."""

    def __init__(self, tracer: otel.trace.Tracer, **parts: Any) -> None:  # noqa: ANN401 -- of a lane
        """Take what makes spans, and what a lane takes."""
        super().__init__(**parts)
        self._tracer = tracer
        self._waiting_spans: dict[int, otel.trace.Span] = {}
        """Spans of the commands that wait for their answer, by identity."""

        self._is_traced = False
        """Whether the batch that is decided now has a span."""

    async def submit(self, command: Command) -> Answer:
        """Return the answer, as a lane does."""
        if not otel.trace.get_current_span().is_recording():
            return await super().submit(command)
        with self._span(f"submit {type(command).__name__}") as span:
            self._waiting_spans[id(command)] = span
            try:
                return await super().submit(command)
            finally:
                del self._waiting_spans[id(command)]

    async def submit_all(self, commands: Sequence[Command]) -> Sequence[Answer | TallymarkError]:
        """Return what became of each, as a lane does."""
        if not otel.trace.get_current_span().is_recording():
            return await super().submit_all(commands)
        with self._span("submit", attributes={"tallymark.commands": len(commands)}) as span:
            mine = dict.fromkeys(map(id, commands), span)
            self._waiting_spans.update(mine)
            try:
                return await super().submit_all(commands)
            finally:
                for identity in mine:
                    del self._waiting_spans[identity]

    async def _run_batch(self, waiting: list[Any]) -> None:
        known = dict.fromkeys(self._waiting_spans.get(id(one.command)) for one in waiting)
        spans = [span for span in known if span is not None]
        self._is_traced = bool(spans)
        if not spans:
            await super()._run_batch(waiting)
            return
        first, *others = spans
        with self._span(
            "batch",
            context=otel.trace.set_span_in_context(first),
            links=[otel.trace.Link(other.get_span_context()) for other in others],
            attributes={"tallymark.batch.commands": len(waiting)},
        ) as batch:
            for other in others:
                other.add_link(batch.get_span_context())
            await super()._run_batch(waiting)

    async def _decide(self, batch: Any, waiting: list[Any]) -> None:  # noqa: ANN401 -- private there
        if not self._is_traced:
            return await super()._decide(batch, waiting)
        with self._span("decide"):
            return await super()._decide(batch, waiting)

    async def _save(self, batch: Any) -> None:  # noqa: ANN401 -- private there
        if not self._is_traced:
            return await super()._save(batch)
        with self._span("commit"):
            return await super()._save(batch)

    @contextmanager
    def _span(self, name: str, **more: Any) -> Iterator[otel.trace.Span]:  # noqa: ANN401 -- as there
        """Open a span; errors are told by the call's, and their texts stay out."""
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False, **more
        ) as span:
            yield span
