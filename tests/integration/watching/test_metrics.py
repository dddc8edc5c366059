"""What Prometheus reads of a running server is what happened there."""

import asyncio
import urllib.error
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from tallymark.v1.customer_service_pb2 import WatchProcessesRequest
from tallymark.v1.terminal_service_pb2 import ExchangeCommand, ExchangeRequest
from tallymark_protocol.errors import TallymarkError
from tallymark_server.keyring import Keyring
from tallymark_server.lanes import lane
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.watching.pauses import Pauses
from tallymark_server.watching.port import showing_metrics
from tests.integration.watching.scraping import Scraped, Scraper, scraping
from tests.world.actions import ADMIT, burn, charge
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

RESOLVE = "TerminalService/ResolveCode"
WATCH = "CustomerService/WatchProcesses"


@pytest.fixture
async def kept(keyring: Keyring, tmp_path: Path) -> AsyncIterator[tuple[Shop, Scraper]]:
    """Give a shop that is kept in a file, and its metrics."""
    database = tmp_path / "tallymark.sqlite3"
    store = await SqliteStore.open(database, keyring.cells)
    try:
        async with world(store, keyring) as served, scraping(served, database) as scraper:
            yield await open_shop(served), scraper
    finally:
        await store.close()


async def test_a_scan_is_counted_in_every_part_that_it_passes(
    kept: tuple[Shop, Scraper],
) -> None:
    shop, scraper = kept
    before = await scraper.scrape()

    await shop.scan(ADMIT, complete_on_instruction=True)

    after = await scraper.scrape()
    grown = {name: after.value(name) - before.value(name) for name in after.names}
    assert after.calls(RESOLVE) == 1
    assert after.calls("CustomerService/IssueCode") == 1
    assert after.value("tallymark_call_seconds_count", method=RESOLVE) == 1
    assert after.value("tallymark_processes_ended_total", state="COMPLETED") == 1
    assert after.value("tallymark_codes_total", state="CONSUMED") == 1
    assert grown["tallymark_lane_batch_commands_sum"] == 2
    assert grown["tallymark_lane_save_seconds_count"] == 2
    assert grown["tallymark_commit_seconds_count"] == 2
    assert 0 < grown["tallymark_commit_seconds_sum"] < grown["tallymark_lane_save_seconds_sum"]
    assert grown["tallymark_lane_save_seconds_sum"] < grown["tallymark_call_seconds_sum"]
    assert after.value("tallymark_processes_open") == 0
    assert after.value("tallymark_database_bytes", file="log") > 0
    assert after.value("tallymark_disk_floor_bytes") == 7


async def test_a_refused_scan_is_counted_with_its_reason(kept: tuple[Shop, Scraper]) -> None:
    shop, scraper = kept
    code = await shop.phone.issue()
    await shop.till.resolve(code, burn(1))

    for shown in (code, "TM1:not-a-code"):
        with pytest.raises(TallymarkError):
            await shop.till.resolve(shown, burn(1))

    scraped = await scraper.scrape()
    assert scraped.calls(RESOLVE) == 1
    assert scraped.calls(RESOLVE, "FAILED_PRECONDITION", "CODE_ALREADY_CLAIMED") == 1
    assert scraped.calls(RESOLVE, "INVALID_ARGUMENT", "CODE_MALFORMED") == 1
    assert scraped.value("tallymark_call_seconds_count", method=RESOLVE) == 3
    assert scraped.value("tallymark_calls_under_way") == 0


