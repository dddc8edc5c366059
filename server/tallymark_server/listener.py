"""One gRPC server on one port, with health and reflection beside its services."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE_NAME
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from tallymark_server.services.interceptors import Interceptor

__all__ = ["GRACE_SECONDS", "Listener"]

GRACE_SECONDS: Final = 10.0
"""How long calls under way may take when the server is told to stop."""

_OPTIONS: Final = [
    ("grpc.so_reuseport", 0),  # a port in use is an error, not a second server on it
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A phone that lost its network must not keep its streams counted for long.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Calls that arrived and were not looked at yet. Beyond the first number gRPC cancels some by
    # chance, beyond the second all, without a word; unless told otherwise, from 1,000 on. The
    # entrance says when to come again: phones that all come back at once must get as far as that.
    ("grpc.server.max_pending_requests", 5_000),
    ("grpc.server.max_pending_requests_hard_limit", 10_000),
]


class Listener:
    """Serves on one address. The port is known once it has started."""

    def __init__(
        self,
        interceptor: Interceptor,
        *,
        credentials: grpc.ServerCredentials | None,
        request_bytes_max: int,
    ) -> None:
        """Take what is around every call, what TLS shows (None: plain text), and a bound."""
        self._interceptor = interceptor
        self._credentials = credentials
        options = [*_OPTIONS, ("grpc.max_receive_message_length", request_bytes_max)]
        self.server = grpc.aio.server(options=options)
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        self._service_names: list[str] = []
        self.port = 0

    def serve(
        self,
        service: ServiceDescriptor,
        servicer: object,
        add: Callable[[Any, grpc.aio.Server], None],
    ) -> None:
        """Serve all of a service; `add` is what was generated for it."""
        add(servicer, _Wrapping(self.server, self._interceptor))  # type: ignore[arg-type]  # what `add` needs of one
        self._service_names.append(service.full_name)

    def serve_one(
        self,
        service: ServiceDescriptor,
        rpc: str,
        handle: Any,  # noqa: ANN401 -- the types of grpc know no async handlers
    ) -> None:
        """Serve a single RPC of a service, which as a whole is served on another port."""
        method = service.methods_by_name[rpc]
        handler = grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
        self.server.add_generic_rpc_handlers(
            (self._interceptor.door(service.full_name, {rpc: handler}),)
        )
        self._service_names.append(service.full_name)

    async def start(self, address: str) -> None:
        """Serve on HOST:PORT; port 0 takes a free one."""
        reflected = [*self._service_names, HEALTH_SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(reflected, self.server)
        try:
            if self._credentials is None:
                self.port = self.server.add_insecure_port(address)
            else:
                self.port = self.server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            message = f"{address} cannot be listened on. Is the port in use, or the host not here?"
            raise RuntimeError(message) from error
        await self.server.start()
        for name in ("", *self._service_names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Tell the load balancers, let the calls under way end, refuse new ones."""
        await self._health.enter_graceful_shutdown()
        await self._interceptor.close()
        await self.server.stop(GRACE_SECONDS)


class _Wrapping:
    """Stands in for a server while a service is added, and wraps each of its handlers."""

    def __init__(self, server: grpc.aio.Server, interceptor: Interceptor) -> None:
        self._server = server
        self._interceptor = interceptor

    def add_generic_rpc_handlers(self, _: object) -> None:
        """Leave them out: the same handlers come by their names, too."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
    ) -> None:
        door = self._interceptor.door(service, handlers)
        self._server.add_generic_rpc_handlers((door,))
