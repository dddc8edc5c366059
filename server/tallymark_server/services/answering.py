"""What every service does alike: give a request its identity, take an answer from the lane."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Answer, RefusedAnswer
from tallymark_server.domain.commands import Caller, Command, RequestKey
from tallymark_server.domain.model.processes import Request
from tallymark_server.domain.state import Key, Row
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.lane import Lane
from tallymark_server.storage.store import Store

__all__ = [
    "decided",
    "first_of_page",
    "is_repeated",
    "load_one",
    "page",
    "refusal",
    "request_key",
]

A = TypeVar("A", bound=Answer)
R = TypeVar("R", bound=Row)


def request_key(
    keyring: Keyring, rpc: str, request: Message, request_id: str, *, but_for: str = "request_id"
) -> RequestKey:
    """Return the identity of a request: its id, and a keyed hash of everything else in it.

    `but_for` names one more field that may differ when the request is repeated.
    """
    body = type(request)()
    body.CopyFrom(request)
    body.ClearField("request_id")
    body.ClearField(but_for)
    return RequestKey(
        rpc=rpc,
        request_id=request_id.lower(),
        fingerprint=keyring.fingerprint(body.SerializeToString(deterministic=True)),
    )


async def is_repeated(store: Store, *, caller: Caller, partition: int, request: RequestKey) -> bool:
    """Say whether this very request was decided before, so that the lane has its answer.

    Whatever the request was checked for before its decision, it need not be checked for again; the
    fingerprint is a keyed hash of all of it.

    Raises:
        Refused: REQUEST_ID_REUSED, because another one was decided under its id.

    """
    key = Request.key_of(partition, request.request_id, request.rpc, caller.name)
    seen = await load_one(store, key)
    if seen is not None and seen.fingerprint != request.fingerprint:
        raise Refused(Reason.REQUEST_ID_REUSED)
    return seen is not None


async def decided(lane: Lane, command: Command, kind: type[A]) -> A:
    """Have a command decided and return its answer of this kind.

    Raises:
        Refused: the answer was no.

    """
    answer = await lane.submit(command)
    if isinstance(answer, RefusedAnswer):
        raise refusal(answer)
    assert isinstance(answer, kind), "each command has one kind of answer"
    return answer


def refusal(answer: RefusedAnswer) -> Refused:
    """Return the answer as the error that the caller gets."""
    metadata: dict[str, Any] = dict(answer.metadata)
    return Refused(Reason(answer.reason), **metadata)


async def load_one(store: Store, key: Key[R]) -> R | None:
    """Return one row."""
    return (await store.load([key]))[key]  # type: ignore[return-value]  # the key's table is the row's class


def first_of_page(token: str, table: type[Row]) -> str:
    """Return the key text that a page of this table starts with; empty for the first page.

    Raises:
        Refused: PAGE_TOKEN_INVALID, for what no list gives out.

    """
    if not token:
        return ""
    try:
        name, _, text = b64decode(token, altchars=b"-_", validate=True).decode().partition("/")
    except ValueError:
        raise Refused(Reason.PAGE_TOKEN_INVALID) from None
    if name != table.table or not text:
        raise Refused(Reason.PAGE_TOKEN_INVALID)
    return text


def page(rows: Sequence[R], size: int) -> tuple[Sequence[R], str]:
    """Return the first `size` rows and the token of the next page.

    One row more was asked for, to see whether there is a next page.
    """
    if len(rows) <= size:
        return rows, ""
    first = rows[size]
    return rows[:size], urlsafe_b64encode(f"{first.table}/{first.text}".encode()).decode()
