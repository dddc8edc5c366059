"""What is known of the methods that were recorded: which side streams, and the messages' types.

The contracts of Tallymark are built in. Those of other services come from a descriptor set (`buf
build -o`, `protoc --descriptor_set_out`) or from a server's reflection. A method that nobody knows
is replayed all the same, its messages as bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError, Message
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

# Loading these registers the contracts of Tallymark.
from tallymark.v1 import (
    credit_institution_service_pb2,
    customer_service_pb2,
    operator_service_pb2,
    terminal_service_pb2,
)
from tallymark_load.connections import Route

__all__ = ["Contracts", "Method", "UnusableContracts", "parsed", "pool_of_file", "pool_of_server"]

_BUILT_IN: Final = (
    credit_institution_service_pb2,
    customer_service_pb2,
    operator_service_pb2,
    terminal_service_pb2,
)


class UnusableContracts(Exception):
    """A descriptor set cannot be read; the message says which, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method; without types nobody knows it, and it may be of any kind."""

    path: str
    client_streams: bool
    server_streams: bool
    request: type[Message] | None = None
    response: type[Message] | None = None

    @property
    def kind(self) -> str:
        """Return the kind in words."""
        if self.request is None:
            return "unknown"
        if self.client_streams:
            return "bidirectional" if self.server_streams else "client streaming"
        return "server streaming" if self.server_streams else "unary"

    @property
    def is_unary(self) -> bool:
        """Whether it is one message each way for sure."""
        return not self.client_streams and not self.server_streams


class Contracts:
    """Finds methods in one pool of descriptors after the other."""

    def __init__(self, pools: Iterable[descriptor_pool.DescriptorPool] = ()) -> None:
        """Take pools beside what is built in."""
        self._pools = [descriptor_pool.Default(), *pools]
        self._methods: dict[str, Method] = {}

    def method(self, path: str) -> Method:
        """Return what is known of a method by its path, "/package.Service/Method".

        One that is not known streams both ways: on the wire that holds every other kind.
        """
        if path not in self._methods:
            self._methods[path] = self._find(path)
        return self._methods[path]

    def _find(self, path: str) -> Method:
        service, _, name = path.removeprefix("/").partition("/")
        for pool in self._pools:
            try:
                return _known(path, pool.FindMethodByName(f"{service}.{name}"))
            except KeyError:
                continue
        return Method(path=path, client_streams=True, server_streams=True)


def pool_of_file(path: Path) -> descriptor_pool.DescriptorPool:
    """Return the descriptors of a file with a FileDescriptorSet.

    Raises:
        UnusableContracts: there is no such file, it is none, or it lacks what it imports.

    """
    try:
        files = FileDescriptorSet.FromString(path.read_bytes())
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.AddSerializedFile(file.SerializeToString())
    except (OSError, DecodeError, TypeError) as error:
        message = (
            f"{path} is no descriptor set with its imports; make one with `buf build -o` or"
            " `protoc --include_imports --descriptor_set_out`"
        )
        raise UnusableContracts(message) from error
    return pool


def pool_of_server(route: Route, ca_pem: str, *, is_plain: bool) -> descriptor_pool.DescriptorPool:
    """Return the descriptors that a server tells of by reflection, each asked for when needed.

    Its connection stays open, and blocks while it is asked: use it before the first call.
    """
    if is_plain:
        channel = grpc.insecure_channel(route.address)
    else:
        identity = route.identity
        credentials = grpc.ssl_channel_credentials(
            root_certificates=ca_pem.encode() or None,
            private_key=identity.private_key_pem.encode() if identity else None,
            certificate_chain=identity.certificate_pem.encode() if identity else None,
        )
        channel = grpc.secure_channel(route.address, credentials)
    return descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))


def _known(path: str, method: MethodDescriptor) -> Method:
    return Method(
        path=path,
        client_streams=method.client_streaming,
        server_streams=method.server_streaming,
        request=message_factory.GetMessageClass(method.input_type),
        response=message_factory.GetMessageClass(method.output_type),
    )


def parsed(kind: type[Message] | None, body: bytes) -> Message | None:
    """Return the message of some bytes; None: its type is not known, or they are not of it."""
    try:
        return kind.FromString(body) if kind is not None else None
    except DecodeError:
        return None
