"""Calls that ghz can make, and the files that tell it how (github.com/bojand/ghz).

ghz makes calls of one RPC with one set of credentials, and takes nothing out of an answer. So what
is exported are calls of one member of the cast that stand for themselves. A scan needs a code that
nobody has claimed: codes are issued right before, live for a minute, and the codes of a customer
die when one of them is claimed, so there is one scan for each customer. A sale that somebody would
have to complete is left out, because ghz would leave it open.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tallymark.v1 import customer_service_pb2, terminal_service_pb2
from tallymark_load.cast import MEMBER_KEY, Cast

__all__ = ["METHODS", "CannotExport", "Exported", "Method", "write_files"]

_OWNER_ONLY: Final = 0o600
_FOLDER_OF_OWNER: Final = 0o700


class CannotExport(Exception):
    """There is nothing that ghz could send. The message says why, and what can be done."""


class Method(NamedTuple):
    """An RPC whose calls stand for themselves."""

    service: str
    request: type[Message]

    @property
    def is_of_phones(self) -> bool:
        """Whether phones call it, and not terminals."""
        return self.service == "CustomerService"


METHODS: Final = {
    "ResolveCode": Method("TerminalService", terminal_service_pb2.ResolveCodeRequest),
    "GetTag": Method("TerminalService", terminal_service_pb2.GetTagRequest),
    "ListVerificationKeys": Method(
        "TerminalService", terminal_service_pb2.ListVerificationKeysRequest
    ),
    "IssueCode": Method("CustomerService", customer_service_pb2.IssueCodeRequest),
    "GetWallet": Method("CustomerService", customer_service_pb2.GetWalletRequest),
    "ListProcesses": Method("CustomerService", customer_service_pb2.ListProcessesRequest),
}


@dataclass(slots=True, kw_only=True)
class Exported:
    """Requests of one RPC by one member, and why others were left out."""

    name: str
    member: str
    requests: list[Message] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def write_files(
    exported: Exported, cast: Cast, folder: Path, *, concurrency: int, rate: float
) -> Path:
    """Write what ghz needs into a folder for its owner alone; return the path of the config.

    The data hold codes, and the config a session or the path of a key.
    """
    folder.mkdir(mode=_FOLDER_OF_OWNER, parents=True, exist_ok=True)
    folder = folder.resolve()
    method = METHODS[exported.name]
    config: dict[str, Any] = {
        "protoset": _write(folder / "tallymark.protoset", _descriptors()),
        "call": f"tallymark.v1.{method.service}.{exported.name}",
        "data-file": _write(folder / f"{exported.name}.data.json", _data(exported)),
        "disable-template-data": True,
        "metadata": {MEMBER_KEY: exported.member},
        "total": len(exported.requests),
        "concurrency": min(concurrency, len(exported.requests)),
        "timeout": "30s",
    }
    if rate:
        config["rps"] = round(rate)
    if cast.server.ca_certificates_pem:
        text = cast.server.ca_certificates_pem.encode()
        config["cacert"] = _write(folder / "ca.pem", text)
    if method.is_of_phones:
        config["host"] = cast.server.phones
        config["metadata"].update(dict(cast.customers[exported.member].credentials))
    else:
        identity = cast.terminals[exported.member].identity
        config["host"] = cast.server.terminals
        certificate = identity.certificate_pem.encode()
        config["cert"] = _write(folder / f"{exported.member}.pem", certificate)
        key = identity.private_key_pem.encode()
        config["key"] = _write(folder / f"{exported.member}.key.pem", key)
    path = folder / f"{exported.name}.ghz.json"
    _write(path, json.dumps(config, indent=2).encode() + b"\n")
    return path


def _data(exported: Exported) -> bytes:
    rows = [MessageToDict(request) for request in exported.requests]
    return json.dumps(rows, indent=1).encode()


def _descriptors() -> bytes:
    """Return the contracts with all that they import, each file after those that it needs."""
    found = FileDescriptorSet()
    seen: set[str] = set()
    for module in (customer_service_pb2, terminal_service_pb2):
        for file in _with_imports(module.DESCRIPTOR, seen):
            copy = FileDescriptorProto()
            file.CopyToProto(copy)
            found.file.append(copy)
    return found.SerializeToString()


def _with_imports(file: FileDescriptor, seen: set[str]) -> Iterator[FileDescriptor]:
    if file.name in seen:
        return
    seen.add(file.name)
    for needed in file.dependencies:
        yield from _with_imports(needed, seen)
    yield file


def _write(path: Path, content: bytes) -> str:
    """Write a file that only its owner may read, and return its path."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return str(path)
