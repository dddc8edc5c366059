"""A service of somebody else: talks on a stream, with whoever shows the ticket that it gave."""

from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

__all__ = ["CHAT", "RULES", "ChatService", "Line", "contract_file"]

CHAT = "/chat.v1.ChatService/Chat"

RULES = """
[[value]]
kind = "ticket"
fields = ["chat.v1.Line.ticket"]
"""


def _contract() -> FileDescriptorSet:
    files = FileDescriptorSet()
    file = files.file.add(name="chat/v1/chat.proto", package="chat.v1", syntax="proto3")
    line = file.message_type.add(name="Line")
    for number, name in enumerate(("ticket", "text"), 1):
        line.field.add(
            name=name,
            number=number,
            type=FieldDescriptorProto.TYPE_STRING,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
        )
    service = file.service.add(name="ChatService")
    service.method.add(
        name="Chat",
        input_type=".chat.v1.Line",
        output_type=".chat.v1.Line",
        client_streaming=True,
        server_streaming=True,
    )
    return files


def _line() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in _contract().file:
        pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("chat.v1.Line"))


Line: Any = _line()


def contract_file(folder: Path) -> Path:
    """Write the contract as a descriptor set."""
    path = folder / "chat.binpb"
    path.write_bytes(_contract().SerializeToString())
    return path


class ChatService(grpc.GenericRpcHandler):
    """Gives each stream a ticket, and repeats what is said with it; remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        if handler_call_details.method != CHAT:
            return None
        return grpc.stream_stream_rpc_method_handler(
            self._chat,
            request_deserializer=Line.FromString,
            response_serializer=Line.SerializeToString,
        )

    async def _chat(self, lines: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        ticket = token_hex(8)
        async for line in lines:
            self.heard.append(line.text)
            if line.text.startswith("hello"):
                yield Line(ticket=ticket)
            elif line.ticket != ticket:
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, "who are you?")
            else:
                yield Line(ticket=ticket, text=line.text.upper())
