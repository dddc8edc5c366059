"""The rules that the contract states for its requests, checked before anything else is done.

Values stay out of the answers: one of them may be a secret.
"""

from collections import defaultdict
from typing import Any, Final, NamedTuple

import protovalidate
from google.protobuf.message import Message

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["Checked", "check", "check_batch"]

VIOLATIONS_MAX: Final = 20
"""Broken rules that are told: an error travels in a trailer, of which gRPC takes some 8 KiB."""


def check(request: Message | None) -> None:
    """Check a request; None stands for bytes that are none.

    Raises:
        Refused: REQUEST_INVALID.

    """
    if request is None:
        raise _not_read()
    broken = _broken_rules(request)
    if broken:
        raise _invalid(broken)


class Checked(NamedTuple):
    """A command of a batch."""

    command: contract.ExchangeCommand
    kind: str
    """What it is: the name of its field; empty for one that is nothing."""

    refused: Refused | None
    """Why it is refused at once; None for one that keeps the rules."""


def check_batch(request: contract.ExchangeRequest | None) -> list[Checked]:
    """Check the commands of a batch, all at once.

    Raises:
        Refused: REQUEST_INVALID, it is no batch, is empty, or has too many commands.

    """
    if request is None:
        raise _not_read()
    of_command: defaultdict[int, list[Any]] = defaultdict(list)
    for violation in _broken_rules(request):
        first = violation.field.elements[0]
        if first.subscript is None:
            raise _invalid([violation])
        of_command[first.subscript.value].append(violation)
    return [
        Checked(
            command,
            command.WhichOneof("command") or "",
            _invalid(of_command[index]) if index in of_command else None,
        )
        for index, command in enumerate(request.commands)
    ]


def _broken_rules(request: Message) -> list[Any]:
    """Return what protovalidate found, in its own messages."""
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        return [violation.proto for violation in error.violations]
    return []


def _not_read() -> Refused:
    violations = [("", "the bytes are no message of the type that the RPC takes")]
    return Refused(Reason.REQUEST_INVALID, violations=violations)


def _invalid(broken: list[Any]) -> Refused:
    violations = [(_path_of(violation), violation.message) for violation in broken[:VIOLATIONS_MAX]]
    return Refused(Reason.REQUEST_INVALID, violations=violations)


def _path_of(violation: Any) -> str:  # noqa: ANN401 -- its module is protovalidate's own
    """Return the field's path, as in `actions[1].admit.event_id`.

    It is empty for a rule about the whole request.
    """
    path = ""
    for element in violation.field.elements if violation.field else ():
        path += f".{element.field_name}"
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return path.lstrip(".")
