"""What the server is given from outside: everything that is not pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tallymark_server.clock import Clock
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring
from tallymark_server.keys.high_water import Shown
from tallymark_server.limits import Limits
from tallymark_server.passwords import PasswordProfile
from tallymark_server.services.number_sender import NumberSender
from tallymark_server.storage.sqlite_backup import Backups
from tallymark_server.storage.store import Store
from tallymark_server.tls.authority import Authority
from tallymark_server.tls.server_tls import ServerTls
from tallymark_server.watching.tracing import Tracing

__all__ = ["PARTITIONS", "Parts"]

PARTITIONS: Final = (DIRECTORY,)
"""SQLite has one partition and one lane."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The parts of one server."""

    store: Store
    clock: Clock
    keyring: Keyring
    institution: CreditInstitution
    number_sender: NumberSender
    password_profile: PasswordProfile
    limits: Limits
    authority: Authority
    tls: ServerTls | None
    """None is the plain-text mode, in which callers are believed whatever they say."""

    operator_id: str = "first"
    """Operator that the server lets enrol by itself: the first, or one when all others are out."""

    keep_shown: Callable[[Shown], None] = lambda _: None
    """Writes down for the next start what a client has shown that the database does not have."""

    has_room: Callable[[], bool] = lambda: True
    """Whether the disk has room for something new."""

    backups: Backups | None = None
    """Makes backups while serving; None for a store that has no file."""

    tracing: Tracing | None = None
    """Makes spans of calls and batches; None for no traces."""
