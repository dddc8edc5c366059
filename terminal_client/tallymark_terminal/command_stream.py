"""Many commands over one stream, opened when there is something to ask, and again after a break.

    ask -> waiting -> sent, in batches -> answered, in any order

What is waiting is sent at once while few batches are under way; else it is gathered, and goes out
with the answer to an earlier one. So batches grow with the load, and nobody waits for a timer.

After a break nobody can say what became of what was sent: that is `UnknownOutcome`, and whoever
asked repeats it, with the same request_id.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_protocol.errors import TallymarkError, UnknownOutcome
from tallymark_terminal.secure_line import CALL_DEADLINE_SECONDS, SecureLine

__all__ = ["Answered", "CommandStream"]

BATCH_MAX: Final = 200
"""Commands in a batch, the most that the server takes."""

BATCH_BYTES_MAX: Final = 192 * 1024
"""Of a batch; the server takes 256 KiB."""

BATCHES_AT_ONCE: Final = 4
"""Batches under way: enough that neither side waits for the other."""

UNANSWERED_MAX: Final = 800
"""Commands that are waiting or sent; beyond them whoever asks waits for a place."""


class Answered(NamedTuple):
    """An answer, and the short checkpoint that came with it."""

    message: contract.ExchangeAnswer
    checkpoint: str


class _Batch:
    """A batch under way."""

    def __init__(self, unanswered: int, places: asyncio.Semaphore) -> None:
        self._unanswered = unanswered
        self._places = places

    def answer(self) -> None:
        """Give the batch's place to the next one when its last command is answered."""
        self._unanswered -= 1
        if not self._unanswered:
            self._places.release()


class _Asked:
    """A command, and what came to it."""

    def __init__(self, command: contract.ExchangeCommand) -> None:
        self.command = command
        self.is_sent = False
        self._came: asyncio.Queue[Answered | TallymarkError] = asyncio.Queue()

    def put(self, came: Answered | TallymarkError) -> None:
        self._came.put_nowait(came)

    async def next(self) -> Answered:
        came = await self._came.get()
        if isinstance(came, TallymarkError):
            raise came
        return came


class CommandStream:
    """The stream of a concentrator; a context in which a task sends and receives."""

    def __init__(self, line: SecureLine) -> None:
        """Take the line to the server."""
        self._line = line
        self._numbers: Iterator[int] = itertools.count(1)
        self._waiting: deque[_Asked] = deque()
        self._asked: dict[int, _Asked] = {}
        """By correlation, whether it is sent or not."""

        self._under_way: dict[int, _Batch] = {}
        """By correlation, of what is sent and not answered, whether anybody still waits or not."""

        self._has_waiting = asyncio.Event()
        self._places = asyncio.Semaphore(UNANSWERED_MAX)
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to send what is asked."""
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        assert self._serving is not None, "it was entered"
        self._serving.cancel()
        with suppress(asyncio.CancelledError):
            await self._serving

    async def ask(
        self, command: contract.ExchangeCommand, *, decision_seconds: float = 0.0
    ) -> Answered:
        """Return the answer; of an undecided process the newest one after so much patience.

        Raises:
            UnknownOutcome: no answer came.
            Refused: the server takes no stream of this terminal; the command was not sent.

        """
        async with self._places:
            command.correlation = next(self._numbers)
            asked = _Asked(command)
            self._asked[command.correlation] = asked
            self._waiting.append(asked)
            self._has_waiting.set()
            try:
                return await self._answer_of(asked, decision_seconds)
            finally:
                del self._asked[command.correlation]
                if not asked.is_sent:
                    with suppress(ValueError):
                        self._waiting.remove(asked)

    async def _answer_of(self, asked: _Asked, decision_seconds: float) -> Answered:
        try:
            async with asyncio.timeout(CALL_DEADLINE_SECONDS):
                answered = await asked.next()
        except TimeoutError:
            raise UnknownOutcome(None, message="The server gave no answer in time.") from None
        with suppress(TimeoutError, TallymarkError):
            async with asyncio.timeout(decision_seconds):
                while answered.message.more:
                    answered = await asked.next()
        return answered

    async def _serve(self) -> None:
        """Keep a stream open whenever there is something to send."""
        while True:
            await self._has_waiting.wait()
            try:
                async with self._line.exchange() as call:
                    await call.initial_metadata()  # the server takes the stream on
                    await self._converse(call)
            except TallymarkError as error:
                self._break(error)

    async def _converse(self, call: Any) -> None:  # noqa: ANN401 -- the types of grpc leave it open
        sending = asyncio.create_task(self._send(call))
        try:
            async for response in call:
                self._line.heard(response.checkpoint, response.witness)
                for answer in response.answers:
                    self._take(Answered(answer, response.checkpoint))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)  # it broke like the stream
        raise UnknownOutcome(None, message="The server has closed the stream.")

    async def _send(self, call: Any) -> None:  # noqa: ANN401 -- the same
        """Send batch after batch; when the stream has broken, whoever reads from it is told."""
        places = asyncio.Semaphore(BATCHES_AT_ONCE)
        while not call.done():
            await self._has_waiting.wait()
            await places.acquire()
            asked = list(self._next_batch())
            if not self._waiting:
                self._has_waiting.clear()
            if not asked:
                places.release()
                continue
            batch = _Batch(len(asked), places)
            for one in asked:
                one.is_sent = True
                self._under_way[one.command.correlation] = batch
            await call.write(contract.ExchangeRequest(commands=[one.command for one in asked]))

    def _next_batch(self) -> Iterator[_Asked]:
        size_bytes = 0
        for _ in range(min(len(self._waiting), BATCH_MAX)):
            size_bytes += self._waiting[0].command.ByteSize()
            if size_bytes > BATCH_BYTES_MAX:
                return
            yield self._waiting.popleft()

    def _take(self, answered: Answered) -> None:
        correlation = answered.message.correlation
        batch = self._under_way.pop(correlation, None)
        if batch is not None:
            batch.answer()
        asked = self._asked.get(correlation)
        if asked is not None:
            asked.put(answered)

    def _break(self, error: TallymarkError) -> None:
        """Tell whoever waits for an answer that the stream is gone."""
        unknown = UnknownOutcome(error.reason, message=error.message)
        for asked in self._asked.values():
            asked.put(unknown if asked.is_sent else error)
        self._under_way.clear()
        self._waiting.clear()
        self._has_waiting.clear()
