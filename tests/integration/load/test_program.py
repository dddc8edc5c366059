"""The program as a person runs it: a cast, a load, calls for ghz."""

import json
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from pathlib import Path

from tallymark_load.cast import CastFile
from tests.integration.load.casts import authority_of
from tests.world.world import World

PROGRAM = "from tallymark_load.main import main; main()"


async def succeed(*arguments: str | Path) -> tuple[str, str]:
    """Run a command that must end with 0, and return what it printed to stdout and stderr."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    process = await create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    output, errors = (text.decode() for text in await process.communicate())
    assert process.returncode == 0, output + errors
    return output, errors


def admin_home(served: World, folder: Path) -> Path:
    """Return a folder as tallymark-admin keeps it."""
    authority = authority_of(served)
    identity = folder / "identity-1"
    identity.mkdir(parents=True)
    (identity / "key.pem").write_text(authority.client.private_key_pem)
    (identity / "certificate.pem").write_text(authority.client.certificate_pem)
    (identity / "ca.pem").write_text(authority.ca_certificates_pem)
    (folder / "operator.json").write_text(
        json.dumps({"server": authority.server, "identity": "identity-1"})
    )
    return folder


async def test_a_cast_is_made_and_plays_and_its_calls_are_written_for_ghz(
    in_memory: World, tmp_path: Path
) -> None:
    home, cast, results = admin_home(in_memory, tmp_path / "home"), tmp_path / "c", tmp_path / "r"
    server = f"127.0.0.1:{in_memory.app.port}"

    prepared, progress = await succeed(
        *("prepare", "--server", server, "--operator", home, "--cast", cast),
        *("--customers", "6", "--terminals", "2", "--merchants", "1"),
    )
    played, _ = await succeed(
        *("run", "gate-rush", "--cast", cast, "--rate", "20", "--seconds", "0.5"),
        *("--json", results, "--record", tmp_path / "gate.binlog"),
    )
    exported, _ = await succeed(
        *("export-ghz", tmp_path / "gate.binlog", "--cast", cast, "--out", tmp_path / "ghz"),
    )

    assert "6 customers, 2 terminals and 1 merchants can call" in prepared
    assert "customers: 6 of 6" in progress
    content = json.loads(results.read_text())
    assert content["scenario"]["visits"] == 10
    assert content["scenario"]["unexpected"] == 0
    assert "COMPLETED" in played
    assert sum(one.entries_used for one in CastFile(cast).read().customers.values()) > 5
    assert "calls of ResolveCode by terminal-" in exported
    assert (tmp_path / "ghz" / "ResolveCode.ghz.json").exists()
