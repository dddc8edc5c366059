"""How every call is made: TLS, credentials, deadline, repetition, and errors as exceptions."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Final, TypeVar

import grpc

from tallymark_phone.repetition import NEVER, Repetition
from tallymark_phone.trust import ServerNotVouchedFor, Trust
from tallymark_protocol import tls
from tallymark_protocol.errors import (
    RETRY_PUSHBACK_KEY,
    TallymarkError,
    UnknownOutcome,
    from_call,
)
from tallymark_protocol.witness import WITNESS_KEY, NewestWitness

__all__ = ["CHECKPOINT_KEY", "Calls"]

DEADLINE_SECONDS: Final = 5.0
"""Longest time for one attempt of a call; most take a few milliseconds."""

STREAM_SECONDS: Final = 600.0
"""Life of one stream; then it is opened again where it stopped."""

CHECKPOINT_KEY: Final = "tallymark-checkpoint"
"""Trailing metadata with the short checkpoint of the server's journal."""

_CHANNEL_OPTIONS: Final = (
    # A phone changes networks: notice a dead connection while a confirmation still has time.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Come back about as fast as the calls are repeated.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

_Trailing = Iterable[tuple[str, str | bytes]] | None

Request = TypeVar("Request")
Response = TypeVar("Response")


class Calls:
    """Makes calls as one device. `session_token` is sent with each one, once there is one."""

    def __init__(  # noqa: PLR0913 - who calls, whom, and what goes along
        self,
        *,
        server: str,
        trust: Trust,
        session_token: str,
        repetition: Repetition,
        on_checkpoint: Callable[[str], None],
        witness: NewestWitness,
    ) -> None:
        """Take the server's HOST:PORT and whom to trust, the session token, "" before there is one.

        `on_checkpoint` gets what answers carry under CHECKPOINT_KEY, as it came; the newest witness
        goes with each call.
        """
        self._witness = witness
        self.session_token = session_token
        self._server = server
        self._trust = trust
        self._repetition = repetition
        self._on_checkpoint = on_checkpoint

    def open_channel(self) -> grpc.aio.Channel:
        """Return a channel to the server; the first call connects it."""
        return tls.open_channel(
            self._server,
            ca_certificates_pem=self._trust.ca_certificates_pem,
            options=_CHANNEL_OPTIONS,
        )

    async def ask(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> Response:
        """Return the answer; an unknown outcome is repeated with the very same request.

        Raises:
            TallymarkError: a refusal, or the outcome is still unknown after the last repeat.

        """

        async def attempt() -> Response:
            call = method(request, timeout=deadline_seconds, metadata=self._metadata())
            try:
                response = await call
            except grpc.aio.AioRpcError as failed:
                raise self._error_of(failed) from None
            self._note_checkpoint(await call.trailing_metadata())
            return response

        return await self._repetition.run(attempt)

    async def follow(
        self,
        method: "grpc.aio.UnaryStreamMultiCallable[Request, Response]",
        resume: Callable[[], Request],
        on_lost: Callable[[UnknownOutcome], None] | None,
    ) -> AsyncGenerator[Response]:
        """Yield the messages of a stream for ever, opening it again with what `resume` returns.

        `on_lost` hears of each loss. After as many losses in a row as a call has attempts, without
        any message in between, the last one is raised.

        Raises:
            TallymarkError: a refusal, or the last loss.

        """
        losses = 0
        while True:
            lost = UnknownOutcome(None, message="The server ended the stream.")
            stream = method(resume(), timeout=STREAM_SECONDS, metadata=self._metadata())
            try:
                async for message in stream:
                    losses = 0
                    yield message
            except grpc.aio.AioRpcError as failed:
                error = self._error_of(failed)
                if failed.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    continue  # STREAM_SECONDS are over
                if not isinstance(error, UnknownOutcome):
                    raise error from None
                lost = error
            finally:
                stream.cancel()
            losses += 1
            await self._pause(losses, lost, on_lost)

    async def _pause(
        self, losses: int, lost: UnknownOutcome, on_lost: Callable[[UnknownOutcome], None] | None
    ) -> None:
        wait_seconds = self._repetition.wait_seconds(losses, lost)
        if wait_seconds is None or losses >= self._repetition.attempts_max:
            raise lost
        if on_lost:
            on_lost(lost)
        await self._repetition.sleep(wait_seconds)

    def _metadata(self) -> Sequence[tuple[str, str]]:
        carried = self._witness.metadata
        if not self.session_token:
            return carried
        return (("authorization", f"Bearer {self.session_token}"), *carried)

    def _note_checkpoint(self, trailing: _Trailing) -> None:
        for key, value in trailing or ():
            if key == CHECKPOINT_KEY:
                self._on_checkpoint(str(value))
            elif key == WITNESS_KEY:
                self._witness.hear(str(value))

    def _error_of(self, failed: grpc.aio.AioRpcError) -> TallymarkError:
        """Return the exception for a failed call, with the server's wish for a pause in it."""
        self._note_checkpoint(failed.trailing_metadata())
        error = from_call(failed)
        if error.reason is None and isinstance(error, UnknownOutcome):
            if sentence := self._trust.explain(self._server, error.message):
                return ServerNotVouchedFor(sentence)
            error = UnknownOutcome(None, message=f"The server does not answer: {error.message}")
        for key, value in failed.trailing_metadata() or ():
            if key == RETRY_PUSHBACK_KEY:
                # A negative number, or none at all, means: do not repeat (gRFC A6).
                text = str(value)
                error.retry_after_seconds = int(text) / 1000 if text.isdecimal() else NEVER
        return error
