"""What a machine serves: handlers and interceptors as grpc.aio has them, without a port."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Never

import grpc
from grpc.aio import AbortError

from tallymark_server.services.interceptors import Interceptor
from tests.simulation.virtual_loop import Life, VirtualLoop

__all__ = ["Answer", "Context", "Handled", "Host", "Trailing"]

Trailing = tuple[tuple[str, str | bytes], ...]
"""Metadata, as names and values."""


class Answer(NamedTuple):
    """How a call ended at its host."""

    code: grpc.StatusCode
    message: bytes = b""
    details: str = ""
    trailing: Trailing = ()


class Handled(NamedTuple):
    """What a handler was asked, and what came of it."""

    answer: Answer
    request: Any = None
    response: Any = None


class _Details(NamedTuple):
    """What interceptors are told of a call, as grpc.HandlerCallDetails."""

    method: str
    invocation_metadata: Trailing


class Context:
    """What a handler is told of its call, as grpc.aio.ServicerContext does."""

    def __init__(
        self, loop: VirtualLoop, peer: str, metadata: Trailing, deadline: float | None
    ) -> None:
        """Take who calls, and until when it waits by the loop's clock."""
        self._loop = loop
        self._peer = peer
        self._metadata = metadata
        self._deadline = deadline
        self.trailing: Trailing = ()
        self.aborted: Answer | None = None

    def peer(self) -> str:
        """Return the caller's address."""
        return f"memory:{self._peer}"

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return nothing: there is no TLS."""
        return {}

    def invocation_metadata(self) -> Trailing:
        """Return what the caller sent along."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Return the seconds until the caller's deadline."""
        return None if self._deadline is None else max(0.0, self._deadline - self._loop.time())

    def set_trailing_metadata(self, trailing: Trailing) -> None:
        """Send this along with the answer."""
        self.trailing = tuple(trailing)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing: Trailing = ()
    ) -> Never:
        """End the call with an error."""
        self.aborted = Answer(code, details=details, trailing=(*self.trailing, *trailing))
        raise AbortError

    async def abort_with_status(self, status: grpc.Status) -> Never:
        """End the call with a status."""
        await self.abort(status.code, status.details, tuple(status.trailing_metadata or ()))


class Host:
    """What a machine serves in one life."""

    def __init__(self, life: Life) -> None:
        """Serve nothing yet."""
        self.life = life
        self.calls: dict[Any, asyncio.Task[None]] = {}
        """Calls under way here by the call and its arrival, in their order."""

        self._handlers: dict[str, Any] = {}
        self._interceptor: Interceptor | grpc.aio.ServerInterceptor | None = None
        self._interceptors: dict[str, grpc.aio.ServerInterceptor] = {}
        life.at_end.append(self._break_off)

    def serve(
        self,
        servicer: object,
        add: Callable[[Any, Any], None],
        interceptor: Interceptor | grpc.aio.ServerInterceptor,
    ) -> None:
        """Serve a servicer; `add` is what was generated for it."""
        self._interceptor = interceptor
        add(servicer, self)

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Take what generated code gives to every server; the registered ones are used."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Take the handlers of a service."""
        assert self._interceptor is not None, "serve was called"
        for name, handler in handlers.items():
            method = f"/{service}/{name}"
            if isinstance(self._interceptor, Interceptor):
                self._handlers[method] = self._interceptor.wrap(handler, method)
            else:
                self._handlers[method] = handler
                self._interceptors[method] = self._interceptor

    async def handler(self, method: str, metadata: Trailing) -> Any:
        """Return the handler of a method, with its interceptor around it."""
        interceptor = self._interceptors.get(method)
        if interceptor is None:
            return self._handlers[method]

        async def continuation(_: object) -> Any:
            return self._handlers[method]

        details: Any = _Details(method, metadata)
        return await interceptor.intercept_service(continuation, details)

    def _break_off(self) -> None:
        for call, _ in self.calls:
            call.break_off()
