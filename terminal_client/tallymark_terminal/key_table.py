"""The keys that verify codes, as the server last listed them."""

from dataclasses import dataclass, replace
from math import ceil

from tallymark_protocol.code_keys import VerificationKey, VerificationKeys
from tallymark_terminal.checkpoint_records import SignedCheckpoint
from tallymark_terminal.server_clock import ServerTime

__all__ = ["KeyTable", "OpenRecovery"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRecovery:
    """The server was restored from a backup, and asks for what was executed since."""

    recovery_id: str
    lost_since: float
    """Server's time in seconds since 1970."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyTable:
    """What it takes to check a code without asking."""

    keys: tuple[VerificationKey, ...]
    epoch: int
    read_at: ServerTime
    checkpoint: SignedCheckpoint | None = None
    """The server's word on its journal at that moment."""

    open_recovery: OpenRecovery | None = None
    """Set while the server asks for what was executed."""

    @property
    def asked_at_seconds(self) -> float:
        """When the terminal asked for it, by its steady clock."""
        return self.read_at.steady_seconds - self.read_at.uncertainty_seconds

    @property
    def by_number(self) -> VerificationKeys:
        """The keys as the code format takes them.

        The check goes by the earliest time that it can be, so that no code ends too soon. For the
        same reason no key may begin too late: each begins earlier by how far that time may be off.
        """
        early_seconds = ceil(2 * self.read_at.uncertainty_seconds)
        return VerificationKeys(
            replace(key, valid_from_seconds=key.valid_from_seconds - early_seconds)
            for key in self.keys
        )
