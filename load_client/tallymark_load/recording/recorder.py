"""Keeps what happens in calls, and writes it in a thread of its own.

A call is held up only as long as it takes to note an event: its time, and what was sent. Redacting
and writing happen behind it. What waits to be written is bounded in bytes; when the disk cannot
keep up, events are lost rather than calls held up. They are counted, and the numbers of the entries
of their calls have gaps, so that a reader knows which calls are not whole.
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Self

from tallymark_load.binary_log import LogWriter
from tallymark_load.binary_log.binary_log_pb2 import GrpcLogEntry
from tallymark_load.recording.events import Event, Opening, Pairs, Status, entry_of
from tallymark_load.redaction import Redaction

__all__ = ["CallRecord", "MethodCount", "Recorder"]

BACKLOG_BYTES_MAX: Final = 64 << 20

GATHER_SECONDS: Final = 0.01
"""How long events are gathered before they are written together."""

EVENT_BYTES: Final = 500
"""About what an event costs in memory beside its message."""


@dataclass(slots=True)
class MethodCount:
    """How often something happened in calls of one method."""

    calls: int = 0
    ended: int = 0
    errors: int = 0
    sent: int = 0
    received: int = 0


class Recorder:
    """Writes the events of one recording: `with Recorder(writer, redaction) as recorder`.

    All calls are begun and noted from one thread, that of the event loop.
    """

    def __init__(
        self,
        writer: LogWriter,
        redaction: Redaction,
        *,
        logger: GrpcLogEntry.Logger.ValueType = GrpcLogEntry.LOGGER_CLIENT,
        backlog_bytes_max: int = BACKLOG_BYTES_MAX,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare; now_ns is the time since the epoch."""
        self.logger = logger
        self.now_ns = now_ns
        self.methods: dict[str, MethodCount] = {}
        self.events = 0
        self.lost = 0
        self._writer = writer
        self._redaction = redaction
        self._backlog_bytes_max = backlog_bytes_max
        self._call_ids = itertools.count(1)
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        # Each counter is written by one thread only, so they need no lock.
        self._bytes_noted = 0
        self._bytes_written = 0
        self._is_flushed = True
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        """Begin to write."""
        self._writing = self._executor.submit(self._write)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is left; raise what went wrong in writing, such as a full disk."""
        self._queue.put(None)
        self._executor.shutdown()
        if self._writing is not None and error is None:
            self._writing.result()

    @property
    def failure(self) -> BaseException | None:
        """What ended the writing, if something did."""
        if self._writing is None or not self._writing.done():
            return None
        return self._writing.exception()

    def begin(self, opening: Opening) -> "CallRecord":
        """Note the start of a call."""
        counted = self.methods.setdefault(opening.method, MethodCount())
        return CallRecord(self, next(self._call_ids), opening, counted)

    def note(self, event: Event) -> None:
        """Keep an event until it is written, or count it as lost."""
        size = EVENT_BYTES + (len(event.payload) if isinstance(event.payload, bytes) else 0)
        is_full = self._bytes_noted - self._bytes_written + size > self._backlog_bytes_max
        if is_full or self.failure is not None:
            self.lost += 1
            return
        self.events += 1
        self._bytes_noted += size
        self._queue.put(event)

    def _write(self) -> None:
        while (event := self._queue.get()) is not None:
            if self._is_flushed:
                # Woken for every event, this thread would cost the calls more than its work does.
                time.sleep(GATHER_SECONDS)
                self._is_flushed = False
            self._writer.write(entry_of(event, self._redaction))
            payload = event.payload
            self._bytes_written += EVENT_BYTES + (len(payload) if isinstance(payload, bytes) else 0)
            if self._queue.empty():
                self._writer.flush()
                self._is_flushed = True


class CallRecord:
    """One call that is being recorded."""

    __slots__ = ("_call_id", "_counted", "_method", "_recorder", "_sequence", "is_over")

    def __init__(
        self, recorder: Recorder, call_id: int, opening: Opening, counted: MethodCount
    ) -> None:
        """Note the start."""
        self.is_over = False
        self._counted = counted
        self._counted.calls += 1
        self._recorder = recorder
        self._call_id = call_id
        self._method = opening.method
        self._sequence = 0
        self._note(GrpcLogEntry.EVENT_TYPE_CLIENT_HEADER, opening)

    def answered(self, metadata: Pairs) -> None:
        """Note the initial metadata of the service."""
        self._note(GrpcLogEntry.EVENT_TYPE_SERVER_HEADER, tuple(metadata))

    def sent(self, body: bytes) -> None:
        """Note a message to the service."""
        self._counted.sent += 1
        self._note(GrpcLogEntry.EVENT_TYPE_CLIENT_MESSAGE, body)

    def half_closed(self) -> None:
        """Note that nothing more will be sent."""
        self._note(GrpcLogEntry.EVENT_TYPE_CLIENT_HALF_CLOSE)

    def received(self, body: bytes) -> None:
        """Note a message of the service."""
        self._counted.received += 1
        self._note(GrpcLogEntry.EVENT_TYPE_SERVER_MESSAGE, body)

    def ended(self, status: Status) -> None:
        """Note the end."""
        self._end(GrpcLogEntry.EVENT_TYPE_SERVER_TRAILER, status)

    def cancelled(self) -> None:
        """Note that the caller gave up, unless the call has ended."""
        self._end(GrpcLogEntry.EVENT_TYPE_CANCEL, None)

    def _end(self, kind: GrpcLogEntry.EventType.ValueType, status: Status | None) -> None:
        if not self.is_over:
            self._counted.ended += 1
            self._counted.errors += status is None or status.code != 0
            self._note(kind, status)
            self.is_over = True

    def _note(
        self,
        kind: GrpcLogEntry.EventType.ValueType,
        payload: Opening | Status | Pairs | bytes | None = None,
    ) -> None:
        if self.is_over:
            return
        self._sequence += 1
        recorder = self._recorder
        recorder.note(
            Event(
                recorder.now_ns(),
                self._call_id,
                self._sequence,
                self._method,
                recorder.logger,
                kind,
                payload,
            )
        )
