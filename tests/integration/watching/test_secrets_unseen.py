"""Whoever watches a server learns no secret, code, password or number of anybody."""

import asyncio
from pathlib import Path

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.watching.traces import Traces
from tests.integration.watching.scraping import scraping
from tests.integration.watching.written_lines import written
from tests.world.contract import RPCS
from tests.world.played import play_all, secrets_of
from tests.world.secret_values import is_shown
from tests.world.serving import world
from tests.world.stage import Stage


async def test_metrics_log_lines_and_traces_of_every_rpc_hold_no_secret(
    keyring: Keyring, tmp_path: Path
) -> None:
    exporter = InMemorySpanExporter()
    tracing = Traces(exporter)
    with written("json") as kept:
        async with (
            world(MemoryStore(), keyring, tracing=tracing) as served,
            scraping(served, tmp_path / "none") as scraper,
        ):
            stage = await Stage.set_up(served)
            secrets = secrets_of(stage, await play_all(stage))
            scraped = await scraper.scrape()
    await asyncio.to_thread(tracing.close)
    lines = "\n".join(kept.lines)
    spans = "\n".join(span.to_json() for span in exporter.get_finished_spans())

    for rpc in RPCS:
        assert f'method="{rpc.path}"' in scraped.text
        assert f'"method": "{rpc.path}"' in lines
        assert f'"{rpc.full_path.strip("/")}"' in spans
    assert len(secrets) > 12
    for secret in secrets | {stage.ana.login_name}:
        for seen in (scraped.text, lines, spans):
            assert not is_shown(secret, seen)
