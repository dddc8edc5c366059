"""Every call to the server: one method each, values in and values out.

Messages of the contract, the terminal's secret and deadlines are nowhere else. What a call can
raise, see `tallymark_protocol.errors`: `Refused` is an answer and final for its request_id;
`UnknownOutcome` (and its kind `NotDone`) means that the same call must be made again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypeVar

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tallymark.v1 import key_pb2, terminal_service_pb2, terminal_service_pb2_grpc
from tallymark_protocol.code_keys import VerificationKey, VerificationKeys
from tallymark_protocol.errors import from_call
from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.answer_messages import (
    completion_value,
    knowledge_value,
    process_value,
    reversal_value,
)
from tallymark_terminal.identification import Identification, ProcessReference, TelephoneNumber
from tallymark_terminal.processes import Completion, Knowledge, Process, Reversal
from tallymark_terminal.request_messages import reference_message, resolve_message
from tallymark_terminal.server_clock import ServerTime

__all__ = ["Enrolment", "KeyTable", "ServerConnection"]

CALL_DEADLINE_SECONDS: Final = 5.0
"""For every call but ResolveCode. What took longer is unknown and is asked again."""

RESOLVE_WAIT_SECONDS: Final = 5.0
"""How long the server may wait for a decision before it answers with the state so far."""

DIGITS_WAIT_SECONDS: Final = 0.001
"""The same after a telephone number: the customer needs the digits before anything is decided."""

RESOLVE_DEADLINE_SECONDS: Final = RESOLVE_WAIT_SECONDS + 3.0
"""The wait, and the way there and back."""

_CHANNEL_OPTIONS: Final = (
    # A terminal speaks to its own server; a proxy for web pages has no part in it.
    ("grpc.enable_http_proxy", 0),
    # After a broken connection: try soon, and never so seldom that the customer leaves.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """Who the terminal is, and the secret that proves it."""

    terminal_id: str
    merchant_id: str
    merchant_name: str
    terminal_secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyTable:
    """What it takes to check a code without asking."""

    keys: tuple[VerificationKey, ...]
    epoch: int
    read_at: ServerTime

    @property
    def by_number(self) -> VerificationKeys:
        """The keys as the code format takes them."""
        return VerificationKeys(self.keys)


_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class ServerConnection:
    """A channel to the server; use it as an async context manager, inside the running loop."""

    def __init__(
        self, server: str, *, terminal_secret: str | None, steady: Callable[[], float]
    ) -> None:
        """Take HOST:PORT, the secret (None before enrolment) and a clock that never goes back."""
        self._channel = grpc.aio.insecure_channel(server, options=_CHANNEL_OPTIONS)
        self._stub = terminal_service_pb2_grpc.TerminalServiceStub(self._channel)
        self._metadata = grpc.aio.Metadata()
        if terminal_secret is not None:
            self._metadata.add("authorization", f"Bearer {terminal_secret}")
        self._steady = steady

    async def __aenter__(self) -> Self:
        """Return the connection; it connects with the first call."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        await self._channel.close()

    async def enrol(self, *, request_id: str, enrolment_code: str) -> Enrolment:
        """Exchange the operator's one-time code for the terminal's secret."""
        answer = await self._call(
            self._stub.Enroll,
            terminal_service_pb2.EnrollRequest(
                request_id=request_id, enrolment_code=enrolment_code
            ),
        )
        return Enrolment(
            terminal_id=answer.terminal_id,
            merchant_id=answer.merchant_id,
            merchant_name=answer.merchant_name,
            terminal_secret=answer.terminal_secret,
        )

    async def list_verification_keys(self) -> KeyTable:
        """Read keys, epoch and the server's time."""
        sent_at = self._steady()
        answer = await self._call(
            self._stub.ListVerificationKeys, terminal_service_pb2.ListVerificationKeysRequest()
        )
        half_trip_seconds = (self._steady() - sent_at) / 2
        # A key of another algorithm cannot have signed a code that this version understands.
        ed25519 = [
            key for key in answer.keys if key.public_key.algorithm == key_pb2.KEY_ALGORITHM_ED25519
        ]
        return KeyTable(
            keys=tuple(_key_value(key) for key in ed25519),
            epoch=answer.epoch,
            read_at=ServerTime(
                server_seconds=answer.server_time.ToNanoseconds() / 1e9,
                steady_seconds=sent_at + half_trip_seconds,
                uncertainty_seconds=half_trip_seconds,
            ),
        )

    async def resolve_code(
        self, *, request_id: str, identification: Identification, request: SaleRequest
    ) -> Process:
        """Ask what to do; the same values again are the same request."""
        has_digits = isinstance(identification, TelephoneNumber)
        wait_seconds = DIGITS_WAIT_SECONDS if has_digits else RESOLVE_WAIT_SECONDS
        message = resolve_message(
            request_id=request_id,
            identification=identification,
            request=request,
            wait_milliseconds=int(wait_seconds * 1000),
        )
        answer = await self._call(
            self._stub.ResolveCode, message, deadline_seconds=RESOLVE_DEADLINE_SECONDS
        )
        return process_value(answer.process)

    async def get_process(self, reference: ProcessReference) -> Knowledge:
        """Ask what the server knows of a process."""
        message = terminal_service_pb2.GetProcessRequest(reference=reference_message(reference))
        return knowledge_value(await self._call(self._stub.GetProcess, message))

    async def complete_process(self, *, request_id: str, reference: ProcessReference) -> Completion:
        """Report that the instructions were executed."""
        message = terminal_service_pb2.CompleteProcessRequest(
            request_id=request_id, reference=reference_message(reference)
        )
        return completion_value(await self._call(self._stub.CompleteProcess, message))

    async def reverse_process(
        self, *, request_id: str, reference: ProcessReference, note: str
    ) -> Reversal:
        """Give a process up, or take a completed one back."""
        message = terminal_service_pb2.ReverseProcessRequest(
            request_id=request_id, reference=reference_message(reference), note=note
        )
        return reversal_value(await self._call(self._stub.ReverseProcess, message))

    async def update_points(
        self, *, request_id: str, reference: ProcessReference, version: int, new_balance: int
    ) -> Process:
        """Report the balance that the points account is to have."""
        message = terminal_service_pb2.UpdatePointsRequest(
            request_id=request_id,
            reference=reference_message(reference),
            version=version,
            new_balance=new_balance,
        )
        answer = await self._call(self._stub.UpdatePoints, message)
        return process_value(answer.process)

    async def _call(
        self,
        call: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        *,
        deadline_seconds: float = CALL_DEADLINE_SECONDS,
    ) -> _Response:
        """Make one call: with the secret, with a deadline, and with the errors of Tallymark."""
        try:
            return await call(request, timeout=deadline_seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None


def _key_value(message: key_pb2.VerificationKey) -> VerificationKey:
    return VerificationKey(
        key_id=message.key_id,
        public_key=Ed25519PublicKey.from_public_bytes(message.public_key.key_bytes),
        valid_from_seconds=message.valid_from.seconds,
        valid_until_seconds=message.valid_until.seconds,
    )
