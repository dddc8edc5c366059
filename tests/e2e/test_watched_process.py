"""A real server shows its metrics where it was told to, and writes its lines as JSON."""

import asyncio
import json
import re
import signal
import urllib.request
from pathlib import Path

from tests.e2e.served import server

ANY_PORT = "127.0.0.1:0"


async def test_a_server_process_is_watched_until_it_stops(tmp_path: Path) -> None:
    options = ("--metrics-listen", ANY_PORT, "--log-format", "json", "--log-level", "debug")
    program = await server(tmp_path, 1, *options)
    try:
        await program.says("serving on port")
        ready = json.loads(await asyncio.to_thread((tmp_path / "server.json").read_text))
        scraped = await asyncio.to_thread(_scrape, ready["metrics_port"])
        program.send(signal.SIGTERM)
        code = await program.ended()
    finally:
        await program.kill()

    sizes = dict(
        re.findall(r'^tallymark_database_bytes{file="(\w+)"} (\S+)$', scraped, re.MULTILINE)
    )
    assert code == 0
    assert float(sizes["log"]) > 0
    assert "process_cpu_seconds_total" in scraped
    lines = [json.loads(line) for line in program.lines]
    assert {"time", "level", "logger", "message"} <= lines[0].keys()
    assert f"metrics on port {ready['metrics_port']}" in {line["message"] for line in lines}


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text: str = answer.read().decode()
        return text
