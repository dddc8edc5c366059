"""The line to the server: mutual TLS, one deadline for each call, the errors of Tallymark.

The certificate on it can be replaced while calls are under way: these end on the old connection,
and the next ones begin on the new one.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import grpc

from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_protocol.errors import from_call
from tallymark_protocol.tls import ClientIdentity, open_channel
from tallymark_protocol.witness import WITNESS_KEY, NewestWitness

__all__ = ["CALL_DEADLINE_SECONDS", "CHECKPOINT_KEY", "SecureLine"]

CALL_DEADLINE_SECONDS: Final = 5.0
"""For every call but ResolveCode. What took longer is unknown and is asked again."""

CHECKPOINT_KEY: Final = "tallymark-checkpoint"
"""Key in the trailing metadata of every answer, see checkpoint.proto."""

_CHANNEL_OPTIONS: Final = (
    # A terminal speaks to its own server; a proxy for web pages has no part in it.
    ("grpc.enable_http_proxy", 0),
    # After a broken connection: try soon, and never so seldom that the customer leaves.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


@dataclass(kw_only=True, slots=True)
class _Connection:
    """A channel with the calls that are under way on it."""

    channel: grpc.aio.Channel
    stub: TerminalServiceStub
    calls: int = 0


class Answered(NamedTuple, Generic[_Response]):
    """An answer, and the short checkpoint that came with it; "" if none did."""

    message: _Response
    checkpoint: str


class SecureLine:
    """Makes calls to one server."""

    def __init__(
        self,
        server: str,
        *,
        ca_certificates_pem: str,
        identity: ClientIdentity | None,
        hear: Callable[[str], None],
        witness: NewestWitness,
    ) -> None:
        """Take HOST:PORT, whom to trust, what to present, who hears of checkpoints, the witness."""
        self._witness = witness
        self._server = server
        self._hear = hear
        self._connection = self._connect(ca_certificates_pem, identity)

    async def present(self, identity: ClientIdentity, *, ca_certificates_pem: str) -> None:
        """Use another certificate from the next call on; calls under way are not disturbed."""
        before = self._connection
        self._connection = self._connect(ca_certificates_pem, identity)
        await self._close_if_left(before)

    async def close(self) -> None:
        """Hang up."""
        await self._connection.channel.close()

    async def call(
        self,
        choose: Callable[
            [TerminalServiceStub], grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]
        ],
        request: _Request,
        *,
        deadline_seconds: float = CALL_DEADLINE_SECONDS,
    ) -> Answered[_Response]:
        """Make the call that `choose` picks; raises TallymarkError."""
        connection = self._connection
        connection.calls += 1
        try:
            call = choose(connection.stub)(
                request, timeout=deadline_seconds, metadata=self._witness.metadata
            )
            message = await call
            return Answered(message, self._heard(await call.trailing_metadata()))
        except grpc.aio.AioRpcError as error:
            self._heard(error.trailing_metadata())
            raise from_call(error) from None
        finally:
            connection.calls -= 1
            await self._close_if_left(connection)

    @asynccontextmanager
    async def exchange(self) -> AsyncIterator[grpc.aio.StreamStreamCall[Any, Any]]:
        """Open a stream of commands, which ends with the context; raises TallymarkError."""
        connection = self._connection
        connection.calls += 1
        call = connection.stub.Exchange(metadata=self._witness.metadata)
        try:
            yield call
        except grpc.aio.AioRpcError as error:
            self._heard(error.trailing_metadata())
            raise from_call(error) from None
        finally:
            call.cancel()
            connection.calls -= 1
            await self._close_if_left(connection)

    def heard(self, checkpoint: str, witness: str) -> None:
        """Take in what came with an answer on a stream."""
        self._heard([(CHECKPOINT_KEY, checkpoint), (WITNESS_KEY, witness)])

    async def _close_if_left(self, connection: _Connection) -> None:
        """Close a connection that was replaced, once its last call has ended."""
        if connection is not self._connection and connection.calls == 0:
            await connection.channel.close()

    def _connect(self, ca_certificates_pem: str, identity: ClientIdentity | None) -> _Connection:
        """Open a channel; it connects with its first call."""
        channel = open_channel(
            self._server,
            ca_certificates_pem=ca_certificates_pem,
            identity=identity,
            options=_CHANNEL_OPTIONS,
        )
        return _Connection(channel=channel, stub=TerminalServiceStub(channel))

    def _heard(self, trailing: Iterable[tuple[str, str | bytes]] | None) -> str:
        """Pass checkpoint and witness on, and return the checkpoint."""
        checkpoint = ""
        for key, value in trailing or ():
            if key == CHECKPOINT_KEY and isinstance(value, str):
                checkpoint = value
                self._hear(value)
            elif key == WITNESS_KEY and isinstance(value, str):
                self._witness.hear(value)
        return checkpoint
