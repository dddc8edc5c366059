"""The folder of keys of a real server: elsewhere, under a passphrase, lost, and in use."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tallymark_server.keyring import Keyring
from tests.e2e.served import SERVER, Program, server, town

PASSPHRASE = "correct horse battery staple"

KILLED_WHILE_SEALING_ANEW = """
import os, signal
from tallymark_server.lanes import key_keeper
from tallymark_server.main import main
from tallymark_server.storage.sqlite import SqliteStore

reseal, steps = SqliteStore.reseal, []

async def reseal_and_die(store, limit):
    if len(steps) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    steps.append(limit)
    return await reseal(store, limit)

SqliteStore.reseal = reseal_and_die
key_keeper.CELLS_A_STEP = 1
main()
"""


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    """Return the options for a folder of keys elsewhere, under a passphrase in a mounted file."""
    file = tmp_path / "mounted"
    file.write_text(f"{PASSPHRASE}\n")
    return ("--keys", str(tmp_path / "elsewhere"), "--key-passphrase-file", str(file))


async def refused(folder: Path, *options: str, told: Mapping[str, bool]) -> None:
    """Start a server that must not start, and check what it tells and what not."""
    program = await server(folder, 1, *options)
    assert await program.ended() == 1
    assert "tallymark-server cannot start" in program.lines[-1]
    assert {text: text in program.output for text in told} == told


async def test_keys_may_be_elsewhere_and_under_a_passphrase(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    async with town(tmp_path, options=options) as running:
        phone = await running.add_phone()
        assert "made new keys in" in running.program.output
    async with town(tmp_path, options=options) as again:
        await again.connect_again(phone)
        assert (await phone.wallet()).login_name == "ana"

    assert not (tmp_path / "data" / "keys").exists()
    kept = b"".join(file.read_bytes() for file in (tmp_path / "elsewhere").iterdir())
    assert b"PRIVATE KEY" not in kept
    assert PASSPHRASE not in again.program.output


async def test_a_server_does_not_start_with_the_wrong_keys_and_says_why(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    async with town(tmp_path, options=options) as running:
        await running.add_phone()
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase\n")
    Keyring.open(tmp_path / "other")
    silent = {"Traceback": False, PASSPHRASE: False, "another passphrase": False}

    keys = options[:2]
    await refused(tmp_path, *keys, told={"protected by a passphrase; give it with": True, **silent})
    await refused(
        tmp_path,
        *keys,
        *("--key-passphrase-file", str(wrong)),
        told={"the passphrase is not the one": True, **silent},
    )
    await refused(tmp_path, told={"keys is missing; put the keys back": True, **silent})
    await refused(
        tmp_path,
        *("--keys", str(tmp_path / "other")),
        told={"the folder of keys belongs to another database": True, **silent},
    )
    async with town(tmp_path, options=options):
        pass


async def test_two_servers_cannot_use_the_same_keys(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    async with town(tmp_path / "first", options=options):
        await refused(tmp_path / "second", *options, told={"Another server uses the keys": True})


async def test_a_server_that_was_killed_while_it_sealed_anew_goes_on_at_its_next_start(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as running:
        phones = [await running.add_phone(name) for name in ("ana", "ben", "cleo")]
    Keyring.open(tmp_path / "data" / "keys").cells.rotate(1)

    killed: Program = await server(tmp_path, 1, code=KILLED_WHILE_SEALING_ANEW)
    assert await killed.ended() == -9
    files = sorted(file.name for file in (tmp_path / "data" / "keys").glob("cells-*.key"))
    assert files == ["cells-001.key", "cells-002.key"]

    async with town(tmp_path, code=SERVER) as again:
        await again.program.says("everything is sealed with cells key 2")
        await again.connect_again(*phones)
        names = [(await phone.wallet()).login_name for phone in phones]
    assert names == ["ana", "ben", "cleo"]
    files = sorted(file.name for file in (tmp_path / "data" / "keys").glob("cells-*.key"))
    assert files == ["cells-002.key"]
