"""Each fault of the proxy really happens, and is counted when it does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from tests.chaos.proxy import (
    BlackHole,
    Cut,
    Delay,
    DropReplies,
    Fault,
    FaultProxy,
    Reset,
    fault_proxy,
)
from tests.world.clock import until

DEADLINE_SECONDS = 10
"""Never reached by a test that passes, but where silence is what is expected."""

SILENCE_SECONDS = 0.05
DELAY_SECONDS = 0.03


class Echo:
    """A server that repeats each line, and remembers it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
        except ConnectionError:
            self.heard.append(b"reset")
        writer.close()


class Heard(NamedTuple):
    """What came of a line of text sent through the proxy."""

    server: list[bytes]
    client: bytes | type[Exception]


class Place(NamedTuple):
    """A server behind a proxy, and somebody who has called it before."""

    echo: Echo
    proxy: FaultProxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, line: bytes, *, patience: float = SILENCE_SECONDS) -> Heard:
        before = len(self.echo.heard)
        answer: bytes | type[Exception]
        try:
            self.writer.write(line)
            answer = await asyncio.wait_for(self.reader.readline(), patience)
        except (TimeoutError, ConnectionError) as error:
            answer = type(error)
        return Heard(self.echo.heard[before:], answer)


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with fault_proxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        made = Place(echo, proxy, reader, writer)
        assert await made.say(b"hello\n", patience=DEADLINE_SECONDS) == ([b"hello\n"], b"hello\n")
        yield made
        writer.close()
    server.close()


FAULTS: list[tuple[Fault, Heard]] = [
    (BlackHole(), Heard([], TimeoutError)),
    (DropReplies(), Heard([b"ping\n"], TimeoutError)),
    (Reset(), Heard([b"reset"], ConnectionResetError)),
    (Cut(after_bytes=2), Heard([b"reset"], ConnectionResetError)),
    (Cut(after_bytes=7), Heard([b"ping\n", b"reset"], ConnectionResetError)),
]


@pytest.mark.parametrize(("fault", "heard"), FAULTS, ids=str)
async def test_a_fault_does_what_its_name_says_and_is_counted(fault: Fault, heard: Heard) -> None:
    async with place() as there:
        there.proxy.strike(fault)
        is_silent = heard.client is TimeoutError
        patience = SILENCE_SECONDS if is_silent else DEADLINE_SECONDS
        said = await there.say(b"ping\n", patience=patience)
        await until(lambda: there.echo.heard[1:] == heard.server)

    assert said.client == heard.client
    assert there.proxy.fired == {fault.name: 1}


async def test_a_cut_line_delivers_what_it_carried_before() -> None:
    async with place() as there:
        there.proxy.strike(Cut(after_bytes=10))
        whole = await there.say(b"ping\n", patience=DEADLINE_SECONDS)

    assert whole == ([b"ping\n"], b"ping\n")
    assert there.proxy.fired == {"cut after N bytes": 1}


async def test_a_delay_lets_everything_arrive_later() -> None:
    async with place() as there:
        there.proxy.strike(Delay(DELAY_SECONDS))
        began = time.perf_counter()
        said = await there.say(b"ping\n", patience=DEADLINE_SECONDS)
        took = time.perf_counter() - began

    assert said == ([b"ping\n"], b"ping\n")
    assert took >= 2 * DELAY_SECONDS, "there and back"
    assert there.proxy.fired == {"delay": 2}


@pytest.mark.parametrize("fault", [BlackHole(), DropReplies()], ids=str)
async def test_a_line_that_lost_bytes_is_reset_when_the_trouble_ends(fault: Fault) -> None:
    async with place() as there:
        there.proxy.strike(fault)
        await there.say(b"ping\n")
        there.proxy.heal()

        said = await there.say(b"ping\n", patience=DEADLINE_SECONDS)

    assert said.client is ConnectionResetError


async def test_a_line_that_lost_nothing_goes_on_when_the_trouble_ends() -> None:
    async with place() as there:
        there.proxy.strike(BlackHole())
        there.proxy.heal()

        said = await there.say(b"ping\n", patience=DEADLINE_SECONDS)

    assert said == ([b"ping\n"], b"ping\n")
    assert not there.proxy.fired


async def test_new_lines_suffer_too_until_the_trouble_ends() -> None:
    async with place() as there:
        there.proxy.strike(BlackHole())
        reader, writer = await asyncio.open_connection("127.0.0.1", there.proxy.port)
        newcomer = Place(there.echo, there.proxy, reader, writer)
        lost = await newcomer.say(b"ping\n")
        writer.close()

    assert lost == ([], TimeoutError)


async def test_lines_are_refused_while_nobody_serves() -> None:
    async with fault_proxy(1) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_what_follows_lost_bytes_is_lost_too_whatever_the_trouble_is_by_then() -> None:
    async with place() as there:
        there.proxy.strike(BlackHole())
        await there.say(b"ping\n")
        there.proxy.strike(DropReplies())

        said = await there.say(b"ping\n")

    assert said == ([], TimeoutError)
