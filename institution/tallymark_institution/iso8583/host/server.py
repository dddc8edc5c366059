"""Plays a card host over TCP: reads requests, books them, and answers, or fails to.

A repeat, or the same message again, is answered as before and booked once: it is known by its trace
number, transmission time and reference.
"""

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final

from tallymark_institution.iso8583 import response_codes
from tallymark_institution.iso8583.gateway.authorisation import ErrandKind
from tallymark_institution.iso8583.gateway.messages import AUTHORISATION, NETWORK, NetworkCode
from tallymark_institution.iso8583.host.books import Books
from tallymark_institution.iso8583.host.faults import Quirk, fault_of
from tallymark_institution.iso8583.message import Message, NotAMessage, framed, read_message
from tallymark_institution.serving import CannotListen, until_signal

__all__ = ["LATE_SECONDS", "CardHost", "run"]

LATE_SECONDS: Final = 25.0
"""Longer than the gateway lets a call wait (20 s), shorter than it waits itself (60 s)."""

_ANSWERS_LOST: Final = {
    ("0220", Quirk.CAPTURE_ANSWER_LOST): 1,
    ("0400", Quirk.REVERSAL_ANSWERS_LOST): 2,
    ("0420", Quirk.REVERSAL_ANSWERS_LOST): 2,
}
"""How often the answer to this message is lost before it comes."""

_BOOKED: Final = frozenset({AUTHORISATION, *ErrandKind})

_ECHOED: Final = frozenset({2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 70})
"""What an answer repeats of its request."""

_GARBAGE: Final = b"\x00\x040110"


