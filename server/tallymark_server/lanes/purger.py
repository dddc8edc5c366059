"""Removes old rows by the operator's policy, a few at a time, while the server serves.

Codes are found by their expiry and processes by their birth, which stand first in their keys;
requests, whose ids the callers make, by the journal, which is in the order of time. Each step is a
command like any other: the rules look at every row again, and the lane, the only writer, removes
them. What a stop or a crash leaves is found at the next look.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from tallymark_protocol.errors import TallymarkError
from tallymark_server.clock import Clock
from tallymark_server.domain.commands import Caller, PurgeRows
from tallymark_server.domain.identifiers import first_id
from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.model.merchants import CallerKind, Policy
from tallymark_server.domain.model.processes import Code, Process
from tallymark_server.domain.model.recovery import Recovery
from tallymark_server.domain.model.retention import PurgeMark
from tallymark_server.domain.model.tallies import DAY_MILLISECONDS
from tallymark_server.domain.processes.finish import RESOLVE_RPC
from tallymark_server.domain.retention import CODE_KEPT_SECONDS, is_old_code, is_old_process
from tallymark_server.domain.state import Row
from tallymark_server.lanes.lane import BATCH_MAX, Lane
from tallymark_server.storage.store import Store

__all__ = ["LOOK_SECONDS", "ROWS_A_STEP", "Purger"]

LOOK_SECONDS: Final = 600.0
"""How often it looks. The first time is that long after the start, which has better to do."""

ROWS_A_STEP: Final = 50
"""What a call may have to wait for: some 4 ms of the store and the rules (bench/purging.py)."""

REST_TIMES: Final = 2.0
"""How many times as long as a step took is left to others after it, so that it never has more than
a third of the core, and the less of it the more the others have to do."""

PURGER: Final = Caller(kind=CallerKind.SERVER, caller_id="purger")

R = TypeVar("R", bound=Row)

_log = logging.getLogger(__name__)


class Purger:
    """`run` it in a task."""

    def __init__(
        self, *, store: Store, lane: Lane, clock: Clock, partitions: Sequence[int]
    ) -> None:
        """Take the parts it works with, and the partitions that are its own."""
        self._store = store
        self._lane = lane
        self._clock = clock
        self._partitions = partitions
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Look again and again until stopped.

        Raises:
            StoreFailed: the store failed.

        """
        while not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._stopping.wait(), LOOK_SECONDS)
            except TimeoutError:
                await self.look()

    def stop(self) -> None:
        """Let `run` end after the step that it is at."""
        self._stopping.set()

    async def look(self) -> int:
        """Remove what is old now, and return how many rows; what cannot be is left for later.

        Raises:
            StoreFailed: the store failed.

        """
        removed = 0
        try:
            for partition in self._partitions:
                removed += await self._look(partition)
        except TallymarkError as error:  # the lane has too much to do, or stops
            _log.info("old rows are kept for now: %s", error)
        return removed

    async def _look(self, partition: int) -> int:
        now = self._clock.now()
        policy = await self._policy_when_settled()
        if policy is None:
            return 0
        removed = await self._purge_requests(partition, policy, now)
        removed += await self._purge(
            Code,
            partition,
            last=f"{max(0, now // 1000 - CODE_KEPT_SECONDS + 1):08x}",
            is_old=lambda code: is_old_code(code, now),
            field="codes",
        )
        born_before = max(0, now - policy.keep_processes_days * DAY_MILLISECONDS + 1)
        removed += await self._purge(
            Process,
            partition,
            last=first_id(partition, born_before),
            is_old=lambda process: is_old_process(process, policy, now),
            field="process_ids",
        )
        await self._erase_payloads(partition, policy, now)
        if removed:
            _log.info("removed %d old rows", removed)
        return removed

    async def _policy_when_settled(self) -> Policy | None:
        """Return the policy in force; None while a recovery is open, when nothing is removed."""
        policy_key, recovery_key = Policy.key_of_current(), Recovery.key_of_newest()
        rows = await self._store.load([policy_key, recovery_key])
        policy, recovery = rows[policy_key], rows[recovery_key]
        if isinstance(recovery, Recovery) and recovery.is_unsettled:
            return None
        return policy if isinstance(policy, Policy) else Policy()

    async def _purge(
        self, table: type[R], partition: int, *, last: str, is_old: Callable[[R], bool], field: str
    ) -> int:
        """Walk along the keys before `last`; what is still needed is passed by."""
        first, removed = "", 0
        while rows := await self._scan(table, partition, first, last):
            old = tuple(row.text for row in rows if is_old(row))
            if old:
                removed += await self._submit(partition, **{field: old})
            first = f"{rows[-1].text}\0"
        return removed

    async def _scan(self, table: type[R], partition: int, first: str, last: str) -> list[R]:
        if self._must_rest():
            return []
        return await self._store.scan(table, partition, first=first, last=last, limit=ROWS_A_STEP)

    async def _purge_requests(self, partition: int, policy: Policy, now: int) -> int:
        """Walk along the journal from where it was left the last time."""
        decided_before = now - policy.keep_requests_days * DAY_MILLISECONDS
        sequence, removed = (await self._mark(partition)).sequence, 0
        while entries := await self._old_entries(partition, sequence, decided_before):
            sequence = entries[-1].sequence
            texts = tuple(text for entry in entries for text in _requests_of(entry))
            removed += await self._submit(partition, requests=texts, sequence=sequence)
        return removed

    async def _erase_payloads(self, partition: int, policy: Policy, now: int) -> None:
        """Erase what old entries tell, but for those whose requests are still to be removed.

        First what they tell, then the mark: after a crash in between it is erased once more.
        """
        decided_before = now - policy.keep_journal_days * DAY_MILLISECONDS
        mark = await self._mark(partition)
        sequence = mark.erased_sequence
        while entries := await self._old_entries(partition, sequence, decided_before):
            count = min(len(entries), mark.sequence - sequence)
            if count <= 0:
                return
            await self._store.erase_payloads(partition, after_sequence=sequence, limit=count)
            sequence += count
            await self._submit(partition, erased_sequence=sequence)

    async def _mark(self, partition: int) -> PurgeMark:
        key = PurgeMark.key_of(partition)
        mark = (await self._store.load([key]))[key]
        return mark if isinstance(mark, PurgeMark) else PurgeMark(partition=partition)

    async def _old_entries(
        self, partition: int, sequence: int, decided_before: int
    ) -> list[JournalEntry]:
        if self._must_rest():
            return []
        entries = await self._store.journal(partition, after_sequence=sequence, limit=ROWS_A_STEP)
        return [entry for entry in entries if entry.record.decided_at <= decided_before]

    def _must_rest(self) -> bool:
        """Say whether the server stops, or calls wait for more than the next batch."""
        return self._stopping.is_set() or self._lane.waiting > BATCH_MAX

    async def _submit(self, partition: int, **rows: Any) -> int:  # noqa: ANN401 -- fields of PurgeRows
        command = PurgeRows(caller=PURGER, partition=partition, **rows)
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await self._lane.submit(command)
        await asyncio.sleep(REST_TIMES * (loop.time() - began))
        return getattr(answer, "count", 0)


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry's payload says of requests."""

    request_id: str = ""
    rpc: str = ""
    given_up: str = ""
    refused: str = ""


def _requests_of(entry: JournalEntry) -> Iterator[str]:
    """Yield the keys of the requests that the entry decided, but for those that made a process."""
    record = entry.record
    facts = msgspec.json.decode(record.payload, type=_Facts)
    rpc = facts.rpc or record.command
    made_process = rpc == RESOLVE_RPC and record.process_id and not facts.refused
    if facts.request_id and not made_process:
        yield f"{facts.request_id}/{rpc}/{record.caller}"
    if facts.given_up:
        yield f"{facts.given_up}/{RESOLVE_RPC}/{record.caller}"
