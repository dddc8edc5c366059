"""Checkpoints of the journal as an operator keeps them: signed in a file of JSON, or in short."""

import json
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from tallymark.v1 import checkpoint_pb2
from tallymark_admin.private_files import replace_private_file
from tallymark_protocol.checkpoint import NotACheckpoint, ShortCheckpoint, parse_checkpoint
from tallymark_protocol.checkpoint_messages import ReceivedCheckpoint, received_checkpoint
from tallymark_protocol.errors import Refused

__all__ = ["AuditKey", "checkpoint_of_server", "read_checkpoints", "signed_checkpoint"]


def signed_checkpoint(stored: Any) -> ReceivedCheckpoint:  # noqa: ANN401 - whatever JSON holds
    """Read the contract's own JSON of a signed checkpoint.

    Raises:
        NotACheckpoint: something else.

    """
    try:
        return received_checkpoint(ParseDict(stored, checkpoint_pb2.SignedCheckpoint()))
    # SystemError: protobuf's own, for a name that has half of a surrogate pair.
    except (ParseError, ValueError, AttributeError, TypeError, SystemError) as error:
        message = "this is no signed checkpoint"
        raise NotACheckpoint(message) from error


def checkpoint_of_server(stored: dict[str, Any]) -> ReceivedCheckpoint:
    """Read the signed checkpoint that a server has just answered.

    Raises:
        Refused: the answer is of another form.

    """
    try:
        return signed_checkpoint(stored)
    except NotACheckpoint as error:
        message = "The server's checkpoint has a form that this program does not know. Update it."
        raise Refused(None, message=message) from error


class AuditKey:
    """The first key for checkpoints that the server showed to this operator. It never changes."""

    def __init__(self, folder: Path) -> None:
        """Take the operator's own folder."""
        self.path = folder / "audit-key.json"

    def read(self) -> str | None:
        """Return the hash of the key; None as long as none was seen.

        Raises:
            OSError: the file cannot be read, or is damaged.

        """
        try:
            return str(json.loads(self.path.read_text())["audit_key_hash"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{self.path} is damaged. Put it back from a backup."
            raise OSError(message) from error

    def keep(self, audit_key_hash: str) -> None:
        """Keep the first key that was seen; raises OSError."""
        if self.read() is None:
            replace_private_file(self.path, json.dumps({"audit_key_hash": audit_key_hash}) + "\n")

    def objection_to(self, received: ReceivedCheckpoint) -> str:
        """Return what is wrong with who signed it, as a sentence; nothing if it is right."""
        known = self.read()
        if not received.is_genuine:
            return f"the signature of {received.checkpoint} is wrong"
        if known not in {None, received.audit_key_hash}:
            return (
                f"{received.checkpoint} is signed with key {received.audit_key_hash}, but the"
                f" server's key for checkpoints was {known} and never changes"
            )
        return ""


def read_checkpoints(text: str) -> list[ReceivedCheckpoint | ShortCheckpoint]:
    """Read a checkpoint in short, or the file with that name: signed ones, or short ones by line.

    Raises:
        NotACheckpoint: neither a checkpoint nor such a file.

    """
    try:
        return [parse_checkpoint(text)]
    except NotACheckpoint:
        content = _content_of(text)
    if content.lstrip().startswith("{"):
        try:
            return [signed_checkpoint(json.loads(content))]
        except json.JSONDecodeError as error:
            message = f"{text} is no signed checkpoint"
            raise NotACheckpoint(message) from error
    found = [parse_checkpoint(line.strip()) for line in content.splitlines() if line.strip()]
    if not found:
        message = f"{text} holds no checkpoint"
        raise NotACheckpoint(message)
    return [*found]


def _content_of(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, ValueError) as error:
        message = f"{name} is neither a checkpoint (tmc1:...) nor a file with one"
        raise NotACheckpoint(message) from error
