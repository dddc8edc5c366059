"""Traces reach a collector by OTLP/gRPC, and a server without the optional part says so."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as contract
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as contract_grpc

from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.watching.tracing import ENDPOINT_VARIABLES, NOT_INSTALLED, tracing
from tests.world.serving import world
from tests.world.shop import open_shop

WITHOUT_THE_PART = """
import sys
sys.modules["opentelemetry"] = None
from tallymark_server.main import main
main()
"""


class Collector(contract_grpc.TraceServiceServicer):
    """Takes traces as any collector of OpenTelemetry does."""

    def __init__(self) -> None:
        self.services: set[str] = set()
        self.names: list[str] = []

    async def Export(
        self, request: contract.ExportTraceServiceRequest, context: object
    ) -> contract.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            about = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            self.services.add(about["service.name"])
            self.names += [span.name for scope in resource.scope_spans for span in scope.spans]
        return contract.ExportTraceServiceResponse()


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    """Run a collector, and give it with its address."""
    collector, server = Collector(), grpc.aio.server()
    contract_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # untyped there
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.mark.parametrize("how", ["option", "environment"])
async def test_a_collector_is_sent_the_spans_before_the_server_ends(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async with collecting() as (collector, address):
        if how == "environment":
            monkeypatch.setenv(ENDPOINT_VARIABLES[1], f"http://{address}")
        async with (
            tracing(address if how == "option" else "", None) as traced,
            world(MemoryStore(), keyring, tracing=traced) as served,
        ):
            await (await open_shop(served)).phone.issue()

    assert collector.services == {"tallymark-server"}
    assert "tallymark.v1.CustomerService/IssueCode" in collector.names
    assert "commit" in collector.names


async def test_with_a_ratio_of_none_at_all_nothing_is_sent(keyring: Keyring) -> None:
    async with (
        collecting() as (collector, address),
        tracing(address, 0.0) as traced,
        world(MemoryStore(), keyring, tracing=traced) as served,
    ):
        await (await open_shop(served)).phone.issue()

    assert collector.names == []


async def test_without_a_collector_nothing_is_traced() -> None:
    async with tracing("", None) as traced:
        assert traced is None


async def test_without_the_optional_part_the_server_says_what_to_install(tmp_path: Path) -> None:
    options = ("--data", str(tmp_path / "data"), "--trace-to", "127.0.0.1:4317")
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITHOUT_THE_PART, *options, stderr=asyncio.subprocess.PIPE
    )

    _, said = await program.communicate()

    assert program.returncode == 1
    assert NOT_INSTALLED in said.decode()
    assert not (tmp_path / "data").exists()
