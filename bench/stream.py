"""Scans in batches over one stream, sent from a process of their own as fast as answers come."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import grpc
import uvloop

from bench.load import Address, Played
from tallymark.v1.terminal_service_pb2 import ExchangeResponse
from tallymark_protocol.tls import open_channel

__all__ = ["Batches", "stream"]

EXCHANGE = "/tallymark.v1.TerminalService/Exchange"

DEADLINE_SECONDS = 120.0


class Batches(NamedTuple):
    """What to send."""

    address: Address
    messages: Sequence[bytes]
    """Each an ExchangeRequest, whose commands are numbered from 0 on through all of them."""

    size: int
    """Commands in a message; the last may have fewer."""

    total: int
    """Commands in all."""

    at_once: int
    """Messages under way: the next one is sent when as many commands are answered as one has."""


def stream(batches: Batches) -> Played:
    """Send all on a connection of its own, and wait for all answers; its items are commands."""
    return uvloop.run(_stream(batches))


async def _stream(batches: Batches) -> Played:
    address = batches.address
    async with open_channel(
        address.target, ca_certificates_pem=address.ca_pem, identity=address.identity
    ) as channel:
        await channel.channel_ready()
        sent = [0.0] * len(batches.messages)
        may_send = asyncio.Semaphore(batches.at_once)

        async def requests() -> AsyncIterator[bytes]:
            for number, message in enumerate(batches.messages):
                await may_send.acquire()
                sent[number] = time.perf_counter()
                yield message

        milliseconds = [0.0] * batches.total
        answered = 0
        processor, began = time.process_time(), time.perf_counter()
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(EXCHANGE)
        call = method(requests(), timeout=DEADLINE_SECONDS)
        async for response in call:
            now = time.perf_counter()
            for answer in ExchangeResponse.FromString(response).answers:
                assert answer.HasField("resolve_code"), answer.failure
                milliseconds[answer.correlation] = 1000 * (
                    now - sent[answer.correlation // batches.size]
                )
                answered += 1
                if answered % batches.size == 0:
                    may_send.release()
        seconds = time.perf_counter() - began
        assert answered == batches.total, f"{answered} of {batches.total} answered"
        load_share = (time.process_time() - processor) / seconds
    return Played(seconds, milliseconds, load_share, ())
