"""Connections to the server of a cast, for what is not measured; all closed together."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import grpc

from tallymark.v1.customer_service_pb2_grpc import CustomerServiceStub
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_load.cast.members import Cast
from tallymark_protocol.tls import ClientIdentity, open_channel

__all__ = ["Lines"]

_OPTIONS: Final = (("grpc.enable_http_proxy", 0),)


class Lines:
    """Opens connections while its context lasts."""

    def __init__(self, cast: Cast) -> None:
        """Take whose server it is; its ports become known while members enrol."""
        self._cast = cast
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what was opened."""
        await self._open.aclose()

    def phones(self) -> CustomerServiceStub:
        """Return how phones call."""
        return CustomerServiceStub(self._channel(self._cast.server.phones))

    def enrolling_terminals(self) -> TerminalServiceStub:
        """Return how terminals call that have no certificate yet."""
        return TerminalServiceStub(self._channel(self._cast.server.phones))

    def enrolling_operators(self) -> OperatorServiceStub:
        """Return how operators call that have no certificate yet."""
        return OperatorServiceStub(self._channel(self._cast.server.phones))

    def operators(self, identity: ClientIdentity, address: str = "") -> OperatorServiceStub:
        """Return how an operator calls."""
        return OperatorServiceStub(self._channel(address or self._cast.server.operators, identity))

    def terminals(self, identity: ClientIdentity) -> TerminalServiceStub:
        """Return how a terminal calls."""
        return TerminalServiceStub(self._channel(self._cast.server.terminals, identity))

    def _channel(self, address: str, identity: ClientIdentity | None = None) -> grpc.aio.Channel:
        channel = open_channel(
            address,
            ca_certificates_pem=self._cast.server.ca_certificates_pem,
            identity=identity,
            options=_OPTIONS,
        )
        self._open.push_async_callback(channel.close)
        return channel
