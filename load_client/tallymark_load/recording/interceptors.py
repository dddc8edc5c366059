"""Interceptors of grpc.aio that record the calls of a client.

    with LogWriter(path) as writer, Recorder(writer, Redaction()) as recorder:
        channel = grpc.aio.secure_channel(..., interceptors=recording_interceptors(recorder))

Give them last, so that they see calls as they go out.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import Message

from tallymark_load.recording.events import Opening, Pairs, Status
from tallymark_load.recording.recorder import CallRecord, Recorder

__all__ = ["recording_interceptors"]

Request = TypeVar("Request")
Details = grpc.aio.ClientCallDetails
Continuation = Callable[[Details, Any], Any]
"""Returns the call, once awaited."""


def recording_interceptors(recorder: Recorder) -> Sequence[grpc.aio.ClientInterceptor]:
    """Return an interceptor for each of the four kinds of calls.

    Messages are recorded as they are serialised: Protobuf messages, or bytes.
    """
    return (
        _UnaryUnary(recorder),
        _UnaryStream(recorder),
        _StreamUnary(recorder),
        _StreamStream(recorder),
    )


class _Recording:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._watching: set[asyncio.Task[None]] = set()

    def _begin(self, details: Details) -> CallRecord:
        # Bytes, whatever its types say.
        method = cast("str | bytes", details.method)
        return self._recorder.begin(
            Opening(
                method=method.decode() if isinstance(method, bytes) else method,
                metadata=_pairs(details.metadata),
                timeout_seconds=details.timeout,
            )
        )


class _UnaryUnary(_Recording, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self,
        continuation: Continuation,
        client_call_details: Details,
        request: Any,  # noqa: ANN401 -- of any service
    ) -> Any:  # noqa: ANN401 -- the same
        record = self._begin(client_call_details)
        record.sent(_body(request))
        record.half_closed()
        call = await continuation(client_call_details, request)
        await _watch(call, record)
        return call


class _StreamUnary(_Recording, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self,
        continuation: Continuation,
        client_call_details: Details,
        request_iterator: AsyncIterable[Request] | Iterable[Request],
    ) -> Any:  # noqa: ANN401 -- the same
        record = self._begin(client_call_details)
        call = await continuation(client_call_details, _sent(request_iterator, record))
        # Requests are read only after this has returned, so the answer cannot be awaited here.
        watching = asyncio.get_running_loop().create_task(_watch(call, record))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        return call


class _UnaryStream(_Recording, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self,
        continuation: Continuation,
        client_call_details: Details,
        request: Any,  # noqa: ANN401 -- the same
    ) -> Any:  # noqa: ANN401 -- the same
        record = self._begin(client_call_details)
        record.sent(_body(request))
        record.half_closed()
        return _received(await continuation(client_call_details, request), record)


class _StreamStream(_Recording, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self,
        continuation: Continuation,
        client_call_details: Details,
        request_iterator: AsyncIterable[Request] | Iterable[Request],
    ) -> Any:  # noqa: ANN401 -- the same
        record = self._begin(client_call_details)
        sent = _sent(request_iterator, record)
        return _received(await continuation(client_call_details, sent), record)


async def _watch(call: Any, record: CallRecord) -> None:  # noqa: ANN401 -- a call with one answer
    """Record the answer; whoever made the call gets it, or its error, from the call itself."""
    try:
        response = await call
        record.answered(_pairs(await call.initial_metadata()))
        record.received(_body(response))
        record.ended(await _status(call))
    except grpc.aio.AioRpcError as failed:
        record.ended(_status_of(failed))
    except asyncio.CancelledError:
        record.cancelled()
        if not call.cancelled():
            call.cancel()
            raise


async def _sent(
    requests: AsyncIterable[Request] | Iterable[Request], record: CallRecord
) -> AsyncIterator[Request]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            record.sent(_body(request))
            yield request
    else:
        for request in requests:
            record.sent(_body(request))
            yield request
    record.half_closed()


def _received(call: Any, record: CallRecord) -> AsyncIterator[Any]:  # noqa: ANN401 -- a call with many answers
    call.add_done_callback(lambda ended: record.cancelled() if ended.cancelled() else None)
    return _received_from(call, record)


async def _received_from(call: Any, record: CallRecord) -> AsyncIterator[Any]:  # noqa: ANN401 -- the same
    try:
        record.answered(_pairs(await call.initial_metadata()))
        async for response in call:
            record.received(_body(response))
            yield response
        record.ended(await _status(call))
    except grpc.aio.AioRpcError as failed:
        record.ended(_status_of(failed))
        raise
    except asyncio.CancelledError:
        record.cancelled()
        raise


async def _status(call: Any) -> Status:  # noqa: ANN401 -- a call that has ended
    code = await call.code()
    return Status(code.value[0], await call.details() or "", _pairs(await call.trailing_metadata()))


def _status_of(failed: grpc.aio.AioRpcError) -> Status:
    return Status(
        failed.code().value[0], failed.details() or "", _pairs(failed.trailing_metadata())
    )


def _body(message: Any) -> bytes:  # noqa: ANN401 -- a message, or its bytes
    return message.SerializeToString() if isinstance(message, Message) else bytes(message)


def _pairs(metadata: Any) -> Pairs:  # noqa: ANN401 -- pairs, or nothing
    return tuple((key, value) for key, value in metadata or ())
