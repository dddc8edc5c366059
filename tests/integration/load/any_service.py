"""A service without a contract, with every kind of call; messages are bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.rpc.code_pb2 import RESOURCE_EXHAUSTED
from google.rpc.status_pb2 import Status

SERVICE = "/any.v1.AnyService"

DETAILS = Status(code=RESOURCE_EXHAUSTED, message="too much").SerializeToString()


class AnyService(grpc.GenericRpcHandler):
    """Remembers what callers sent along, and whether one gave up."""

    def __init__(self) -> None:
        self.metadata: list[tuple[str, Any]] = []
        self.remaining_seconds: float | None = None
        self.begun = asyncio.Event()
        self.given_up = asyncio.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        name = handler_call_details.method.rpartition("/")[2]
        makers: dict[str, Any] = {
            "Shout": grpc.unary_unary_rpc_method_handler,
            "Fail": grpc.unary_unary_rpc_method_handler,
            "Withdraw": grpc.unary_unary_rpc_method_handler,
            "Wait": grpc.unary_unary_rpc_method_handler,
            "Count": grpc.unary_stream_rpc_method_handler,
            "Join": grpc.stream_unary_rpc_method_handler,
            "Echo": grpc.stream_stream_rpc_method_handler,
            "Interrupt": grpc.stream_stream_rpc_method_handler,
        }
        return makers[name](getattr(self, f"_{name.lower()}")) if name in makers else None

    async def _shout(self, request: bytes, context: Any) -> bytes:
        self.metadata = list(context.invocation_metadata())
        self.remaining_seconds = context.time_remaining()
        await context.send_initial_metadata((("early", "bird"),))
        context.set_trailing_metadata((("late", "owl"), ("late-bin", b"\xff\x00")))
        return request.upper()

    async def _fail(self, _: bytes, context: Any) -> bytes:
        await context.abort(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "too much",
            (("grpc-status-details-bin", DETAILS), ("late", "owl")),
        )
        return b""

    async def _withdraw(self, _: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.CANCELLED, "the service changed its mind")
        return b""

    async def _wait(self, _: bytes, __: Any) -> bytes:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.given_up.set()
            raise
        return b""

    async def _count(self, request: bytes, _: Any) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            yield str(number).encode()

    async def _join(self, requests: AsyncIterator[bytes], _: Any) -> bytes:
        return b"+".join([request async for request in requests])

    async def _echo(self, requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    async def _interrupt(self, requests: AsyncIterator[bytes], context: Any) -> None:
        async for request in requests:
            await context.write(request)
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "enough")


@asynccontextmanager
async def listening(
    handler: grpc.GenericRpcHandler, options: tuple[tuple[str, Any], ...] = ()
) -> AsyncIterator[str]:
    """Serve in plain text, and give the address."""
    server = grpc.aio.server(handlers=[handler], options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


class Caller:
    """Calls the service in each of the four ways, with bytes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel: Any = channel

    async def shout(self, request: bytes, **options: Any) -> Any:
        call = self._channel.unary_unary(f"{SERVICE}/Shout")(request, **options)
        await call
        return call

    def unary(self, name: str) -> Any:
        return self._channel.unary_unary(f"{SERVICE}/{name}")

    async def count(self, number: int) -> list[bytes]:
        call = self._channel.unary_stream(f"{SERVICE}/Count")(str(number).encode())
        return [answer async for answer in call]

    async def join(self, *requests: bytes) -> bytes:
        return bytes(await self._channel.stream_unary(f"{SERVICE}/Join")(iter(requests)))

    def stream(self, name: str) -> Any:
        return self._channel.stream_stream(f"{SERVICE}/{name}")()
