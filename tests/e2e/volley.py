"""Prepared calls, fired at a steady rate from a process of its own.

A volley is fired whatever the answers do (open loop), and the time of an answer is counted from the
moment at which its call was due, so that waiting before sending counts too.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Final, NamedTuple

import grpc

from tallymark_protocol.errors import from_call
from tallymark_protocol.tls import ClientIdentity, open_channel

__all__ = ["Fired", "Volley", "fire", "shooters"]

DEADLINE_SECONDS: Final = 30.0


class Volley(NamedTuple):
    """Calls of one RPC on one connection."""

    target: str
    ca_pem: str
    identity: ClientIdentity | None
    method: str
    """Path of the RPC, as in `/tallymark.v1.TerminalService/ResolveCode`."""

    requests: Sequence[bytes]
    per_second: float


class Fired(NamedTuple):
    """What came of a volley."""

    reasons: Mapping[str, int]
    """How often each reason was given; "OK" for none."""

    milliseconds: Sequence[float]
    """How long each answer took."""


@contextmanager
def shooters(count: int) -> Iterator[ProcessPoolExecutor]:
    """Keep processes that run `fire`, each in an interpreter of its own."""
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as processes:
        yield processes


def fire(volley: Volley) -> Fired:
    """Fire the volley and wait for all answers."""
    return asyncio.run(_fire(volley))


async def _fire(volley: Volley) -> Fired:
    reasons: Counter[str] = Counter()
    milliseconds: list[float] = []
    async with open_channel(
        volley.target, ca_certificates_pem=volley.ca_pem, identity=volley.identity
    ) as channel:
        await channel.channel_ready()
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(volley.method)

        async def call(request: bytes, due: float) -> None:
            try:
                await method(request, timeout=DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                reasons[str(from_call(error).reason)] += 1
            else:
                reasons["OK"] += 1
            milliseconds.append(1000 * (time.perf_counter() - due))

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number, request in enumerate(volley.requests):
                due = began + number / volley.per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(call(request, due))
    return Fired(reasons, milliseconds)
