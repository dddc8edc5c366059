"""What a terminal keeps of a process for the server, and gives back after a restore.

A record is the whole process as the server has it, in JSON, under AES-SIV (RFC 5297): a terminal
can neither read it nor make one. The same process has the same record, because a repeated request
gets the same answer; that is what SIV is for, which needs no nonce.
"""

from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from tallymark_server.domain.model.processes import Process, ProcessState

__all__ = ["SealedRecords"]

_EXECUTABLE: Final = {ProcessState.INSTRUCTED, ProcessState.OVERDUE, ProcessState.COMPLETED}

_CONTEXT: Final = b"tallymark process 1"


class SealedRecords:
    """Seals processes for their terminals, and opens what comes back."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes for nothing else."""
        self._cipher = AESSIV(key)
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Process).decode

    def seal(self, process: Process) -> bytes:
        """Return the record of a process that its terminal may execute; empty for any other."""
        if process.state not in _EXECUTABLE or process.reverses:
            return b""
        return self._cipher.encrypt(self._encode(process), _bound_to(process.terminal_id))

    def open(self, record: bytes, *, terminal_id: str) -> Process | None:
        """Return the process that was sealed for this terminal; None if this is none."""
        try:
            return self._decode(self._cipher.decrypt(record, _bound_to(terminal_id)))
        except (InvalidTag, msgspec.DecodeError):
            return None


def _bound_to(terminal_id: str) -> list[bytes]:
    return [_CONTEXT, terminal_id.encode()]