class CardHost:
    """A host and its books. Tests look at both, and at every message that came."""

    def __init__(self, *, late_seconds: float = LATE_SECONDS) -> None:
        """Take how late a late answer is."""
        self.books = Books()
        self.heard: list[Message] = []
        self.fired: Counter[Quirk] = Counter()
        """How often each quirk really took place."""
        self.accepts_sign_on = True
        self.answers_echo = True
        self._late_seconds = late_seconds
        self._said: dict[tuple[str, ...], Message] = {}
        self._times: Counter[tuple[str, ...]] = Counter()
        self._set_aside: dict[str, Message] = {}
        self._writers: list[asyncio.StreamWriter] = []
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def listening(
        self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[int]:
        """Serve inside the block, which gets the port. Raises CannotListen."""
        try:
            server = await asyncio.start_server(self._accept, host, port, ssl=tls)
        except OSError as error:
            message = f"{host}:{port} cannot be listened on: {error.strerror}."
            raise CannotListen(message) from error
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Cut every line."""
        for writer in self._writers:
            writer.transport.abort()

    async def hears(self, kind: str, count: int = 1) -> Message:
        """Wait until messages of this type have come, and return the last of them."""
        while True:
            found = [message for message in self.heard if message.kind == kind]
            if len(found) >= count:
                return found[-1]
            self._changed.clear()
            await self._changed.wait()

    def say(self, message: Message) -> None:
        """Send a message on the newest line, if there is one."""
        if self._writers:
            self._writers[-1].write(framed(message))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, NotAMessage):
            while True:
                message = await read_message(reader)
                self._take_in(message, writer)
                self.heard.append(message)
                self._changed.set()
        self._writers.remove(writer)
        writer.transport.abort()

    def _take_in(self, message: Message, writer: asyncio.StreamWriter) -> None:
        kind = message.kind[:3] + "0"
        if kind == NETWORK:
            self._take_in_network(message)
            return
        if kind not in _BOOKED:
            return
        if not (message.field(4).isascii() and message.field(4).isdigit()):
            self.say(_answer(message, code=response_codes.FORMAT_ERROR))
            return
        key = (kind, message.field(7), message.field(11), message.field(37))
        self._times[key] += 1
        quirk = self._quirk(message)
        if kind == AUTHORISATION and self._never_answers(message, quirk):
            return
        answer = self._said.get(key) or self._book(kind, message)
        if not response_codes.is_put_off(answer.field(39)):
            self._said[key] = answer
        if kind == AUTHORISATION:
            self._answer_question(answer, quirk, writer)
        elif self._times[key] > _ANSWERS_LOST.get((kind, quirk), 0):
            self.say(answer)
            self._approve_late(message.field(37))
        else:
            self.fired[quirk] += 1

    def _take_in_network(self, message: Message) -> None:
        code = message.field(70)
        if code == NetworkCode.ECHO and not self.answers_echo:
            return
        is_refused = code == NetworkCode.SIGN_ON and not self.accepts_sign_on
        self.say(_answer(message, code="05" if is_refused else response_codes.APPROVED))

    def _book(self, kind: str, message: Message) -> Message:
        reference = message.field(37)
        if kind == AUTHORISATION:
            entry = self.books.authorise(reference, int(message.field(4)))
            more = {4: f"{entry.minor_units:012}"}
            if entry.approval:
                more[38] = entry.approval
            return _answer(message, code=entry.code, more=more)
        change = self.books.capture if kind == "0220" else self.books.reverse
        return _answer(message, code=change(reference))

    def _never_answers(self, message: Message, quirk: Quirk) -> bool:
        """Tell whether a question is neither booked nor answered now."""
        if quirk is Quirk.CROSSED:
            self._set_aside[message.field(37)] = message
        is_silent = quirk in {Quirk.CROSSED, Quirk.NEVER_DECIDED}
        self.fired[quirk] += is_silent
        return is_silent

    def _answer_question(self, answer: Message, quirk: Quirk, writer: asyncio.StreamWriter) -> None:
        """Answer a question that is booked, as its amount says."""
        self.fired[quirk] += 1
        match quirk:
            case Quirk.ANSWER_LOST:
                pass
            case Quirk.LATE:
                asyncio.get_running_loop().call_later(self._late_seconds, self.say, answer)
            case Quirk.ANSWERED_TWICE:
                self.say(answer)
                self.say(answer)
            case Quirk.CUT_AFTER_ANSWER:
                self.say(answer)
                writer.close()
            case Quirk.CUT_BEFORE_ANSWER:
                writer.transport.abort()
            case Quirk.CHANGES_ITS_MIND:
                self.say(Message(kind=answer.kind, fields={**answer.fields, 39: "05"}))
                self.say(answer)
            case Quirk.OTHER_AMOUNT:
                other = f"{int(answer.field(4)) + 1:012}"
                self.say(Message(kind=answer.kind, fields={**answer.fields, 4: other}))
            case Quirk.GARBAGE:
                writer.write(_GARBAGE)
            case _:
                self.say(answer)

    def _approve_late(self, reference: str) -> None:
        """Approve what was set aside, now that its reversal has found nothing."""
        message = self._set_aside.pop(reference, None)
        if message is not None:
            self.say(self._book(AUTHORISATION, message))

    def _quirk(self, message: Message) -> Quirk:
        entry = self.books.entries.get(message.field(37))
        return fault_of(int(message.field(4))).quirk if entry is None else entry.quirk


async def run(
    host: str,
    port: int,
    *,
    late_seconds: float,
    ready_file: Path | None,
    tell: Callable[[str], object],
) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotListen."""
    listening = CardHost(late_seconds=late_seconds).listening(host, port)
    await until_signal(listening, ready_file=ready_file, tell=tell)


def _answer(message: Message, *, code: str, more: Mapping[int, str] | None = None) -> Message:
    """Return the answer to a message: its type, what it repeats, and the response code."""
    kind = f"{message.kind[:2]}{int(message.kind[2]) + 1}0"
    echoed = {number: value for number, value in message.fields.items() if number in _ECHOED}
    return Message(kind=kind, fields={**echoed, 39: code, **(more or {})})
