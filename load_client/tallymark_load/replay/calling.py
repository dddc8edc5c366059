"""Makes the calls of a replay: requests with its own values, and what their answers teach."""

import asyncio
from collections.abc import Mapping
from typing import Final

import grpc

from tallymark_load.connections import Connections
from tallymark_load.replay.callers import Callers
from tallymark_load.replay.contracts import parsed
from tallymark_load.replay.correlation import Correlation
from tallymark_load.replay.hearing import Hearing
from tallymark_load.replay.outcomes import OK, replayed_outcome
from tallymark_load.replay.plan import PlannedCall, Step
from tallymark_load.replay.played import Played
from tallymark_load.replay.resuming import Resuming
from tallymark_load.replay.rules import ReplayRules
from tallymark_load.replay.signing import Signing
from tallymark_load.replay.streams import StreamAnswers, values_at

__all__ = ["Calling"]

_WRONG_SIGNATURES: Final = (
    "CONFIRMATION_SIGNATURE_WRONG",
    "DEVICE_PROOF_WRONG",
    "CERTIFICATE_REQUEST_INVALID",
)
_WRONG_CREDENTIALS: Final = ("CREDENTIALS_MISSING", "CREDENTIALS_INVALID", "SESSION_EXPIRED")
"""Outcomes of calls whose signature or token was wrong, and so stays as it was recorded."""

_POLL_SECONDS: Final = 0.1
_POLLS_MAX: Final = 100
_NANOSECONDS: Final = 1_000_000_000


class Calling:
    """Sends what a plan says, and learns from what comes back."""

    def __init__(  # noqa: PLR0913 -- what a replay consists of
        self,
        *,
        rules: ReplayRules,
        callers: Callers,
        correlation: Correlation,
        signing: Signing,
        played: Mapping[PlannedCall, Played],
        pairing: Mapping[PlannedCall, StreamAnswers],
    ) -> None:
        """Send nothing yet."""
        self._polls = {rule.method: rule for rule in rules.polls}
        self._callers = callers
        self._correlation = correlation
        self._signing = signing
        self._played = played
        self._resuming = Resuming()
        self._hearing = Hearing(
            pairing, correlation=correlation, signing=signing, resuming=self._resuming
        )
        self._requests: dict[Step, bytes] = {}
        self._readings: set[asyncio.Task[None]] = set()

    def prepare(self, step: Step) -> None:
        """Make the request of a step with the values of this replay, once."""
        if step.message is None or step in self._requests:
            return
        call = step.call
        recorded = call.sent[step.message]
        if recorded is None:
            self._requests[step] = call.recorded.sent[step.message].body
            return
        request = type(recorded)()
        request.CopyFrom(recorded)
        phone = self._callers.phone(call.caller, request)
        self._correlation.translate(request, phone, call.outcome)
        self._resuming.resume(call, request)
        if call.outcome not in _WRONG_SIGNATURES:
            self._signing.sign(call.caller, recorded, request, step.at_ns)
        self._requests[step] = request.SerializeToString()

    async def call(self, step: Step, connections: Connections) -> None:
        """Make a unary call; its request is prepared."""
        call, played = step.call, self._played[step.call]
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        method = self._channel(call, connections).unary_unary(call.recorded.method)
        try:
            answer = await method(
                self._requests.get(step, b""),
                metadata=self._metadata(call),
                timeout=_seconds(call.recorded.timeout_ns),
            )
        except grpc.aio.AioRpcError as error:
            played.outcome, played.bodies = replayed_outcome(error), []
        else:
            played.outcome, played.bodies = OK, [answer]

    async def called(self, step: Step, connections: Connections) -> None:
        """Learn from the answer; a call that only reads is repeated while it is behind."""
        call, played = step.call, self._played[step.call]
        while played.polls < _POLLS_MAX and self._is_behind(played):
            played.polls += 1
            await asyncio.sleep(_POLL_SECONDS)
            await self.call(step, connections)
        for body in played.bodies:
            self._learn(played, body)
        call.over.set()

    def open(self, call: PlannedCall, connections: Connections) -> None:
        """Open a stream."""
        played = self._played[call]
        channel = self._channel(call, connections)
        metadata = self._metadata(call)
        timeout = _seconds(call.recorded.timeout_ns)
        # On the wire a stream of one message is what a single message is.
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
        method = channel.stream_stream(call.recorded.method)
        played.stream = method(metadata=metadata, timeout=timeout)
        reading = asyncio.get_running_loop().create_task(self._read(played))
        self._readings.add(reading)
        reading.add_done_callback(self._readings.discard)

    async def write(self, step: Step) -> None:
        """Send a message on an open stream; one that has ended takes no more."""
        stream = self._played[step.call].stream
        assert stream is not None
        if not stream.done():
            try:
                await stream.write(self._requests.get(step, b""))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError):
                if not stream.done():
                    raise

    async def end(self, call: PlannedCall) -> None:
        """Give a call up, or close the caller's direction, as was recorded."""
        stream = self._played[call].stream
        if stream is None or stream.done():
            return
        if call.is_given_up:
            stream.cancel()
        else:
            await self.close(call)

    async def close(self, call: PlannedCall) -> None:
        """Close the caller's direction."""
        stream = self._played[call].stream
        assert stream is not None
        if not stream.done():
            await stream.done_writing()

    async def finish(self, patience_seconds: float) -> None:
        """Wait for the streams that are still open, then give them up."""
        readings = set(self._readings)
        if readings:
            await asyncio.wait(readings, timeout=patience_seconds)
        for played in self._played.values():
            if played.stream is not None and not played.stream.done():
                played.stream.cancel()
        await asyncio.gather(*readings, return_exceptions=True)

    async def _read(self, played: Played) -> None:
        stream, call = played.stream, played.planned
        assert stream is not None
        try:
            while isinstance(body := await stream.read(), bytes):
                played.bodies.append(body)
                self._learn(played, body)
                if not call.method.client_streams:
                    call.steps[0].settled.set()
                played.tell()
            played.outcome = (await stream.code()).name
        except grpc.aio.AioRpcError as error:
            played.outcome = replayed_outcome(error)
        except asyncio.CancelledError:
            # A call that was given up ends its reader in this way too.
            played.outcome = grpc.StatusCode.CANCELLED.name
        finally:
            for step in (*call.steps, *call.shown.values()):
                step.settled.set()
            call.over.set()
            played.tell()

    def _learn(self, played: Played, body: bytes) -> None:
        asked = self._requests.get(played.planned.steps[0], b"")
        self._hearing.hear(played, body, asked=asked)

    def _is_behind(self, played: Played) -> bool:
        """Say whether a reading call was answered with an earlier state than was recorded."""
        call = played.planned
        rule = self._polls.get(call.recorded.method)
        if rule is None or not played.is_expected or not played.bodies or not call.received:
            return False
        recorded = call.received[0]
        answer = parsed(call.method.response, played.bodies[0])
        if recorded is None or answer is None:
            return False
        return values_at(recorded, rule.field) != values_at(answer, rule.field)

    def _channel(self, call: PlannedCall, connections: Connections) -> grpc.aio.Channel:
        route = self._callers.route(call.recorded.method, call.caller)
        assert route is not None
        return connections.channel(route, self._callers.place(call.caller))

    def _metadata(self, call: PlannedCall) -> grpc.aio.Metadata:
        is_known = call.outcome not in _WRONG_CREDENTIALS
        pairs = self._callers.metadata(call.caller, call.recorded.metadata, is_known=is_known)
        return grpc.aio.Metadata(*pairs)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / _NANOSECONDS