async def test_a_fault_is_counted_as_internal(
    kept: tuple[Shop, Scraper], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, scraper = kept
    monkeypatch.setattr(lane, "decide", None)

    with pytest.raises(TallymarkError):
        await shop.phone.issue()

    scraped = await scraper.scrape()
    assert scraped.calls("CustomerService/IssueCode", "INTERNAL", "INTERNAL") == 1


async def test_a_call_that_its_caller_gave_up_is_counted_as_such(
    kept: tuple[Shop, Scraper],
) -> None:
    shop, scraper = kept
    await shop.world.operator.set_policy(confirm_money_from=0)
    patient = shop.till.resolve_request(
        await shop.phone.issue(), charge(500), wait_milliseconds=30_000
    )

    scan = asyncio.create_task(shop.till.call("ResolveCode", patient))
    waiting = await _until(scraper, lambda seen: seen.value("tallymark_processes_open") == 1)
    scan.cancel()
    await asyncio.gather(scan, return_exceptions=True)

    await _until(scraper, lambda seen: seen.calls(RESOLVE, "CANCELLED") == 1)
    ended = await scraper.scrape()
    assert waiting.value("tallymark_calls_under_way", method=RESOLVE) == 1
    assert waiting.value("tallymark_processes_open", state="AWAITING_CUSTOMER") == 1
    assert ended.value("tallymark_calls_under_way") == 0
    assert ended.calls(RESOLVE) == 0


async def test_a_stream_is_open_until_its_caller_leaves(kept: tuple[Shop, Scraper]) -> None:
    shop, scraper = kept
    stream = shop.phone.watch("WatchProcesses", WatchProcessesRequest())

    await shop.scan(burn(1))
    await anext(aiter(stream))
    watched = await scraper.scrape()
    stream.cancel()

    await _until(scraper, lambda seen: seen.calls(WATCH, "CANCELLED") == 1)
    left = await scraper.scrape()
    assert watched.value("tallymark_streams_open", method=WATCH) == 1
    assert watched.value("tallymark_stream_messages_total", method=WATCH) >= 1
    assert left.value("tallymark_streams_open") == 0
    assert left.value("tallymark_call_seconds_count", method=WATCH) == 0


async def test_commands_of_a_stream_are_counted_one_by_one(kept: tuple[Shop, Scraper]) -> None:
    shop, scraper = kept
    codes = [await shop.phone.issue(), "TM1:not-a-code", "TM1:nor-this"]
    commands = [
        ExchangeCommand(correlation=place, resolve_code=shop.till.resolve_request(code, burn(1)))
        for place, code in enumerate(codes, start=1)
    ]

    stream = shop.till.stub.Exchange(iter([ExchangeRequest(commands=commands)]))
    answers = [answer async for response in stream for answer in response.answers]

    scraped = await scraper.scrape()
    name = "tallymark_stream_answers_total"
    assert len(answers) == 3
    assert scraped.value(name, answer="resolve_code", status="OK", reason="") == 1
    assert scraped.value(name, status="INVALID_ARGUMENT", reason="CODE_MALFORMED") == 2
    assert scraped.calls("TerminalService/Exchange") == 1


async def test_whoever_is_turned_away_at_the_door_is_counted(kept: tuple[Shop, Scraper]) -> None:
    shop, scraper = kept
    shop.phone.secret = "tms_nobody"

    with pytest.raises(TallymarkError):
        await shop.phone.wallet()
    with pytest.raises(grpc.aio.AioRpcError):
        await anext(aiter(shop.phone.watch("WatchProcesses", WatchProcessesRequest())))

    scraped = await scraper.scrape()
    refused = ("UNAUTHENTICATED", "CREDENTIALS_INVALID")
    assert scraped.calls("CustomerService/GetWallet", *refused) == 1
    assert scraped.calls(WATCH, *refused) == 1


async def test_the_port_is_closed_when_the_server_stops(kept: tuple[Shop, Scraper]) -> None:
    shop, _ = kept
    async with scraping(shop.world, Path()) as scraper:
        pass

    with pytest.raises(urllib.error.URLError):
        await scraper.scrape()


async def test_a_port_in_use_is_said_plainly(kept: tuple[Shop, Scraper]) -> None:
    _, scraper = kept
    with pytest.raises(RuntimeError, match="cannot be listened on for metrics"):
        async with showing_metrics(CollectorRegistry(), Pauses(), f"127.0.0.1:{scraper.port}"):
            pass


async def _until(scraper: Scraper, is_so: Callable[[Scraped], bool]) -> Scraped:
    """Scrape until it is so: a server hears of a caller's end a moment later.

    Numbers of one scrape are read one after the other; those of the next are all as new as this.
    """
    async with asyncio.timeout(20):
        while not is_so(scraped := await scraper.scrape()):
            pass
    return scraped
