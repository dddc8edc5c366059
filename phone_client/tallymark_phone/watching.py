"""Follow the customer's processes and answer those that wait for the customer."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from tallymark_phone.answering import answer_process, find_process
from tallymark_phone.device_signatures import CannotAnswer
from tallymark_phone.plain_words import explain_failure
from tallymark_phone.processes import Decision, Process, ProcessEvent
from tallymark_phone.questions import Answer, QuestionSource
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.wallet import Wallet
from tallymark_protocol.errors import Refused, TallymarkError
from tallymark_protocol.reasons import Reason

__all__ = ["ProcessWatch"]


class ProcessWatch:
    """Shows each change, and asks about one process at a time.

    Events, answers and the end of the stream arrive in one inbox and are dealt with in turn.
    """

    def __init__(
        self,
        *,
        connection: PhoneConnection,
        wallet: Wallet,
        questions: QuestionSource | None,
        show: Callable[[Process], None],
        warn: Callable[[str], None],
    ) -> None:
        """Take the connection, who answers (None: nobody), and where things are shown."""
        self._connection = connection
        self._wallet = wallet
        self._questions = questions
        self._show = show
        self._warn = warn
        self._inbox: asyncio.Queue[ProcessEvent | tuple[Process, Answer] | Exception] = (
            asyncio.Queue(maxsize=100)
        )
        self._waiting: dict[str, ProcessEvent] = {}
        self._asked: Process | None = None
        self._question: asyncio.Task[None] | None = None

    async def run(self, *, is_once: bool) -> None:
        """Watch until cancelled, or with `is_once` until one answer was taken.

        Raises:
            TallymarkError: the server refuses, or is unreachable for long.
            EOFError: nobody is at the keyboard any more.

        """
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(self._read())
            ended_by = await self._deal_with_inbox(tasks, is_once=is_once)
            reader.cancel()
            if self._question:
                self._question.cancel()
        if ended_by:
            raise ended_by

    async def _deal_with_inbox(
        self, tasks: asyncio.TaskGroup, *, is_once: bool
    ) -> Exception | None:
        while True:
            match await self._inbox.get():
                case ProcessEvent() as event:
                    self._take_event(event)
                case (Process() as process, Answer() as answer):
                    try:
                        is_taken = await self._send(process, answer)
                    except TallymarkError as error:
                        return error
                    if is_taken and is_once:
                        return None
                case Exception() as error:
                    return error
            self._ask_next(tasks)

    async def _read(self) -> None:
        try:
            events = self._connection.watch_processes(
                after_event=self._wallet.watched_event(),
                on_lost=lambda lost: self._warn(f"{lost.message} Trying again."),
            )
            async with aclosing(events):
                async for event in events:
                    await self._inbox.put(event)
        except TallymarkError as error:
            await self._inbox.put(error)

    async def _ask(self, questions: QuestionSource, process: Process) -> None:
        try:
            answer = await questions.ask(process)
        except EOFError as nobody:
            await self._inbox.put(nobody)
        else:
            await self._inbox.put((process, answer))

    def _take_event(self, event: ProcessEvent) -> None:
        process = event.process
        self._show(process)
        # An answer is to what was shown: after any change the question is asked anew.
        if self._question and self._asked and self._asked.process_id == process.process_id:
            self._question.cancel()
            self._question = self._asked = None
        self._waiting.pop(process.process_id, None)
        if process.state.needs_customer:
            self._waiting[process.process_id] = event
        # What still waits must be heard of again after a restart.
        first_waiting = min((waiting.event for waiting in self._waiting.values()), default=None)
        handled = event.event if first_waiting is None else first_waiting - 1
        if handled > self._wallet.watched_event():
            self._wallet.save_watched_event(handled)

    def _ask_next(self, tasks: asyncio.TaskGroup) -> None:
        if self._question or not self._waiting or not self._questions:
            return
        self._asked = next(iter(self._waiting.values())).process
        self._question = tasks.create_task(self._ask(self._questions, self._asked))

    async def _send(self, process: Process, answer: Answer) -> bool:
        """Send an answer; returns whether it was taken. Too late is no reason to stop watching."""
        if self._asked is not process:
            return False  # the process has changed since
        self._question = self._asked = None
        event = self._waiting.pop(process.process_id).event
        if process.is_digits_needed and answer.decision is Decision.APPROVE and not answer.digits:
            # Without them it would count as wrong digits, and be declined.
            self._warn(f"{process.process_id} needs the two digits that the terminal shows.")
            return False
        try:
            after = await answer_process(self._connection, self._wallet, process, answer)
        except CannotAnswer as cannot:
            self._warn(str(cannot))
            return False
        except Refused as refused:
            if refused.reason is Reason.CONFIRMATION_SIGNATURE_WRONG:
                await self._look_again(process, event, refused)
            else:
                self._warn(explain_failure(refused))
            return False
        self._show(after)
        return True

    async def _look_again(self, process: Process, event: int, refused: Refused) -> None:
        """Show a process that is not what was signed as it is now, and ask anew.

        Raises:
            Refused: nobody looks, so the answer would be signed blindly.

        """
        if not (self._questions and self._questions.looks_again):
            raise refused
        self._warn(explain_failure(refused))
        now = await find_process(self._connection, process.process_id)
        self._show(now)
        if now.state.needs_customer:
            self._waiting[now.process_id] = ProcessEvent(event=event, process=now)
