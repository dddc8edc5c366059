"""Ask the customer whether a process is wanted, on a terminal and in a script."""

import asyncio
import sys
from dataclasses import dataclass
from typing import Final, Protocol

from rich.console import Console

from tallymark_phone.processes import Decision, Process, ProcessState

__all__ = ["Answer", "FixedAnswer", "QuestionSource", "TerminalQuestions"]

_DECISIONS: Final = {
    "y": Decision.APPROVE,
    "yes": Decision.APPROVE,
    "n": Decision.DECLINE,
    "no": Decision.DECLINE,
}
_DIGITS_COUNT: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the customer says to a process, with the terminal's two digits where they are needed."""

    decision: Decision
    digits: str = ""


class QuestionSource(Protocol):
    """Whoever answers for the customer."""

    @property
    def looks_again(self) -> bool:
        """Whether a process that turned out otherwise than it was shown is looked at again."""

    async def ask(self, process: Process) -> Answer:
        """Return the answer; may be cancelled when it is no longer needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedAnswer:
    """Gives the same answer each time: for scripts and tests."""

    answer: Answer

    @property
    def looks_again(self) -> bool:
        """Nobody looks at all."""
        return False

    async def ask(self, process: Process) -> Answer:  # noqa: ARG002 - the same for each
        """Return the answer."""
        return self.answer


class TerminalQuestions:
    """Asks the customer at the keyboard. A question can be given up while it waits for a key."""

    def __init__(self, console: Console) -> None:
        """Take the console to ask on."""
        self._console = console

    @property
    def looks_again(self) -> bool:
        """The customer does."""
        return True

    async def ask(self, process: Process) -> Answer:
        """Ask until there is an answer that can be understood; raises EOFError."""
        question = "Do you want this? [y/n] "
        if process.state is ProcessState.CONTESTED:
            question = (
                "Another terminal has shown the same code. Are you at the terminal above? [y/n] "
            )
        decision = None
        while decision is None:
            decision = _DECISIONS.get((await self._line(question)).lower())
        digits = ""
        while process.is_digits_needed and decision is Decision.APPROVE and not _is_digits(digits):
            digits = await self._line("The two digits that the terminal shows: ")
        return Answer(decision=decision, digits=digits)

    async def wait_for_enter(self, prompt: str) -> None:
        """Wait until the customer has pressed Enter; raises EOFError."""
        await self._line(prompt)

    async def _line(self, question: str) -> str:
        self._console.print(question, end="")
        try:
            line = await _read_line()
        except asyncio.CancelledError:
            # What comes instead begins on a line of its own.
            self._console.print()
            raise
        if not line:
            raise EOFError
        return line.strip()


def _is_digits(text: str) -> bool:
    return len(text) == _DIGITS_COUNT and text.isascii() and text.isdecimal()


async def _read_line() -> str:
    """Return a line of standard input without a thread, which could not be cancelled."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
