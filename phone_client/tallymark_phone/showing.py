"""Codes on the screen until a terminal takes one; then what it took it for, and what came of it.

A code that was taken is dead, and so are those issued beside it. So its picture goes away at once,
and the next code comes only when the customer wants one. Which code a process came from, the phone
is not told: any process that begins while a code is on the screen counts.
"""

import asyncio
import contextlib
from datetime import datetime
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from tallymark_phone.answering import answer_process, find_process
from tallymark_phone.clock import Clock
from tallymark_phone.code_display import code_screen
from tallymark_phone.device_signatures import CannotAnswer
from tallymark_phone.display import plain
from tallymark_phone.first_of import first_of
from tallymark_phone.plain_words import explain_failure
from tallymark_phone.process_display import claim_lines, news_line
from tallymark_phone.processes import Process
from tallymark_phone.qr_screen import Frame, QrScreen
from tallymark_phone.questions import Answer, TerminalQuestions
from tallymark_phone.registrations import Code, CodeChoice
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.wallet import Wallet
from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason

__all__ = ["CodeShow"]

LEAVE_SECONDS_MAX: Final = 2.0
"""Longest time that taking the codes back may hold up what comes next."""

WATCH_AGAIN_SECONDS: Final = 5.0
"""Pause after the connection gave up hearing of processes."""

NEWS_MAX: Final = 100
"""Changes of processes that may wait to be told."""


class CodeShow:
    """Shows codes, tells who takes them, and asks where an answer is needed, until cancelled."""

    def __init__(  # noqa: PLR0913 - everything that a screen needs
        self,
        *,
        connection: PhoneConnection,
        wallet: Wallet,
        console: Console,
        clock: Clock,
        choice: CodeChoice,
        password: str,
        questions: TerminalQuestions | None,
    ) -> None:
        """Take what to show and on what; without `questions`, nobody is at a keyboard."""
        self._connection = connection
        self._wallet = wallet
        self._console = console
        self._clock = clock
        self._choice = choice
        self._password = password
        self._questions = questions
        self._changes: asyncio.Queue[Process] = asyncio.Queue(maxsize=NEWS_MAX)
        self._shown_since: datetime | None = None
        self._told: dict[str, Process] = {}
        self._waiting: dict[str, Process] = {}
        self._news: Text | None = None

    async def run(self) -> None:
        """Show codes and tell who takes them, until cancelled; without a keyboard, until one is.

        Raises:
            TallymarkError: the server gives no more codes, or hears the phone no more.
            EOFError: the keyboard is gone.

        """
        async with asyncio.TaskGroup() as tasks:
            follower = tasks.create_task(self._follow())
            ended_by = await self._show_and_tell()
            follower.cancel()
        if ended_by:
            raise ended_by

    async def _show_and_tell(self) -> TallymarkError | EOFError | None:
        """Return why it ended, so that no group of exceptions hides it."""
        try:
            while True:
                await self._show_until_claimed()
                if self._questions is None:
                    return None
                await self._tell_more(self._questions)
        except (TallymarkError, EOFError) as error:
            return error

    async def _follow(self) -> None:
        """Put each change of a process that began while codes were shown into the queue."""
        after_event = self._wallet.watched_event()
        while True:
            events = self._connection.watch_processes(after_event=after_event)
            with contextlib.suppress(TallymarkError):
                async with contextlib.aclosing(events):
                    async for event in events:
                        after_event = event.event
                        await self._take_news(event.process)
            # What is wrong for good, asking for the next code tells; codes are good meanwhile.
            await self._clock.sleep(WATCH_AGAIN_SECONDS)

    async def _take_news(self, process: Process) -> None:
        began = process.created_at
        # Both times are of the server's clock.
        if self._shown_since is None or began is None or began < self._shown_since:
            return
        if self._is_newer(process):
            await self._changes.put(process)

    async def _show_until_claimed(self) -> None:
        """Show codes until a process begins, and tell of it at once."""
        try:
            claimed = await self._show_codes()
            self._take(claimed)
        finally:
            with contextlib.suppress(TallymarkError, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS_MAX):
                    await self._connection.revoke_codes(self._choice.purpose)

    async def _show_codes(self) -> Process:
        """Show codes; their picture is gone when this returns the process that began meanwhile."""
        with Live(console=self._console, screen=True, auto_refresh=False) as live:
            screen = QrScreen(
                issue=self._issue,
                draw=lambda frame: live.update(self._drawn(frame), refresh=True),
                clock=self._clock,
            )
            try:
                claimed = await first_of(self._next_claim(), screen.run())
            finally:
                # A terminal without a second screen would keep the picture.
                live.update("", refresh=True)
        # The screen ends with an error or not at all.
        assert claimed is not None
        self._news = None
        return claimed

    async def _issue(self) -> Code:
        code = await self._connection.issue_code(self._choice, password=self._password)
        self._shown_since = self._shown_since or code.issued_at
        return code

    def _drawn(self, frame: Frame) -> RenderableType:
        return code_screen(self._console, frame, news=self._news)

    async def _next_claim(self) -> Process:
        """Return the next process that is new here, or that wants the customer again."""
        while True:
            process = await self._changes.get()
            if process.process_id not in self._told or process.state.needs_customer:
                return process
            self._told[process.process_id] = process
            self._news = news_line(process)

    async def _tell_more(self, questions: TerminalQuestions) -> None:
        """Tell what follows, and ask where a process waits, until another code is wanted."""
        while True:
            asked = next(iter(self._waiting.values()), None)
            step = await first_of(self._changes.get(), self._from_keyboard(questions, asked))
            match step:
                case Process():
                    self._take(step)
                case Answer():
                    assert asked is not None
                    await self._answer(asked, step)
                case None:
                    return

    async def _from_keyboard(
        self, questions: TerminalQuestions, asked: Process | None
    ) -> Answer | None:
        """Return the answer to a process, or None when the customer wants another code."""
        if asked:
            return await questions.ask(asked)
        await questions.wait_for_enter("Enter shows another code, Ctrl-C ends. ")
        return None

    def _take(self, process: Process) -> None:
        """Tell of a process, unless that was told already, and note whether it waits."""
        if not self._is_newer(process):
            return
        told = self._told.get(process.process_id)
        self._told[process.process_id] = process
        self._waiting.pop(process.process_id, None)
        if process.state.needs_customer:
            self._waiting[process.process_id] = process
        if process.state.needs_customer or told is None:
            # Whole, because it is what an answer is to.
            self._console.print(claim_lines(process), soft_wrap=True)
        elif process.state is not told.state:
            self._console.print(news_line(process), soft_wrap=True)

    def _is_newer(self, process: Process) -> bool:
        told = self._told.get(process.process_id)
        return told is None or process.version > told.version

    async def _answer(self, process: Process, answer: Answer) -> None:
        """Send an answer. What was not what it seemed is told again, and asked about again."""
        try:
            self._take(await answer_process(self._connection, self._wallet, process, answer))
        except CannotAnswer as cannot:
            del self._waiting[process.process_id]
            self._warn(str(cannot))
        except UnknownOutcome as unknown:
            # The same answer is the same request again.
            self._warn(unknown.message)
        except Refused as refused:
            del self._waiting[process.process_id]
            self._warn(explain_failure(refused))
            if refused.reason is Reason.CONFIRMATION_SIGNATURE_WRONG:
                self._told.pop(process.process_id)
                self._take(await find_process(self._connection, process.process_id))

    def _warn(self, text: str) -> None:
        self._console.print(Text(plain(text), style="yellow"))
