"""The program itself on a terminal: what is asked there, and what Ctrl-C leaves."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.message import Message

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import money_pb2, process_pb2

from .program import PROCESS_ID, PhoneProgram, awaiting

PROGRAM = "from tallymark_phone.main import main; main()"
DEADLINE_SECONDS = 60.0
"""Never reached by a test that passes."""


class Terminal:
    """The customer's end of the terminal that a program runs on."""

    def __init__(self, typist: int, process: asyncio.subprocess.Process) -> None:
        self._typist = typist
        self._process = process
        self._arrived = asyncio.Event()
        self._looked_at = 0
        self.text = ""

    def read(self) -> None:
        """Take in what the program has written."""
        try:
            self.text += os.read(self._typist, 65_536).decode(errors="replace")
        except OSError:  # the program has ended, and with it the terminal
            asyncio.get_running_loop().remove_reader(self._typist)
        self._arrived.set()

    async def shows(self, text: str) -> str:
        """Wait for a text, and return what was written since the last one, up to its end."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (found := self.text.find(text, self._looked_at)) < 0:
                self._arrived.clear()
                await self._arrived.wait()
        begin, self._looked_at = self._looked_at, found + len(text)
        return self.text[begin : self._looked_at]

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._typist, text.encode())

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    async def ended(self) -> int:
        """Wait for the end of the program, and return its exit code."""
        return await asyncio.wait_for(self._process.wait(), DEADLINE_SECONDS)


@asynccontextmanager
async def on_a_terminal(phone: PhoneProgram, *arguments: str) -> AsyncIterator[Terminal]:
    """Run the program on a terminal of its own."""
    typist, its_end = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *arguments),
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env={
            **os.environ,
            "TALLYMARK_PHONE_HOME": str(phone.home),
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            "LINES": "40",
        },
    )
    os.close(its_end)
    terminal = Terminal(typist, process)
    asyncio.get_running_loop().add_reader(typist, terminal.read)
    try:
        yield terminal
    finally:
        asyncio.get_running_loop().remove_reader(typist)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(typist)


async def test_confirming_asks_at_the_terminal_and_again_when_it_was_another_sale(
    phone: PhoneProgram,
) -> None:
    def raise_price(request: Message) -> None:
        if isinstance(request, pb.ConfirmProcessRequest):
            dear = money_pb2.Money(currency_code="EUR", minor_units=9990)
            phone.double.processes[0].card_total.CopyFrom(dear)

    phone.double.processes = [awaiting(is_digits_needed=True)]
    phone.double.on_call = raise_price

    async with on_a_terminal(phone, "confirm") as terminal:
        first = await terminal.shows("Do you want this?")
        terminal.type("y\n")
        await terminal.shows("two digits")
        terminal.type("42\n")
        second = await terminal.shows("Do you want this?")
        terminal.type("n\n")
        await terminal.shows("declined")
        exit_code = await terminal.ended()

    assert exit_code == 0
    assert "your card pays 9.90 EUR" in first
    assert "CONFIRMATION_SIGNATURE_WRONG" in second
    assert "your card pays 99.90 EUR" in second
    assert phone.double.processes[0].state == process_pb2.PROCESS_STATE_DECLINED


async def test_watching_asks_at_the_terminal(phone: PhoneProgram) -> None:
    phone.double.processes = [awaiting()]
    await phone.double.happen(awaiting())

    async with on_a_terminal(phone, "watch", "--once") as terminal:
        await terminal.shows("Do you want this?")
        terminal.type("y\n")
        exit_code = await terminal.ended()

    assert exit_code == 0
    assert phone.double.done["ConfirmProcessRequest"] == 1


async def test_codes_are_shown_until_one_is_taken_and_ctrl_c_takes_the_others_back(
    phone: PhoneProgram,
) -> None:
    taken = awaiting()
    taken.state = process_pb2.PROCESS_STATE_INSTRUCTED

    async with on_a_terminal(phone, "show", "--tag", "TT1:TAG") as terminal:
        codes = await terminal.shows("good for")
        await phone.double.happen(taken)
        told = await terminal.shows("Enter shows another code")
        terminal.type("\n")
        await terminal.shows("good for")
        terminal.interrupt()
        exit_code = await terminal.ended()

    assert exit_code == 0
    assert "Only for Corner Café (till-1)" in codes
    assert "Café, till-1: 9.90 EUR" in told
    assert f"tallymark-phone dispute {PROCESS_ID}" in told
    assert phone.double.done["IssueCodeRequest"] == 2
    assert phone.double.done["RevokeCodeRequest"] == 2
    assert "TM1:" not in terminal.text
