"""What the comments of the contracts promise; they are in no descriptor, only in the files."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tallymark_protocol.reasons import Reason
from tests.world.contract import Rpc

__all__ = ["PROMISES", "Promise", "promised_reasons", "promised_rows"]

_CONTRACTS = Path(__file__).parents[2] / "protos" / "tallymark" / "v1"

_ENUM_VALUE = re.compile(r"((?:  //.*\n)+)  ERROR_REASON_(\w+) = \d+;")
_FILES = {
    "customer": "customer_service.proto",
    "terminal": "terminal_service.proto",
    "operator": "operator_service.proto",
}


class Promise(NamedTuple):
    """What the comment of one reason says."""

    status: str
    reason: str
    domain: str
    metadata: Mapping[str, str]
    message: str


def _promises() -> dict[str, Promise]:
    text = (_CONTRACTS / "error_reason.proto").read_text()
    found = {}
    for comment, name in _ENUM_VALUE.findall(text):
        words = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        match = re.search(r"Status ([A-Z_]+)\. +Example: (\{.*\}) Message: \"(.*)\"$", words)
        if match is not None:
            status, example, message = match.groups()
            found[name] = Promise(status=status, message=message, **json.loads(example))
    return found


PROMISES = _promises()
"""The promises by the name of the reason."""


def promised_reasons(rpc: Rpc) -> set[str]:
    """Return the reasons that the comments of the RPC and of its service name."""
    text = (_CONTRACTS / _FILES[rpc.caller]).read_text()
    of_service = re.search(r"((?://.*\n)+)service ", text)
    of_rpc = re.search(rf"((?:  //.*\n)+)  rpc {rpc.name}\(", text)
    assert of_service is not None
    assert of_rpc is not None
    return _reasons_in(of_service[1]) | _reasons_in(of_rpc[1])


def promised_rows(rpc: Rpc) -> set[str]:
    """Return the reasons that the comments in the request name: those of its rows."""
    text = (_CONTRACTS / _FILES[rpc.caller]).read_text()
    of_request = re.search(
        rf"^message {rpc.request_type.name} {{.*?^}}", text, re.MULTILINE | re.DOTALL
    )
    assert of_request is not None
    return _reasons_in(of_request[0])


def _reasons_in(comment: str) -> set[str]:
    return {str(reason) for reason in Reason if re.search(rf"\b{reason}\b", comment)}
