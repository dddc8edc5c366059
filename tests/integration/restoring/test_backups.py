"""A backup while the server serves, and putting it back by the command."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.errors import Refused
from tallymark_server.restore import main, restore
from tallymark_server.storage.backup_check import BackupRefused, check_backup
from tallymark_server.storage.sqlite_database import StoreRefused
from tests.integration.restoring.ground import Kept, Served
from tests.world.actions import burn

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept.under(tmp_path)


async def sell(served: Served) -> None:
    process = await served.till.resolve(await served.phone.issue(), burn(1))
    await served.till.complete(process.process_id)


async def back_up(served: Served, name: str = "night") -> contract.BackupResponse:
    answer: contract.BackupResponse
    answer = await served.operator.call("Backup", contract.BackupRequest(name=name))
    return answer


def facts_of(path: Path) -> tuple[int, int, list[str]]:
    """Return size and mode of a file, and what is in its folder."""
    stat = path.stat()
    return stat.st_size, stat.st_mode & 0o777, [one.name for one in path.parent.iterdir()]


def damage(path: Path) -> None:
    """Change a byte in each kilobyte but the first pages."""
    content = bytearray(path.read_bytes())
    for place in range(8192, len(content), 1024):
        content[place] ^= 0xFF
    path.write_bytes(content)


async def test_a_backup_is_one_private_file_that_ends_where_the_journal_ended(kept: Kept) -> None:
    async with kept.served() as served:
        await sell(served)
        head = await served.shop.world.store.journal_head(0)
        answer = await back_up(served)
        await sell(served)

    assert (answer.sequence, answer.chain_hash) == (head.sequence, head.chain_hash)
    assert facts_of(Path(answer.path)) == (answer.size_bytes, 0o600, ["night"])


async def test_those_who_write_go_on_while_a_backup_is_made(kept: Kept) -> None:
    async with kept.served() as served:
        async with asyncio.TaskGroup() as tasks:
            copying = tasks.create_task(back_up(served))
            sold = 0
            while not copying.done():
                await sell(served)
                sold += 1
        answer = copying.result()

    assert sold > 0
    assert check_backup(Path(answer.path)).sequence == answer.sequence


async def test_a_backup_with_a_name_that_is_taken_is_checked_and_left_as_it_is(kept: Kept) -> None:
    async with kept.served() as served:
        first = await back_up(served)
        await sell(served)
        second = await back_up(served)

    assert not first.already_there
    assert second.already_there
    assert second.sequence == first.sequence


async def test_a_damaged_backup_is_found_out(kept: Kept) -> None:
    async with kept.served() as served:
        damage(Path((await back_up(served)).path))

        with pytest.raises(Refused, match="The backup was not made"):
            await back_up(served)


async def test_a_backup_whose_journal_was_edited_is_found_out(kept: Kept) -> None:
    async with kept.served() as served:
        path = Path((await back_up(served)).path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER journal_keeps_its_entries")
        connection.execute("UPDATE journal SET caller = 'operator/other' WHERE sequence = 3")
        connection.commit()

    with pytest.raises(BackupRefused, match="entry 3 of the journal"):
        check_backup(path)


async def test_a_backup_is_put_back_and_the_old_database_kept_aside(kept: Kept) -> None:
    async with kept.served() as served:
        answer = await back_up(served)
        await sell(served)
        head = await served.shop.world.store.journal_head(0)

    facts, aside = restore(Path(answer.path), kept.data, now=NOW)

    assert facts.sequence == answer.sequence
    assert aside == kept.data / "replaced-20261123T120000"
    assert check_backup(aside / "tallymark.sqlite3").sequence == head.sequence
    async with kept.served() as served:
        assert served.recovery is not None
        assert served.recovery.lost_at_least == head.sequence - answer.sequence


async def test_nothing_is_restored_while_a_server_runs(kept: Kept) -> None:
    async with kept.served() as served:
        path = Path((await back_up(served)).path)

        with pytest.raises(StoreRefused, match="Another server"):
            restore(path, kept.data, now=NOW)
        result = CliRunner().invoke(main, [str(path), "--data", str(kept.data)])

    assert result.exit_code == 1
    assert "nothing was restored" in result.output


async def test_the_command_says_what_it_did_and_what_comes_next(kept: Kept) -> None:
    async with kept.served() as served:
        answer = await back_up(served)

    result = CliRunner().invoke(main, [answer.path, "--data", str(kept.data)])

    assert result.exit_code == 0
    assert f"up to entry {answer.sequence}" in result.output
    assert "tallymark-admin recovery status" in result.output


async def test_a_file_that_is_no_backup_leaves_the_database_alone(kept: Kept) -> None:
    async with kept.served() as served:
        await sell(served)
    before = kept.database.read_bytes()
    other = kept.data / "letter.txt"
    other.write_text("dear operator")

    result = CliRunner().invoke(main, [str(other), "--data", str(kept.data)])

    assert result.exit_code == 1
    assert kept.database.read_bytes() == before
