"""What the gateway does with a call: remember, tell the host, wait a while for what it says.

Calls never hold anything that counts. What is to be sent and taken back is in the journal, and
`run` works it off, whether or not somebody still waits for it, now or after a restart.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import msgspec

from tallymark_institution.iso8583.gateway import rules
from tallymark_institution.iso8583.gateway.authorisation import (
    Authorisation,
    ErrandResult,
    Question,
    Trace,
)
from tallymark_institution.iso8583.gateway.card_vault import Card, CardVault
from tallymark_institution.iso8583.gateway.host_line import HostLine, LineDown, LineSettings
from tallymark_institution.iso8583.gateway.journal import Journal, NewSerial
from tallymark_institution.iso8583.gateway.messages import (
    AUTHORISATION_ANSWER,
    ERRAND_ANSWERS,
    Acquirer,
    errand_message,
    question_message,
    read_answer,
)
from tallymark_institution.iso8583.message import Message

__all__ = ["Gateway", "NoAnswer", "Patience", "UnknownCard"]

_LOG = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
"""How late something due may be noticed."""

_AT_ONCE_MAX: Final = 100
"""Messages taken in, or sent from the journal, at the same time."""


class NoAnswer(Exception):
    """The host cannot be asked now, or has not answered yet."""


class UnknownCard(Exception):
    """The token stands for no card here."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for the host, in seconds."""

    answer_seconds: float = 20.0
    """For a call; shorter than the server waits for one (30 s)."""
    gives_up_seconds: float = 60.0
    """For the answer to a question, before it is reversed; the server has given up after 120 s."""


