"""Calls seen from close by: what a failed one carries, and what a store holds around it."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tallymark.v1 import terminal_service_pb2
from tallymark_protocol.command_failures import from_failure
from tallymark_protocol.errors import TallymarkError, from_call, to_status
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.processes import Request
from tallymark_server.domain.state import Key, Row, Rows
from tallymark_server.storage.store import Store
from tallymark_server.storage.tables import all_tables
from tests.world.actor import DEADLINE_SECONDS, Actor

__all__ = [
    "Call",
    "Failure",
    "changed_tables",
    "everything_in",
    "failure_of",
    "journalled",
    "rows_in",
    "send",
]

M = TypeVar("M", bound=Message)

ROWS_MAX = 10_000


class Call(NamedTuple):
    """Who calls what with which request."""

    actor: Actor
    rpc: str
    request: Any


class Failure(NamedTuple):
    """A failed call, as the wire and as the client library show it."""

    status: grpc.StatusCode
    message: str
    trailing: Mapping[str, str | bytes]
    error: TallymarkError

    def detail(self, kind: type[M]) -> M | None:
        """Return the packed detail of this type."""
        packed = self.trailing.get("grpc-status-details-bin", b"")
        assert isinstance(packed, bytes)
        for one in status_pb2.Status.FromString(packed).details:
            found = kind()
            if one.Unpack(found):
                return found
        return None

    @property
    def reason(self) -> str:
        """The reason on the wire; empty if the call failed without one."""
        info = self.detail(error_details_pb2.ErrorInfo)
        return info.reason if info else ""


async def send(call: Call, *, secret: str | None = None, authorization: str | None = None) -> Any:
    """Make the call and return its answer, of a stream the first one.

    The caller's own secret is presented unless another one, or other metadata, is given.
    """
    secret = call.actor.secret if secret is None else secret
    if authorization is None:
        authorization = f"Bearer {secret}" if secret else ""
    metadata = (("authorization", authorization),) if authorization else ()
    method = getattr(call.actor.stub, call.rpc)
    sent = call.request
    if isinstance(sent, terminal_service_pb2.ExchangeRequest):
        sent = [sent]
    under_way = method(sent, metadata=metadata, timeout=DEADLINE_SECONDS)
    if not isinstance(under_way, grpc.aio.UnaryStreamCall | grpc.aio.StreamStreamCall):
        return await under_way
    first = await under_way.read()
    if first is not grpc.aio.EOF:
        under_way.cancel()
        _raise_failure(first)
        return first
    if await under_way.code() is not grpc.StatusCode.OK:
        raise grpc.aio.AioRpcError(
            await under_way.code(),
            await under_way.initial_metadata(),
            await under_way.trailing_metadata(),
            details=await under_way.details(),
        )
    message = f"{call.rpc} streamed nothing"
    raise AssertionError(message)


def _raise_failure(answer: Any) -> None:
    """Let a failed command of a stream look like the call that it stands for."""
    if isinstance(answer, terminal_service_pb2.ExchangeResponse):
        for one in answer.answers:
            if one.HasField("failure"):
                status = rpc_status.to_status(to_status(from_failure(one.failure)))
                trailing = grpc.aio.Metadata(*(status.trailing_metadata or ()))
                raise grpc.aio.AioRpcError(
                    status.code, grpc.aio.Metadata(), trailing, details=status.details
                )


async def failure_of(call: Call, **presented: str | None) -> Failure:
    """Make a call that has to fail; `presented` is as for `send`."""
    try:
        answer = await send(call, **presented)
    except grpc.aio.AioRpcError as error:
        trailing = dict(error.trailing_metadata() or ())
        return Failure(error.code(), error.details() or "", trailing, from_call(error))
    message = f"{call.rpc} succeeded: {answer}"
    raise AssertionError(message)


async def everything_in(store: Store, *, but: Collection[type[Row]] = ()) -> dict[Key[Any], Row]:
    """Return all rows of a small store, except those of some tables."""
    found: dict[Key[Any], Row] = {}
    for table in all_tables():
        if table not in but:
            rows = await store.scan(table, DIRECTORY, limit=ROWS_MAX)
            found.update({row.key: row for row in rows})
    return found


async def rows_in(store: Store) -> dict[Key[Any], Row]:
    """Return what a refused call must leave as it is: all but the memory of requests."""
    return await everything_in(store, but=(Request,))


def changed_tables(before: Rows, after: Rows) -> set[str]:
    """Return the names of the tables in which a row was added, changed or removed."""
    return {
        key.table.table for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    }


async def journalled(store: Store, request_id: str) -> int:
    """Return how many journal entries a request has left."""
    entries = await store.journal(DIRECTORY, after_sequence=0, limit=ROWS_MAX)
    return sum(request_id in entry.record.payload for entry in entries)
