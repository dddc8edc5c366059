"""The command `tallymark-load replay`: results, files and exit codes."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tallymark_load.commands.replay import replay
from tallymark_load.connections import Route
from tallymark_load.main import main
from tallymark_load.replay.contracts import Contracts
from tests.integration.load.any_service import AnyService, Caller, listening
from tests.integration.load.test_replay_of_others import Recording

PROGRAM = "from tallymark_load.main import main; main()"


async def run(*words: str) -> tuple[int, str]:
    """Run the program, and return its exit code with all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "replay", *words, stdout=PIPE, stderr=PIPE
    )
    said, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode() + complained.decode()


@pytest.fixture
async def recording(tmp_path: Path) -> Path:
    """Return a recording of two calls of a service without a contract."""
    path = tmp_path / "any.binlog"
    async with listening(AnyService()) as address, Recording(path, Contracts()) as connections:
        caller = Caller(connections.channel(Route(address)))
        await caller.shout(b"Hello")
        assert await caller.count(2) == [b"0", b"1"]
    return path


async def test_a_replay_tells_figures_and_ends_well_when_all_is_as_recorded(
    recording: Path, tmp_path: Path
) -> None:
    figures, plot = tmp_path / "replay.json", tmp_path / "replay.svg"
    async with listening(AnyService()) as address:
        code, said = await run(
            *(str(recording), "--to", address, "--plain", "--speed", "2"),
            *("--json", str(figures), "--plot", str(plot)),
        )

    assert code == 0, said
    assert "Replayed 2 calls (2 unknown) with 2 messages." in said
    assert "Differences: 0 that no rule explains, 0 explained." in said
    read: dict[str, Any] = json.loads(figures.read_text())
    assert read["replay"]["unexplained_differences"] == 0
    assert read["replay"]["timing"]["on_time_messages"] == 2
    assert plot.read_text().startswith("<?xml")


async def test_a_difference_is_told_with_method_call_and_values_and_ends_with_1(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whisper(_: Any, request: bytes, __: Any) -> bytes:
        return request.lower() + b"..."

    monkeypatch.setattr(AnyService, "_shout", whisper)
    async with listening(AnyService()) as address:
        code, said = await run(str(recording), "--to", address, "--plain", "--flat-out")

    assert code == 1
    assert "Differences: 1 that no rule explains" in said
    assert "any.v1.AnyService/Shout  answers[0]: 5 bytes -> 8 other bytes; call 1" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "Say where to call"),
        (("--to", "127.0.0.1:1", "--speed", "0"), "the speed is a number above zero"),
        (("--to", "127.0.0.1:1", "--key-file", "KEY"), "A certificate needs its key"),
        (("--reflection", "--cast", "none.cast"), "there is no cast"),
        (("--to", "127.0.0.1:1", "--rules", "KEY"), "these are no rules"),
        (("--to", "127.0.0.1:1", "--stop-when", "errors"), "is not a condition"),
        (("--to", "127.0.0.1:1"), "There is no call in the recording"),
    ],
)
def test_wrong_use_is_told_and_ends_with_2(
    words: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    key = tmp_path / "key.pem"
    key.write_text("a key")
    empty = tmp_path / "empty.binlog"
    empty.write_bytes(b"")

    used = [str(key) if word == "KEY" else word for word in words]
    came = CliRunner().invoke(main, ["replay", str(empty), *used])

    assert came.exit_code == 2
    assert why in " ".join(came.output.split())


def test_the_command_explains_itself() -> None:
    came = CliRunner().invoke(replay, ["--help"])

    assert came.exit_code == 0
    assert "--flat-out" in came.output
