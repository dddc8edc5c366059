"""Puts the run's own randomness, network and store thread in the place of the machine's."""

import functools
import logging
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from tallymark_protocol import tls
from tallymark_server.lanes import completer
from tallymark_server.services import open_streams
from tallymark_server.storage import sqlite
from tallymark_server.storage.sqlite_database import ExclusiveConnection, connect
from tallymark_server.storage.sqlite_table import RowTable
from tallymark_server.storage.tables import all_tables
from tallymark_terminal import secure_line
from tests.simulation.network import Network
from tests.simulation.server_machine import InlineConnection, pause_of
from tests.simulation.virtual_loop import LIFE

__all__ = ["look_seldom", "patched"]

_row_table = functools.cache(RowTable)
_all_tables = functools.cache(all_tables)
"""Making them anew at each start would take longer than all that follows; they keep nothing."""

LOOKS_SECONDS = 5.0
"""How often the server looks for due work, and who may go on watching.

A second and two in service: an hour of a run would be nothing but looks.
"""

CALM_LOOKS_SECONDS = 30.0
"""The same when all is calm, and hours have to pass."""


def look_seldom() -> None:
    """Let the server look seldom until the end of the run."""
    completer.POLL_SECONDS = CALM_LOOKS_SECONDS  # type: ignore[misc]  # as `patched` does
    open_streams.RECHECK_SECONDS = CALM_LOOKS_SECONDS  # type: ignore[misc]  # the same


def _connect(path: Path) -> ExclusiveConnection:
    """Open the database for the life that asks, with which it is closed."""
    opened = connect(path)
    LIFE.get().at_end.append(opened.close)
    return opened


@contextmanager
def patched(network: Network) -> Iterator[None]:
    """Let everything inside draw from the run's dice and call over its network."""
    chance = network.chance

    class Connection(InlineConnection):
        pause = staticmethod(pause_of(network))

    with ExitStack() as stack:
        for target, name, replacement in (
            (os, "urandom", chance.randbytes),
            (random, "_urandom", chance.randbytes),
            (tls, "open_channel", network.channel),
            (secure_line, "open_channel", network.channel),
            (sqlite, "_OneHopConnection", Connection),
            (sqlite, "connect", _connect),
            (sqlite, "RowTable", _row_table),
            (sqlite, "all_tables", _all_tables),
            (completer, "POLL_SECONDS", LOOKS_SECONDS),
            (open_streams, "RECHECK_SECONDS", LOOKS_SECONDS),
        ):
            stack.enter_context(patch.object(target, name, replacement))
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        yield
