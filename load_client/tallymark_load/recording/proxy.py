"""A proxy that records any gRPC service without its contracts.

Bytes come in and go out. On the wire a unary call is a stream of one message each way, so every
call is passed on as a stream in both directions: metadata, deadline, messages as they come, status
with its details, trailers, and the caller's giving up.

TLS ends here on both sides. A service that knows its callers by their certificates therefore sees
that of the proxy: record such callers each by a proxy of its own, or by interceptors.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from tallymark_load.recording.events import Opening, Pairs, Status
from tallymark_load.recording.recorder import CallRecord, Recorder

__all__ = ["Proxy"]

UNLIMITED: Final = -1

OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    # What the service takes is for the service to say.
    ("grpc.max_receive_message_length", UNLIMITED),
    ("grpc.max_send_message_length", UNLIMITED),
    # A call that the caller sees fail is recorded as failed.
    ("grpc.enable_retries", 0),
    # Two proxies on one port would share the calls.
    ("grpc.so_reuseport", 0),
)

OWN_KEYS: Final = frozenset(
    {"user-agent", "grpc-accept-encoding", "grpc-encoding", "grpc-previous-rpc-attempts"}
)
"""Metadata that each side of a connection sets by itself."""


class Proxy(grpc.GenericRpcHandler):
    """Passes every call on to one channel, and records it."""

    def __init__(self, upstream: grpc.aio.Channel, recorder: Recorder, *, authority: str) -> None:
        """Take the channel to the service, and its name for the log."""
        self._upstream = upstream
        self._recorder = recorder
        self._authority = authority

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Return what passes a call of this method on."""
        method = handler_call_details.method

        async def relay(
            requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
        ) -> None:
            await self._relay(method, requests, context)

        return grpc.stream_stream_rpc_method_handler(relay)

    async def _relay(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        context: grpc.aio.ServicerContext[bytes, bytes],
    ) -> None:
        metadata = _passed_on(context.invocation_metadata())
        timeout = context.time_remaining()
        record = self._recorder.begin(
            Opening(method, metadata, self._authority, context.peer(), timeout)
        )
        stream: Any = self._upstream.stream_stream(method)
        call = stream(metadata=grpc.aio.Metadata(*metadata), timeout=timeout)
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(_send(requests, call, record))
                await _receive(call, context, record)
                sending.cancel()
            await _end(call, context, record)
        finally:
            # The caller gave up, or its connection broke.
            if not record.is_over:
                record.cancelled()
                call.cancel()


async def _send(requests: AsyncIterator[bytes], call: Any, record: CallRecord) -> None:  # noqa: ANN401 -- a stream of bytes
    """Pass on what the caller sends, until the call ends."""
    try:
        async for body in requests:
            record.sent(body)
            await call.write(body)
        record.half_closed()
        await call.done_writing()
    except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
        # The service has answered before it heard everything; its answer is on its way.
        return


async def _receive(
    call: Any,  # noqa: ANN401 -- the same
    context: grpc.aio.ServicerContext[bytes, bytes],
    record: CallRecord,
) -> None:
    """Pass on what the service sends, until its status has come."""
    try:
        initial = _passed_on(await call.initial_metadata())
        if initial or not call.done():
            record.answered(initial)
            await context.send_initial_metadata(initial)
        while (body := await call.read()) is not grpc.aio.EOF:
            record.received(body)
            await context.write(body)
    except grpc.aio.AioRpcError:
        # Its status is passed on as every other one.
        return
    except asyncio.CancelledError:
        # A status of the service too, unless this task itself was cancelled.
        this = asyncio.current_task()
        if this is None or this.cancelling():
            raise


async def _end(
    call: Any,  # noqa: ANN401 -- the same
    context: grpc.aio.ServicerContext[bytes, bytes],
    record: CallRecord,
) -> None:
    code = await call.code()
    details = await call.details() or ""
    trailers = _passed_on(await call.trailing_metadata())
    record.ended(Status(code.value[0], details, trailers))
    context.set_trailing_metadata(trailers)
    context.set_code(code)
    context.set_details(details)


def _passed_on(metadata: Any) -> Pairs:  # noqa: ANN401 -- pairs, or nothing
    return tuple((key, value) for key, value in metadata or () if key not in OWN_KEYS)
