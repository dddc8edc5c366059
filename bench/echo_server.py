"""The process of `bench.echo`: gRPC for Python, set up as the server is, and nothing else."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, Final

import grpc
import uvloop
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tallymark.v1 import terminal_service_pb2
from tallymark_protocol.certificate_request import ClientKey
from tallymark_server.clock import SystemClock
from tallymark_server.garbage import spare_what_stays
from tallymark_server.tls.authority import Authority
from tallymark_server.tls.server_tls import ServerTls

__all__ = ["BYTES", "MESSAGES", "READY", "Answers", "main", "path"]

BYTES: Final = "bench.Bytes"
MESSAGES: Final = "bench.Messages"

READY: Final = "echo at "

Answers = Mapping[str, Mapping[str, bytes]]
"""By kind, as in "sale", and by RPC of TerminalService: serialised answers."""

_SERVICE: Final = terminal_service_pb2.DESCRIPTOR.services_by_name["TerminalService"]


def path(service: str, kind: str, rpc: str) -> str:
    """Return the method's path."""
    return f"/{service}.{kind}/{rpc}"


def main() -> None:
    """Serve until killed."""
    told = json.loads(sys.argv[1])
    uvloop.run(
        _serve(
            {
                kind: {rpc: bytes.fromhex(answer) for rpc, answer in of_kind.items()}
                for kind, of_kind in told.items()
            }
        )
    )


async def _serve(answers: Answers) -> None:
    clock = SystemClock()
    kept: dict[str, bytes] = {}
    authority = Authority.open(lambda name, make: kept.setdefault(name, make()), now=clock.now())
    tls = ServerTls(authority, clock=clock, host_names=["127.0.0.1"])
    server = grpc.aio.server()
    for service, make in ((BYTES, _bytes_handler), (MESSAGES, _messages_handler)):
        for kind, of_kind in answers.items():
            handlers = {rpc: make(rpc, answer) for rpc, answer in of_kind.items()}
            generic = grpc.method_handlers_generic_handler(f"{service}.{kind}", handlers)
            server.add_generic_rpc_handlers([generic])
    port = server.add_secure_port("127.0.0.1:0", tls.credentials(ask_clients=True))
    await server.start()
    spare_what_stays()
    key = ClientKey.generate()
    issued = authority.issue_client(
        key.certificate_request(), kind="terminal", owner_id="gate-1", now=clock.now()
    )
    pair = issued.certificate_pem, key.to_pem().decode()
    print(READY + json.dumps([f"127.0.0.1:{port}", authority.certificates_pem, *pair]), flush=True)
    await asyncio.Event().wait()


def _bytes_handler(_: str, answer: bytes) -> "grpc.RpcMethodHandler[Any, Any]":
    return grpc.unary_unary_rpc_method_handler(_answering(answer))


def _messages_handler(rpc: str, answer: bytes) -> "grpc.RpcMethodHandler[Any, Any]":
    method = _SERVICE.methods_by_name[rpc]
    read = GetMessageClass(method.output_type).FromString
    return grpc.unary_unary_rpc_method_handler(
        _answering(read(answer)),
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )


def _answering(answer: Message | bytes) -> Any:  # noqa: ANN401 -- grpc knows no async handlers
    async def handle(_request: object, _context: object) -> Message | bytes:
        return answer

    return handle
