"""The log lines of a server in this process, as they would be written."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tallymark_server.watching.logs import CallFields, formatter

__all__ = ["Lines", "written"]


class Lines(logging.Handler):
    """Keeps lines."""

    def __init__(self, log_format: str) -> None:
        super().__init__()
        self.setFormatter(formatter(log_format))
        self.addFilter(CallFields())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def written(log_format: str) -> Iterator[Lines]:
    """Keep every line of the server, down to that of each call, while the context lasts."""
    kept, server = Lines(log_format), logging.getLogger("tallymark_server")
    server.addHandler(kept)
    server.setLevel(logging.DEBUG)
    try:
        yield kept
    finally:
        server.setLevel(logging.NOTSET)
        server.removeHandler(kept)
