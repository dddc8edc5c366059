"""Log lines: for people or as JSON, with the call that each belongs to, and never a flood of them.

What callers send never gets into a line but a well-formed request_id.
"""

import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from pythonjsonlogger.json import JsonFormatter

from tallymark_server.services.callers import CALLER
from tallymark_server.watching.under_way import UNDER_WAY

__all__ = ["LINES_AT_ONCE", "SECONDS_EACH", "CallFields", "Flood", "formatter", "set_up_logs"]

LINES_AT_ONCE: Final = 100
"""Lines that one place in the code may write at once."""

SECONDS_EACH: Final = 10.0
"""After which it may write one more: a trace of 5 KB each is some 40 MB a day."""

FIELDS: Final = ("method", "request_id", "caller", "trace_id", "left_out")
"""What a line has besides time, level, logger and message, as far as it applies."""

_REQUEST_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def set_up_logs(log_format: str, level: str) -> None:
    """Write to stderr from now on: "text" or "json", and from this level on of the server's own."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format))
    handler.addFilter(Flood())
    handler.addFilter(CallFields())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("tallymark_server").setLevel(level.upper())


def formatter(log_format: str) -> logging.Formatter:
    """Return what makes a line, "text" or "json"."""
    return _JsonLine() if log_format == "json" else _TextLine()


class CallFields(logging.Filter):
    """Says in each record which call it belongs to. It lets all of them pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add method, request_id, caller and trace_id, as far as they are known."""
        call = UNDER_WAY.get(None)
        if call is None:
            return True
        record.method = call.method
        request_id = getattr(call.request, "request_id", "")
        if isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id):
            record.request_id = request_id.lower()
        caller = CALLER.get(None)
        if caller is not None:
            record.caller = caller.name
        if call.trace_id:
            record.trace_id = call.trace_id
        return True


class Flood(logging.Filter):
    """Drops what one place in the code repeats without end, but counts it.

    Otherwise a disk could be filled by whoever finds a call that makes the server complain.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Take a clock of seconds."""
        super().__init__()
        self._now = now
        self._free_at: dict[tuple[str, int], float] = {}
        """When a place may write all its lines at once again; there are as many as in the code."""

        self._left_out: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is written; what tells of the server's end always is."""
        if record.levelno >= logging.CRITICAL:
            return True
        place = (record.pathname, record.lineno)
        now = self._now()
        free_at = max(now, self._free_at.get(place, now)) + SECONDS_EACH
        if free_at - now > LINES_AT_ONCE * SECONDS_EACH:
            self._left_out[place] = self._left_out.get(place, 0) + 1
            return False
        self._free_at[place] = free_at
        left_out = self._left_out.pop(place, 0)
        if left_out:
            record.left_out = left_out
        return True


class _TextLine(logging.Formatter):
    """A line for people; the call stands behind it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- logging's name
        fields = [f"{name}={vars(record)[name]}" for name in FIELDS if name in vars(record)]
        line = super().formatMessage(record)
        return f"{line} [{' '.join(fields)}]" if fields else line


class _JsonLine(JsonFormatter):
    """A line for machines: one JSON object, with the time in UTC."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )

    def formatTime(  # noqa: N802 -- logging's name
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002 -- logging's signature
    ) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
