"""Finishes what was left open: asks the credit institution, and ends what nobody answered in time.

Everything it does was written down first, as `Due` rows: the intent, then the call, then the
outcome as a new command. So a server that dies in between takes it up again at its next start, and
every call can be repeated by its id.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from tallymark_protocol.errors import TallymarkError
from tallymark_server.clock import Clock
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationResult,
    AuthorisationState,
    CaptureResult,
    InstitutionDisagrees,
    InstitutionSilent,
    ReversalResult,
)
from tallymark_server.domain.commands import (
    Caller,
    Command,
    FireTimer,
    RecordAuthorisation,
    RecordSettlement,
)
from tallymark_server.domain.model.actions import (
    Authorisation,
    ChargeGrant,
    SettlementTask,
)
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.processes import CALL, TIMER, Due, Process
from tallymark_server.domain.state import Key
from tallymark_server.institution import CreditInstitution
from tallymark_server.lanes.lane import Changes, Lane
from tallymark_server.storage.store import Store

__all__ = ["POLL_SECONDS", "Completer"]

POLL_SECONDS: Final = 1.0
"""How late a timer may be noticed."""

TASKS_MAX: Final = 200
"""Outside calls at the same time, and as many timers: no slow institution delays these."""

SOFT_SECONDS: Final = 30.0
"""Longest wait for one call of the institution; after it the outcome is looked up instead."""

_SERVER = Caller(kind=CallerKind.SERVER, caller_id="completer")

_log = logging.getLogger(__name__)


class Completer:
    """Takes up due work when it is committed, and everything overdue once a second."""

    def __init__(
        self,
        *,
        store: Store,
        lane: Lane,
        clock: Clock,
        institution: CreditInstitution,
        partitions: Sequence[int],
    ) -> None:
        """Take the parts it works with, and the partitions whose work is its own."""
        self._store = store
        self._lane = lane
        self._clock = clock
        self._institution = institution
        self._partitions = partitions
        self._running: dict[str, dict[Key[Any], asyncio.Task[None]]] = {TIMER: {}, CALL: {}}
        self._stopping = asyncio.Event()

    def notice(self, changes: Changes) -> None:
        """Take up work among committed changes that is due at once."""
        now = self._clock.now()
        for row in changes.values():
            if isinstance(row, Due) and row.due_at <= now:
                self._start(row)

    async def run(self) -> None:
        """Look for due work until stopped, then wait for what is under way."""
        while not self._stopping.is_set():
            await self.run_due()
            try:
                await asyncio.wait_for(self._stopping.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Start nothing new; what is under way is cut off, and taken up again at the next start."""
        self._stopping.set()
        for task in self._tasks():
            task.cancel()

    async def run_due(self) -> None:
        """Take up everything that is due now."""
        for partition in self._partitions:
            for kind in self._running:
                last = f"{kind}/{self._clock.now() + 1:013d}"
                due = await self._store.scan(
                    Due, partition, first=f"{kind}/", last=last, limit=TASKS_MAX
                )
                for row in due:
                    self._start(row)

    async def settled(self) -> None:
        """Wait until nothing is under way (for tests and for stopping)."""
        while tasks := self._tasks():
            await asyncio.wait(tasks)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for running in self._running.values() for task in running.values()]

    def _start(self, row: Due) -> None:
        key, running = row.key, self._running[row.kind]
        if self._stopping.is_set() or key in running or len(running) >= TASKS_MAX:
            return  # it stays written down, and the next look finds it
        task = asyncio.create_task(self._work(row))
        running[key] = task
        task.add_done_callback(lambda _: running.pop(key, None))

    async def _work(self, row: Due) -> None:
        try:
            command = await self._outcome(row)
            if command is not None:
                await self._lane.submit(command)
        except TallymarkError as error:
            _log.warning("due work is put off: %s", error)
        except Exception:  # noqa: BLE001 -- a fault in one piece of work must not stop the others
            _log.exception("due work failed and will be tried again")

    async def _outcome(self, row: Due) -> Command | None:
        """Do what is due and return the command that records it."""
        if row.kind == TIMER:
            return FireTimer(
                caller=_SERVER,
                partition=row.partition,
                process_id=row.process_id,
                timer_at=row.due_at,
            )
        key = Process.key_of(row.process_id)
        process = (await self._store.load([key]))[key]
        assert isinstance(process, Process), "due work has a process"
        authorisation = process.actions[row.action].authorisation
        if authorisation is None or authorisation.task is None:
            return None
        if authorisation.task is SettlementTask.AUTHORISE:
            return RecordAuthorisation(
                caller=_SERVER,
                partition=row.partition,
                process_id=row.process_id,
                action=row.action,
                attempt=authorisation.attempts,
                result=await self._authorise(process, row.action, authorisation),
            )
        return RecordSettlement(
            caller=_SERVER,
            partition=row.partition,
            process_id=row.process_id,
            action=row.action,
            attempt=authorisation.attempts,
            result=await self._settle(process, authorisation),
        )

    async def _authorise(
        self, process: Process, place: int, authorisation: Authorisation
    ) -> AuthorisationResult | None:
        """Return the institution's answer, or None while it is unknown.

        After a first try it is looked up before it is asked for again.
        """
        granted = process.actions[place].grant
        assert isinstance(granted, ChargeGrant), "only charges are authorised"
        identifier = authorisation.authorisation_id
        try:
            if authorisation.attempts:
                lookup = await self._institution.find(
                    identifier,
                    currency_code=granted.amount.currency_code,
                    deadline_seconds=SOFT_SECONDS,
                )
                if lookup.state is AuthorisationState.REVERSED:
                    return AuthorisationResult(answer=AuthorisationAnswer.REVERSED_BEFORE)
                if lookup.state is not AuthorisationState.NEVER_SEEN:
                    return lookup.result
            return await self._institution.authorise(
                identifier,
                card_token=authorisation.card_token,
                currency_code=granted.amount.currency_code,
                minor_units=granted.amount.minor_units,
                merchant_id=process.merchant_id,
                terminal_id=process.terminal_id,
                deadline_seconds=SOFT_SECONDS,
            )
        except InstitutionSilent:
            return None

    async def _settle(
        self, process: Process, authorisation: Authorisation
    ) -> CaptureResult | ReversalResult | None:
        """Return what became of a capture or reversal, or None while it is unknown."""
        identifier = authorisation.authorisation_id
        is_capture = authorisation.task is SettlementTask.CAPTURE
        try:
            if is_capture:
                return await self._institution.capture(identifier, deadline_seconds=SOFT_SECONDS)
            note = "reversed" if process.reverses else process.state.name.lower()
            return await self._institution.reverse(
                identifier, note=note, deadline_seconds=SOFT_SECONDS
            )
        except InstitutionDisagrees:
            return CaptureResult.REFUSED if is_capture else ReversalResult.REFUSED
        except InstitutionSilent:
            return None
