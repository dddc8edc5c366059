"""The gateway against jPOS, whose packager and channel nobody here wrote (tests only, AGPL)."""

import asyncio
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationState,
    CaptureResult,
    InstitutionSilent,
    ReversalResult,
)
from tests.integration.iso8583.ground import DEADLINE_SECONDS, Counter, counter, line_to

ROOT: Final = Path(__file__).resolve().parents[3]
JAR: Final = ROOT / "build" / "jpos" / "jpos-2.1.10.jar"
SOURCE: Final = Path(__file__).parent / "jpos" / "CardHost.java"

DECLINED, WITHOUT_ANSWER = 12_51, 12_95


class JposHost:
    """A running host: what it prints, and its books."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def line(self) -> list[str]:
        """Return the words of its next line."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), DEADLINE_SECONDS)
        return line.decode().split()

    async def tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        await self._process.stdin.drain()

    async def books(self) -> list[tuple[str, int]]:
        """Return state and amount of each charge, in the order of their references."""
        await self.tell("books")
        found = []
        while (words := await self.line()) != ["end"]:
            found.append((words[1], int(words[2])))
        return found


@pytest.fixture
async def host() -> AsyncIterator[tuple[JposHost, int]]:
    if shutil.which("java") is None or shutil.which("javac") is None:
        pytest.skip("Java is missing: no JDK on this machine, so jPOS cannot run")
    if not JAR.exists():
        pytest.skip("jPOS is missing: run `make jpos`, which fetches it with Maven")
    process = await asyncio.create_subprocess_exec(
        "java", "-XX:TieredStopAtLevel=1", "-cp", str(JAR), str(SOURCE), stdin=PIPE, stdout=PIPE
    )
    try:
        running = JposHost(process)
        word, port = await running.line()
        assert word == "port"
        yield running, int(port)
    finally:
        process.kill()
        await process.communicate()


async def test_jpos_and_the_gateway_understand_each_other(
    tmp_path: Path, host: tuple[JposHost, int]
) -> None:
    jpos, port = host

    async with counter(tmp_path, line_to(port)) as desk:
        await _pay_keep_and_give_back(desk)
        await _lose_an_answer(desk)
        books = await jpos.books()
        await jpos.tell("echo")
        echo = await jpos.line()

    assert books == [
        ("TAKEN", 1000),
        ("RETURNED", 2000),
        ("RETURNED", 3000),
        ("DECLINED", DECLINED),
        ("RETURNED", WITHOUT_ANSWER),
    ]
    assert echo == ["echo", "00"]


async def _pay_keep_and_give_back(desk: Counter) -> None:
    """One charge is kept, one is released, one is given back, one is declined."""
    for number in (1, 2, 3):
        approved = await desk.authorise(f"a{number}", number * 1000)
        assert approved is AuthorisationAnswer.APPROVED
    assert await desk.authorise("a4", DECLINED) is AuthorisationAnswer.INSUFFICIENT_FUNDS
    assert await desk.capture("a1") is CaptureResult.CAPTURED
    assert await desk.reverse("a2") is ReversalResult.REVERSED
    assert await desk.capture("a3") is CaptureResult.CAPTURED
    assert await desk.reverse("a3") is ReversalResult.REVERSED


async def _lose_an_answer(desk: Counter) -> None:
    """Have jPOS book a charge without an answer; it is reversed when its time is over."""
    desk.give_up_waiting()
    with pytest.raises(InstitutionSilent):
        await desk.authorise("a5", WITHOUT_ANSWER)
    await desk.pass_time(60)
    await desk.acknowledged("a5")
    assert await desk.state("a5") is AuthorisationState.REVERSED
