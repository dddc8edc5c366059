"""Phones that wait for news at a server with a past, and how soon they are told of a scan."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from bench.crowd import ISSUE, codes_of
from bench.load import Address, Call, Script, play
from bench.past import Past
from bench.processes import LOAD_CORE, hands, pinned
from bench.watchers import WATCHERS, WATCHING
from tallymark.v1.customer_service_pb2 import IssueCodeRequest
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL
from tallymark_phone.request_ids import new_request_id
from tests.e2e.served import Town
from tests.world.actions import earn
from tests.world.terminal import Terminal

__all__ = ["Waiting", "waiting"]

LINE_BYTES_MAX: Final = 2**26
"""The times of ten thousand streams in one line."""


class Waiting:
    """Phones that wait, in a process of their own."""

    def __init__(self, past: Past, town: Town, process: Process) -> None:
        """Take the process in which they wait."""
        self._past = past
        self._town = town
        self._process = process

    async def scan(self, customers: Sequence[int], per_second: float) -> dict[int, float]:
        """Scan a code of each customer, and return when each scan was sent (perf_counter)."""
        codes = await self._codes(customers)
        gate = Terminal(None)
        gate.identity = self._past.gate
        await self._town.connect(gate)
        sent: dict[int, float] = {}

        async def scan(customer: int, code: str) -> None:
            sent[customer] = time.perf_counter()
            await gate.resolve(
                code, earn(1), request_id=new_request_id(), complete_on_instruction=True
            )

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number, (customer, code) in enumerate(zip(customers, codes, strict=True)):
                await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
                tasks.create_task(scan(customer, code))
        return sent

    async def end(self) -> list[list[float]]:
        """End the wait; return when each phone was told of something."""
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.close()
        told: list[list[float]] = json.loads(await _line(self._process))
        return told

    async def _codes(self, customers: Sequence[int]) -> list[str]:
        request = IssueCodeRequest(request_id="", purpose=CODE_PURPOSE_GENERAL)
        items = []
        for customer in customers:
            request.request_id = new_request_id()
            token = self._past.names.token(customer)
            metadata = (("authorization", f"Bearer {token}"),)
            items.append([Call(ISSUE, request.SerializeToString(), metadata)])
        phones = Address(f"127.0.0.1:{self._town.app.port}", self._town.ca_pem)
        with hands(LOAD_CORE) as caller:
            loop = asyncio.get_running_loop()
            return codes_of(await loop.run_in_executor(caller, play, Script(phones, items)))


@asynccontextmanager
async def waiting(
    past: Past, town: Town, count: int, *, streams_a_connection: int, only: int | None = None
) -> AsyncIterator[Waiting]:
    """Let so many phones wait, each of a customer of its own, or all of the only one."""
    customers = range(count) if only is None else [only] * count
    plan = {
        "host": "127.0.0.1",
        "port": town.app.port,
        "ca_pem": town.ca_pem,
        "tokens": [past.names.token(customer) for customer in customers],
        "streams_a_connection": streams_a_connection,
    }
    command = [sys.executable, "-c", pinned(WATCHERS, LOAD_CORE)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES_MAX
    )
    try:
        assert process.stdin is not None, "it is a pipe"
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        said = await _line(process)
        assert said == WATCHING, said
        yield Waiting(past, town, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: Process) -> str:
    assert process.stdout is not None, "it is a pipe"
    return (await process.stdout.readline()).decode().strip()
