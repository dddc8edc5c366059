"""Whether a start notices that this is not the database that it left, and only then."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_server import beginning
from tallymark_server.domain.model.journal import JournalHead, Record
from tallymark_server.keyring import Keyring
from tallymark_server.keys.high_water import HighWater
from tests.integration.restoring.ground import Kept, Served
from tests.world.actions import burn
from tests.world.clock import until

RECORD = Record(decided_at=0, command="", caller="", process_id="", state=0, payload="")


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept.under(tmp_path)


async def sell(served: Served) -> None:
    process = await served.till.resolve(await served.phone.issue(), burn(1))
    await served.till.complete(process.process_id)


async def back_up(served: Served, name: str = "night") -> Path:
    answer = await served.operator.call("Backup", contract.BackupRequest(name=name))
    return Path(answer.path)


async def test_a_server_that_is_only_stopped_and_started_finds_nothing(kept: Kept) -> None:
    for _ in range(3):
        async with kept.served() as served:
            assert served.recovery is None
            await sell(served)

    assert await kept.new_epoch() == 1


async def test_a_restored_backup_is_noticed_and_raises_the_epoch(kept: Kept) -> None:
    async with kept.served() as served:
        await sell(served)
        backup = await back_up(served)
        kept.clock.move(seconds=60)
        await sell(served)
        head = (await served.shop.world.store.journal_head(0)).sequence

    kept.restore(backup)
    async with kept.served() as served:
        recovery = served.recovery

        assert recovery is not None
        assert recovery.lost_at_least == head - recovery.kept_sequence > 0
        assert recovery.lost_since == kept.clock.now() - 60_000
        assert served.shop.world.keyring.epoch == 2

    async with kept.served() as served:
        assert served.recovery == recovery, "it stays open, and is not found a second time"
    assert await kept.new_epoch() == 2


async def test_a_backup_that_nothing_followed_is_noticed_too(kept: Kept) -> None:
    async with kept.served() as served:
        backup = await back_up(served)

    kept.restore(backup)
    async with kept.served() as served:
        assert served.recovery is not None


async def test_a_copy_of_the_file_from_an_earlier_start_is_noticed(kept: Kept) -> None:
    async with kept.served() as served:
        await sell(served)
    copy = shutil.copy(kept.database, kept.data / "copy")
    async with kept.served() as served:
        await sell(served)

    kept.restore(Path(copy))
    async with kept.served() as served:
        assert served.recovery is not None


async def test_a_copy_of_the_file_from_the_same_start_is_noticed_by_its_journal(
    kept: Kept,
) -> None:
    async with kept.served() as served:
        await sell(served)
        for name in ("", "-wal"):
            shutil.copy(f"{kept.database}{name}", kept.data / f"copy{name}")
        await sell(served)

    kept.restore(kept.data / "copy")
    shutil.copy(kept.data / "copy-wal", f"{kept.database}-wal")
    async with kept.served() as served:
        assert served.recovery is not None
        assert "its journal has" in served.recovery.found_by


async def test_the_original_is_noticed_after_a_clone_was_served_with_its_keys(
    kept: Kept, tmp_path: Path
) -> None:
    async with kept.served() as served:
        await sell(served)
    shutil.copytree(kept.data, tmp_path / "clone")
    clone = Kept(
        data=tmp_path / "clone",
        keys=kept.keys,
        clock=kept.clock,
        authority=kept.authority,
        people=kept.people,
    )
    async with clone.served() as served:
        assert served.recovery is None, "byte for byte it is the database that was left"
        await sell(served)

    async with kept.served() as served:
        assert served.recovery is not None


async def test_a_database_without_any_mark_is_taken_as_it_is_only_the_first_time(
    kept: Kept,
) -> None:
    """Databases of servers that knew no marks go on; a mark that was lost is missed."""
    async with kept.served() as served:
        await sell(served)
    (kept.keys / "mark").unlink()

    with pytest.raises(RuntimeError, match="put the keys back"):
        async with kept.served():
            pass


async def test_an_empty_database_beside_used_keys_is_noticed(kept: Kept) -> None:
    async with kept.served() as served:
        await sell(served)
    kept.database.unlink()
    kept.people = None

    async with kept.served() as served:
        assert served.recovery is not None
        assert served.recovery.kept_sequence == 0


async def test_a_backup_of_a_backup_is_another_recovery_that_reaches_as_far_back(
    kept: Kept,
) -> None:
    async with kept.served() as served:
        backup = await back_up(served)
        await sell(served)
    kept.restore(backup)
    async with kept.served() as served:
        first = served.recovery
        kept.clock.move(seconds=60)
        await served.operator.add_points(served.phone, 1, "later")
    kept.restore(backup)
    async with kept.served() as served:
        second = served.recovery

    assert first is not None
    assert second is not None
    assert second.recovery_id != first.recovery_id
    assert second.lost_since == first.lost_since
    assert second.epoch == first.epoch + 1, "an epoch never comes again"


class Killed(BaseException):
    """The process ends here."""


def _before(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(owner, name, die)


def _after(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    whole: Callable[..., object] = getattr(owner, name)

    def do_and_die(*arguments: object, **named: object) -> None:
        whole(*arguments, **named)
        raise Killed

    monkeypatch.setattr(owner, name, do_and_die)


STEPS = ((Keyring, "raise_epoch"), (HighWater, "announce"), (HighWater, "replace"))


@pytest.mark.parametrize("die", [_before, _after])
@pytest.mark.parametrize(("owner", "name"), STEPS[1:])
async def test_a_start_that_dies_anywhere_does_not_look_like_a_restore(
    kept: Kept,
    die: Callable[[pytest.MonkeyPatch, object, str], None],
    owner: object,
    name: str,
) -> None:
    async with kept.served() as served:
        await sell(served)
    for _ in range(3):
        with pytest.MonkeyPatch.context() as patch:
            die(patch, owner, name)
            with pytest.raises(Killed):
                async with kept.served():
                    pass

    async with kept.served() as served:
        assert served.recovery is None
    assert await kept.new_epoch() == 1


@pytest.mark.parametrize("die", [_before, _after])
@pytest.mark.parametrize(("owner", "name"), STEPS)
async def test_a_start_that_dies_anywhere_still_notices_a_restore(
    kept: Kept,
    die: Callable[[pytest.MonkeyPatch, object, str], None],
    owner: object,
    name: str,
) -> None:
    async with kept.served() as served:
        backup = await back_up(served)
        await sell(served)
    kept.restore(backup)
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            die(patch, owner, name)
            with pytest.raises(Killed):
                async with kept.served():
                    pass

    async with kept.served() as served:
        assert served.recovery is not None
        assert served.shop.world.keyring.epoch == served.recovery.epoch > 1


async def test_the_mark_follows_the_journal_while_the_server_serves(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "MARK_SECONDS", 0.001)
    async with kept.served() as served:
        await sell(served)
        head = await served.shop.world.store.journal_head(0)
        await until(lambda: served.high_water.marks[0].heads[0] == head)


async def test_a_mark_never_goes_back(kept: Kept) -> None:
    async with kept.served() as served:
        (mark,) = served.high_water.marks
        head = mark.heads[0]
        await sell(served)
    shorter = {0: type(head)(sequence=0, chain_hash=bytes(32))}

    with pytest.raises(ValueError, match="shorter"):
        served.high_water.advance(shorter)


async def test_a_mark_that_leads_the_journal_would_be_noticed(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the mark says more than is durable, so that a kill looks like a restore."""
    async with kept.served() as served:
        await sell(served)
        heads = {0: (await served.shop.world.store.journal_head(0)).follow(0, RECORD).head}

        async def ahead(*_: object) -> dict[int, JournalHead]:
            return heads

        monkeypatch.setattr(beginning, "_heads", ahead)
    monkeypatch.undo()

    async with kept.served() as served:
        assert served.recovery is not None
