import asyncio
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from rich.console import Console

from tallymark_phone.processes import Decision, Process, ProcessState
from tallymark_phone.questions import Answer, TerminalQuestions

from .keyboard import Keyboard


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    with ExitStack() as stack:
        keyboard = Keyboard(stack)
        monkeypatch.setattr("sys.stdin", keyboard.stdin)
        yield keyboard


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def questions(screen: io.StringIO) -> TerminalQuestions:
    return TerminalQuestions(Console(file=screen, markup=False))


def process(*, is_digits_needed: bool = False, is_contested: bool = False) -> Process:
    return Process(
        process_id="ab" * 17,
        state=ProcessState.CONTESTED if is_contested else ProcessState.AWAITING_CUSTOMER,
        version=1,
        merchant_id="cafe",
        merchant_name="Café",
        terminal_id="till-1",
        actions=(),
        is_digits_needed=is_digits_needed,
    )


@pytest.mark.parametrize(
    ("typed", "decision"), [("y\n", Decision.APPROVE), ("No\n", Decision.DECLINE)]
)
async def test_yes_and_no_are_understood(
    keyboard: Keyboard, questions: TerminalQuestions, typed: str, decision: Decision
) -> None:
    keyboard.type(typed)

    assert await questions.ask(process()) == Answer(decision=decision)


async def test_an_empty_or_unclear_line_is_asked_again(
    keyboard: Keyboard, questions: TerminalQuestions, screen: io.StringIO
) -> None:
    keyboard.type("\nperhaps\nyes\n")

    answer = await questions.ask(process())

    assert answer.decision is Decision.APPROVE
    assert screen.getvalue().count("[y/n]") == 3


async def test_the_digits_are_asked_for_only_to_approve(
    keyboard: Keyboard, questions: TerminalQuestions
) -> None:
    keyboard.type("y\n4\n42\n")
    approved = await questions.ask(process(is_digits_needed=True))
    keyboard.type("n\n")
    declined = await questions.ask(process(is_digits_needed=True))

    assert approved == Answer(decision=Decision.APPROVE, digits="42")
    assert declined == Answer(decision=Decision.DECLINE)


async def test_a_contested_process_is_asked_about_in_its_own_words(
    keyboard: Keyboard, questions: TerminalQuestions, screen: io.StringIO
) -> None:
    keyboard.type("n\n")

    await questions.ask(process(is_contested=True))

    assert "Another terminal has shown the same code" in screen.getvalue()


async def test_a_question_that_is_given_up_takes_no_key_and_leaves_its_line(
    keyboard: Keyboard, questions: TerminalQuestions, screen: io.StringIO
) -> None:
    given_up = asyncio.create_task(questions.ask(process()))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert screen.getvalue().endswith("[y/n] \n")
    keyboard.type("y\n")

    assert (await questions.ask(process())).decision is Decision.APPROVE


async def test_the_end_of_the_keyboard_is_told(
    monkeypatch: pytest.MonkeyPatch, questions: TerminalQuestions
) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)

        with pytest.raises(EOFError):
            await questions.ask(process())
