"""A traced call shows where its time went, with the status that its caller got."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tallymark.v1.customer_service_pb2 import GetWalletRequest, WatchProcessesRequest
from tallymark.v1.terminal_service_pb2 import ExchangeCommand, ExchangeRequest
from tallymark_server.keyring import Keyring
from tallymark_server.lanes import lane
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.watching.traces import Traces
from tests.world.actions import burn, charge
from tests.world.actor import DEADLINE_SECONDS
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
RESOLVE = "tallymark.v1.TerminalService/ResolveCode"


class Spans:
    """What was traced; only what ended is seen."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = Traces(self._exporter)

    async def seen(self) -> list[ReadableSpan]:
        await asyncio.to_thread(self.tracing.flush)
        return list(self._exporter.get_finished_spans())

    async def named(self, name: str) -> ReadableSpan:
        """Return the one span with this name once it has ended, which is after its answer."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (  # noqa: ASYNC110 -- nobody tells of it
                found := [span for span in await self.seen() if span.name == name]
            ):
                await asyncio.sleep(0)
        (span,) = found
        return span

    def clear(self) -> None:
        self.tracing.flush()
        self._exporter.clear()


@pytest.fixture
def spans() -> Iterator[Spans]:
    made = Spans()
    yield made
    made.tracing.close()


@pytest.fixture
async def traced(spans: Spans, keyring: Keyring) -> AsyncIterator[Shop]:
    """Give a shop whose calls are traced."""
    async with world(MemoryStore(), keyring, tracing=spans.tracing) as served:
        shop = await open_shop(served)
        await asyncio.to_thread(spans.clear)
        yield shop


async def test_a_scan_shows_its_batch_its_commit_and_the_call_of_the_institution(
    traced: Shop, spans: Spans
) -> None:
    await traced.scan(charge(420))

    call = await spans.named(RESOLVE)
    submit = await spans.named("submit ResolveCode")
    asked = await spans.named("tallymark.v1.CreditInstitutionService/Authorize")
    batch = next(span for span in await spans.seen() if _is_child(span, submit))
    parts = {span.name for span in await spans.seen() if _is_child(span, batch)}
    assert call.kind is SpanKind.SERVER
    assert _attributes(call)["rpc.response.status_code"] == "OK"
    assert _attributes(call)["tallymark.caller"] == "terminal/till-1"
    assert _is_child(submit, call)
    assert _attributes(batch)["tallymark.batch.commands"] == 1
    assert {"decide", "commit", asked.name} <= parts
    assert asked.kind is SpanKind.CLIENT
    assert _trace_of(asked) == _trace_of(call)


async def test_the_commands_of_a_batch_and_the_batch_are_linked(
    traced: Shop, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "COMPANY_SECONDS", 0.1)
    monkeypatch.setattr(traced.world.app.lane, "_was_alone", False)
    await asyncio.gather(*(traced.phone.issue() for _ in range(20)))
    await traced.phone.issue()  # a batch ends after its answers, and before the next one begins

    seen = await spans.seen()
    submits = {_id_of(span): span for span in seen if span.name == "submit IssueCode"}
    batches = {_id_of(span): span for span in seen if span.name == "batch"}
    shared = [batch for batch in batches.values() if batch.links]
    assert len(submits) == 21
    assert shared, "twenty at once are never decided one by one"
    for batch in shared:
        for link in batch.links:
            linked = submits[link.context.span_id]
            assert [back.context.span_id for back in linked.links] == [_id_of(batch)]


async def test_the_commands_of_a_stream_are_part_of_its_trace(traced: Shop, spans: Spans) -> None:
    code = await traced.phone.issue()
    commands = [
        ExchangeCommand(correlation=place, resolve_code=traced.till.resolve_request(code, burn(1)))
        for place in (1, 2, 3)
    ]
    await asyncio.to_thread(spans.clear)

    stream = traced.till.stub.Exchange(iter([ExchangeRequest(commands=commands)]))
    answers = [answer async for response in stream for answer in response.answers]

    submit = await spans.named("submit")
    batch = next(span for span in await spans.seen() if _is_child(span, submit))
    assert len(answers) == 3
    assert _attributes(submit)["tallymark.commands"] == 3
    assert _attributes(batch)["tallymark.batch.commands"] == 3
    assert not batch.links
    assert _is_child(submit, await spans.named("tallymark.v1.TerminalService/Exchange"))


@pytest.mark.parametrize(
    ("fault", "ended"),
    [
        ("none", ("OK", None)),
        ("claimed before", ("FAILED_PRECONDITION", "CODE_ALREADY_CLAIMED")),
        ("forged", ("INVALID_ARGUMENT", "CODE_MALFORMED")),
        ("broken rules", ("INTERNAL", "INTERNAL")),
    ],
)
async def test_a_refusal_is_an_answer_and_only_a_fault_is_an_error(
    traced: Shop,
    spans: Spans,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    ended: tuple[str, str | None],
) -> None:
    code = "TM1:not-a-code" if fault == "forged" else await traced.phone.issue()
    if fault == "claimed before":
        await traced.till.resolve(code, burn(1))
        await asyncio.to_thread(spans.clear)
    if fault == "broken rules":
        monkeypatch.setattr(lane, "decide", None)

    await asyncio.gather(traced.till.resolve(code, burn(1)), return_exceptions=True)

    span = await spans.named(RESOLVE)
    told = _attributes(span)
    is_error = fault == "broken rules"
    assert (told["rpc.response.status_code"], told.get("tallymark.reason")) == ended
    assert (span.status.status_code is StatusCode.ERROR) is is_error
    assert ("error.type" in told) is is_error


async def test_a_call_is_part_of_the_trace_that_its_caller_names(
    traced: Shop, spans: Spans
) -> None:
    parent = ("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01")
    metadata = (*traced.phone.metadata, parent)

    await traced.phone.stub.GetWallet(GetWalletRequest(), metadata=metadata)

    span = await spans.named("tallymark.v1.CustomerService/GetWallet")
    assert span.parent is not None
    assert f"{_trace_of(span):032x}" == TRACE_ID
    assert f"{span.parent.span_id:016x}" == PARENT_ID


async def test_who_does_not_want_to_be_traced_is_not(traced: Shop, spans: Spans) -> None:
    metadata = (*traced.phone.metadata, ("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-00"))

    await traced.phone.stub.GetWallet(GetWalletRequest(), metadata=metadata)

    assert await spans.seen() == []


async def test_a_stream_is_a_span_from_its_begin_to_its_end(traced: Shop, spans: Spans) -> None:
    stream = traced.phone.watch("WatchProcesses", WatchProcessesRequest())
    await traced.scan(burn(1))
    await anext(aiter(stream))
    name = "tallymark.v1.CustomerService/WatchProcesses"
    assert name not in {span.name for span in await spans.seen()}

    stream.cancel()

    async with asyncio.timeout(20):
        while name not in {span.name for span in await spans.seen()}:
            pass
    span = await spans.named(name)
    assert _attributes(span)["rpc.response.status_code"] == "CANCELLED"
    assert span.status.status_code is StatusCode.UNSET


def _attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def _id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def _trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)


def _is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == _id_of(parent)
