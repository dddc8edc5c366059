"""The line to the host: connects, signs on, keeps the line warm, and connects again when it falls.

One connection carries everything. Answers are matched by the numbers in them and not by the
connection they come on, so one may still arrive on the next connection.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from tallymark_institution.iso8583 import response_codes
from tallymark_institution.iso8583.gateway.authorisation import Trace
from tallymark_institution.iso8583.gateway.messages import (
    NETWORK,
    NETWORK_ANSWER,
    NetworkCode,
    network_message,
)
from tallymark_institution.iso8583.message import Message, NotAMessage, framed, read_message

__all__ = ["HostLine", "LineDown", "LineSettings"]

_LOG = logging.getLogger(__name__)

_ENDS: Final = (OSError, asyncio.IncompleteReadError, TimeoutError, NotAMessage)


class LineDown(Exception):
    """There is no line to the host now; nothing was sent."""


class _Refused(Exception):
    """The host did not accept the sign-on."""


class LineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the host is, and how patient the line is; all waits in seconds."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_seconds: float = 10.0
    echo_seconds: float = 30.0
    """How long a line may be silent before an echo is asked for."""
    answer_seconds: float = 10.0
    """How long a sign-on or an echo may take; after it the line counts as dead."""
    reconnect_seconds_min: float = 0.5
    reconnect_seconds_max: float = 30.0


class HostLine:
    """A line that is kept up while `run` runs."""

    def __init__(
        self,
        settings: LineSettings,
        *,
        on_message: Callable[[Message], Awaitable[None]],
        on_up: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        """Take where the host is, and who is told of its messages and of each sign-on."""
        self._settings = settings
        self._on_message = on_message
        self._on_up = on_up
        self._now = now
        self._serial = 0
        self._writer: asyncio.StreamWriter | None = None
        self._network_answers: dict[str, asyncio.Future[Message]] = {}
        self._heard = asyncio.Event()
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._down.set()
        self._was_up = False

    @property
    def is_up(self) -> bool:
        """True from the host's yes to the sign-on to the end of the connection."""
        return self._up.is_set()

    async def signed_on(self) -> None:
        """Wait until the line is up."""
        await self._up.wait()

    async def fallen(self) -> None:
        """Wait until the line is down."""
        await self._down.wait()

    async def run(self) -> None:
        """Keep the line up until cancelled."""
        wait_seconds = self._settings.reconnect_seconds_min
        while True:
            try:
                async with self._connected() as reader:
                    await self._serve(reader)
            except* (*_ENDS, _Refused, LineDown) as errors:
                _LOG.warning("the line to the host is down: %r", errors.exceptions[0])
            if _is_cancelled():  # a group that fails and is cancelled at once tells of its failure
                raise asyncio.CancelledError
            if self._was_up:
                wait_seconds = self._settings.reconnect_seconds_min
            await _wait(wait_seconds)
            wait_seconds = min(2 * wait_seconds, self._settings.reconnect_seconds_max)

    def send(self, message: Message) -> None:
        """Send a message. Raises LineDown if not a byte of it was sent, and NotAMessage."""
        if not self.is_up:
            raise LineDown
        self._send(message)

    async def sign_off(self) -> None:
        """Tell the host that nothing more comes, if it listens."""
        with contextlib.suppress(LineDown, *_ENDS):
            if self.is_up:
                await self._ask(NetworkCode.SIGN_OFF)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncio.StreamReader]:
        self._was_up = False
        settings = self._settings
        async with asyncio.timeout(settings.connect_seconds):
            reader, self._writer = await asyncio.open_connection(
                settings.host, settings.port, ssl=settings.tls
            )
        try:
            yield reader
        finally:
            self._up.clear()
            self._down.set()
            for answer in self._network_answers.values():
                if not answer.done():
                    answer.set_exception(LineDown())
            self._writer.transport.abort()
            self._writer = None

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(reader))
            signed_on = await self._ask(NetworkCode.SIGN_ON)
            if signed_on.field(39) != response_codes.APPROVED:
                text = f"The host answered the sign-on with {signed_on.field(39)!r}."
                raise _Refused(text)
            self._down.clear()
            self._up.set()
            self._was_up = True
            _LOG.info("signed on")
            self._on_up()
            await self._keep_warm()

    async def _keep_warm(self) -> None:
        while True:
            self._heard.clear()
            try:
                async with asyncio.timeout(self._settings.echo_seconds):
                    await self._heard.wait()
            except TimeoutError:
                await self._ask(NetworkCode.ECHO)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            message = await read_message(reader)
            self._heard.set()
            if message.kind == NETWORK_ANSWER:
                waiting = self._network_answers.get(message.field(11))
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            elif message.kind == NETWORK:
                answer = {**message.fields, 39: response_codes.APPROVED}
                self._send(Message(kind=NETWORK_ANSWER, fields=answer))
            else:
                await self._on_message(message)

    async def _ask(self, code: str) -> Message:
        """Send a 0800 and return its answer. Raises TimeoutError."""
        self._serial += 1
        trace = Trace.new(serial=self._serial, now=self._now())
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._network_answers[trace.number] = answer
        try:
            self._send(network_message(code, trace))
            async with asyncio.timeout(self._settings.answer_seconds):
                return await answer
        finally:
            del self._network_answers[trace.number]

    def _send(self, message: Message) -> None:
        """Send, without waiting for a host that does not read: its missing echo ends the line."""
        if self._writer is None:
            raise LineDown
        self._writer.write(framed(message))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _wait(seconds: float) -> None:
    """Wait before the next connection; tests look at how long."""
    await asyncio.sleep(seconds)
