"""What a client carries from call to call, so that a server finds out that its data went back.

    tmw1:<epoch>:<partition>:<sequence>:<first 16 bytes of the chain value, 32 hex digits>:<MAC>

It is the short checkpoint with the server's epoch before it and 16 bytes of HMAC-SHA-256 behind it,
under a key that only the server has. It comes in the trailing metadata `tallymark-witness` of every
answer, and the newest goes back with every call under the same name. A client need not understand
it beyond which one is the newest; it cannot make one. So a server that is shown an entry which its
own journal does not have knows that its database is older than what it has answered.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tallymark_protocol.checkpoint import ShortCheckpoint, parse_checkpoint

__all__ = ["WITNESS_KEY", "NewestWitness", "NotAWitness", "Witness", "make_witness", "read_witness"]

WITNESS_KEY: Final = "tallymark-witness"
"""Key in the metadata of calls, and in the trailing metadata of answers."""

MAC_BYTES: Final = 16

_TEXT: Final = re.compile(r"tmw1:(0|[1-9][0-9]{0,18}):([0-9:a-f]{36,60}):([0-9a-f]{32})")


class NotAWitness(ValueError):
    """The text is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Witness:
    """Where the journal stood, in which epoch."""

    epoch: int
    checkpoint: ShortCheckpoint
    mac: bytes

    def is_genuine(self, key: bytes) -> bool:
        """Say whether the holder of this key made it."""
        return str(self) == make_witness(self.epoch, str(self.checkpoint), key)

    @property
    def rank(self) -> tuple[int, int]:
        """What is larger in a newer one of the same server."""
        return self.epoch, self.checkpoint.sequence

    def __str__(self) -> str:
        """Return it as it is carried."""
        return f"{_statement(self.epoch, str(self.checkpoint))}:{self.mac.hex()}"


def make_witness(epoch: int, checkpoint: str, key: bytes) -> str:
    """Return the witness of a short checkpoint, with the MAC of this key."""
    statement = _statement(epoch, checkpoint)
    return f"{statement}:{hmac.digest(key, statement.encode(), 'sha256')[:MAC_BYTES].hex()}"


def read_witness(text: str) -> Witness:
    """Return what a text says; only its server can tell whether it is genuine.

    Raises:
        NotAWitness: another text.

    """
    found = _TEXT.fullmatch(text)
    if found is None:
        message = "this is no witness"
        raise NotAWitness(message)
    try:
        checkpoint = parse_checkpoint(f"tmc1:{found[2]}")
    except ValueError as error:
        message = "this is no witness"
        raise NotAWitness(message) from error
    return Witness(epoch=int(found[1]), checkpoint=checkpoint, mac=bytes.fromhex(found[3]))


def _statement(epoch: int, checkpoint: str) -> str:
    return f"tmw1:{epoch}:{checkpoint.removeprefix('tmc1:')}"


class NewestWitness:
    """The newest witness that a client has heard, to be carried with the next call."""

    def __init__(self, text: str = "", *, keep: Callable[[str], None] | None = None) -> None:
        """Take the one that was kept, and what keeps a newer one."""
        self.text = ""
        self._rank = (-1, -1)
        self._keep: Callable[[str], None] | None = None
        self.hear(text)
        self._keep = keep

    def hear(self, text: str) -> None:
        """Take one that came with an answer; what is none is passed over."""
        try:
            witness = read_witness(text)
        except NotAWitness:
            return
        if witness.rank > self._rank:
            self.text, self._rank = text, witness.rank
            if self._keep is not None:
                self._keep(text)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with the next call."""
        return ((WITNESS_KEY, self.text),) if self.text else ()