class Gateway:
    """Authorisations towards one host. `run` has to run while it is used."""

    def __init__(  # noqa: PLR0913 -- its parts, all by keyword
        self,
        *,
        journal: Journal,
        vault: CardVault,
        acquirer: Acquirer,
        line: LineSettings,
        patience: Patience,
        now: Callable[[], float],
    ) -> None:
        """Take the memory, the key of the cards, who asks whom how, and the clock."""
        self._journal = journal
        self._vault = vault
        self._acquirer = acquirer
        self.patience = patience
        self._now = now
        self._news: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._work = asyncio.Event()
        self._intake = asyncio.Semaphore(_AT_ONCE_MAX)
        self._tasks = asyncio.TaskGroup()
        self.line = HostLine(line, on_message=self._take_in, on_up=self._work.set, now=now)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the line up and work the journal off inside the block.

        A failure of the journal ends the block with an exception group.
        """
        async with self._tasks as tasks:
            upkeep = [tasks.create_task(self.line.run()), tasks.create_task(self._work_off())]
            try:
                yield
            finally:
                await self.line.sign_off()
                for task in upkeep:
                    task.cancel()

    async def keep_card(self, place: str, card: Card) -> None:
        """Keep a card for the messages that will need it."""
        await self._journal.keep_card(place, self._vault.seal(place, card))

    async def ask(self, question: Question) -> Authorisation:
        """Ask the host once, and return what is known when it has decided.

        Raises rules.IdReused, UnknownCard, and NoAnswer: then it is looked up later.
        """
        known = await self._journal.find(question.authorisation_id)
        if known is None and not self.line.is_up:
            raise NoAnswer
        card = await self._card(question.card_key)
        now = self._now()
        gives_up_at = now + self.patience.gives_up_seconds
        with self._listening(question.authorisation_id) as news:
            change = await self._journal.change(
                question.authorisation_id,
                lambda known, serial: rules.ask(
                    known,
                    question,
                    now=now,
                    gives_up_at=gives_up_at,
                    new_trace=_tracer(serial, now),
                ),
            )
            known = change.after
            assert known is not None, "a question leaves something"
            if change.before is None and known.trace is not None:
                message = question_message(question, known.trace, card, self._acquirer)
                try:
                    self.line.send(message)
                except LineDown:  # what was written down is reversed in time, sent or not
                    raise NoAnswer from None
            return await self._wait(known, news, lambda known: not known.is_unanswered)

    async def capture(self, authorisation_id: str) -> Authorisation | None:
        """Have the held amount taken, and return what is known when the host has acknowledged it.

        Raises NoAnswer; the host is told all the same.
        """
        now = self._now()
        with self._listening(authorisation_id) as news:
            change = await self._journal.change(
                authorisation_id,
                lambda known, serial: (
                    known and rules.capture(known, now=now, new_trace=_tracer(serial, now))
                ),
            )
            if change.after is None:
                return None
            self._work.set()
            return await self._wait(change.after, news, _is_capture_settled)

    async def reverse(self, authorisation_id: str) -> Authorisation:
        """Have everything taken back, and return what is known when the host has acknowledged it.

        Raises NoAnswer; the host is told all the same.
        """
        now = self._now()
        with self._listening(authorisation_id) as news:
            change = await self._journal.change(
                authorisation_id,
                lambda known, serial: rules.reverse(
                    known,
                    authorisation_id=authorisation_id,
                    now=now,
                    new_trace=_tracer(serial, now),
                ),
            )
            assert change.after is not None, "a reversal leaves something"
            self._tell(authorisation_id)
            self._work.set()
            return await self._wait(change.after, news, _is_reversal_settled)

    async def find(self, authorisation_id: str) -> Authorisation | None:
        """Return what is known."""
        return await self._journal.find(authorisation_id)

    async def settled(self, authorisation_id: str) -> Authorisation:
        """Wait until the host owes no answer about this authorisation (for tests)."""
        with self._listening(authorisation_id) as news:
            while True:
                known = await self._journal.find(authorisation_id)
                if known is not None and known.errand is None and not known.is_unanswered:
                    return known
                await news.wait()
                news.clear()

    async def arrived(
        self, *, since: float, until: float, after: tuple[float, str], limit: int
    ) -> list[Authorisation]:
        """Return what first arrived in a span of time, oldest first, after this time and id."""
        return await self._journal.arrived(since=since, until=until, after=after, limit=limit)

    async def run_due(self) -> None:
        """Reverse what nobody answered in time, and send what is due if there is a line."""
        now = self._now()
        for authorisation_id in await self._journal.unanswered(until=now, limit=_AT_ONCE_MAX):
            await self._journal.change(
                authorisation_id,
                lambda known, serial: (
                    known and rules.give_up(known, now=now, new_trace=_tracer(serial, now))
                ),
            )
            self._tell(authorisation_id)
        if self.line.is_up:
            unsent = await self._journal.unsent(until=now, limit=_AT_ONCE_MAX)
            async with asyncio.TaskGroup() as tasks:
                for authorisation_id in unsent:
                    tasks.create_task(self._send_next(authorisation_id, now))

    async def _work_off(self) -> None:
        while True:
            await self.run_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._work.wait()
            self._work.clear()

    async def _send_next(self, authorisation_id: str, now: float) -> None:
        change = await self._journal.change(
            authorisation_id, lambda known, _: known and rules.send_next(known, now=now)
        )
        known = change.after
        if known is None or known == change.before or known.question is None:
            return
        card = await self._card(known.question.card_key)
        with contextlib.suppress(LineDown):  # it is sent when it is due again
            self.line.send(errand_message(known, card, self._acquirer))

    async def _take_in(self, message: Message) -> None:
        """Take in what the host says; the line goes on reading meanwhile."""
        await self._intake.acquire()
        task = self._tasks.create_task(self._record(message))
        task.add_done_callback(lambda _: self._intake.release())

    async def _record(self, message: Message) -> None:
        said = read_answer(message)
        is_answer = said.kind == AUTHORISATION_ANSWER
        if not is_answer and said.kind not in ERRAND_ANSWERS:
            _LOG.warning("the host sent a message that is not for a gateway: %s", said.kind)
            return
        authorisation_id = await self._journal.id_of(said.reference)
        if authorisation_id is None:
            _LOG.warning("the host answered what was never asked: %s", message)
            return
        now = self._now()
        change = await self._journal.change(
            authorisation_id,
            lambda known, serial: (
                known
                and (
                    rules.answer(known, said, now=now, new_trace=_tracer(serial, now))
                    if is_answer
                    else rules.acknowledge(known, said)
                )
            ),
        )
        if change.before == change.after:
            _LOG.info("changes nothing: %s", message)
        self._tell(authorisation_id)
        self._work.set()

    async def _card(self, place: str) -> Card:
        sealed = await self._journal.card(place)
        if sealed is None:
            raise UnknownCard
        return self._vault.unseal(place, sealed)

    async def _wait(
        self,
        known: Authorisation,
        news: asyncio.Event,
        is_settled: Callable[[Authorisation], bool],
    ) -> Authorisation:
        """Return what is known when it is settled. Raises NoAnswer when that takes too long."""
        try:
            async with asyncio.timeout(self.patience.answer_seconds):
                while not is_settled(known):
                    await news.wait()
                    news.clear()
                    again = await self._journal.find(known.authorisation_id)
                    assert again is not None, "nothing is forgotten"
                    known = again
        except TimeoutError:
            raise NoAnswer from None
        return known

    @contextlib.contextmanager
    def _listening(self, authorisation_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set when there is news of an authorisation."""
        event = asyncio.Event()
        listeners = self._news[authorisation_id]
        listeners.add(event)
        try:
            yield event
        finally:
            listeners.discard(event)
            if not listeners:
                self._news.pop(authorisation_id, None)

    def _tell(self, authorisation_id: str) -> None:
        for event in self._news.get(authorisation_id, ()):
            event.set()


def _tracer(new_serial: NewSerial, now: float) -> rules.NewTrace:
    return lambda reference: Trace.new(serial=new_serial(), now=now, reference=reference)


def _is_capture_settled(known: Authorisation) -> bool:
    return known.capture is None or known.capture.result is not ErrandResult.PENDING


def _is_reversal_settled(known: Authorisation) -> bool:
    return known.reversal is None or known.reversal.result is not ErrandResult.PENDING
