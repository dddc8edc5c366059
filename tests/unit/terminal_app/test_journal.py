import asyncio
import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tallymark_terminal.home import HomeUnusable
from tallymark_terminal.identification import CodeReference, TelephoneNumber
from tallymark_terminal.journal import KEPT_SECONDS, Journal, Sale, Stage
from tallymark_terminal.journal_file import JournalFile

REFERENCE = CodeReference(partition=3, cti_hash=b"h" * 32, expires_at_seconds=1_900_000_000)


def sale(number: int = 1, *, stage: Stage = Stage.INTENT, **fields: object) -> Sale:
    return Sale(
        request_id=f"request-{number}",
        started_at=1_900_000_000.0 + number,
        stage=stage,
        asked="[]",
        code_partition=REFERENCE.partition,
        code_hash=REFERENCE.cti_hash,
        code_expires_at=REFERENCE.expires_at_seconds,
        **fields,  # type: ignore[arg-type] # fields by name
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def torn_copy(path: Path) -> Path:
    """Return what a power cut leaves: a half-written file, and the rollback journal beside it."""
    torn = sqlite3.connect(path, isolation_level=None)
    torn.execute("PRAGMA cache_spill = 1")
    torn.execute("PRAGMA cache_size = 1")
    torn.execute("BEGIN IMMEDIATE")
    torn.execute("UPDATE sales SET stage = 'ENDED'")
    for number in range(2_000):
        torn.execute(
            "INSERT INTO sales (request_id, started_at, stage, asked) VALUES (?, 0, 'X', ?)",
            (f"filler-{number}", "x" * 500),
        )
    copy = path.with_name("after-the-cut.sqlite3")
    copy.write_bytes(path.read_bytes())
    rollback = Path(f"{path}-journal").read_bytes()
    Path(f"{copy}-journal").write_bytes(rollback)
    torn.execute("ROLLBACK")
    torn.close()
    return copy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with contextlib.closing(JournalFile(path)) as file:
        yield Journal(file)


async def test_sale_is_read_back_as_it_was_written(journal: Journal) -> None:
    written = sale(
        stage=Stage.STAGING_POINTS,
        set_points=500,
        is_held=True,
        completes_by_itself=True,
        process_id="0" * 34,
        state="INSTRUCTED",
        update_request_id="u",
        update_version=9,
        complete_request_id="c",
        reverse_request_id="r",
        reverse_note="customer left",
        checkpoint="tmc1:0:5:00112233445566778899aabbccddeeff",
    )

    await journal.write(written)

    assert await journal.latest(1) == [written]


async def test_journal_is_readable_by_its_user_only(journal: Journal, path: Path) -> None:
    await journal.write(sale())

    assert mode(path) == 0o600


async def test_written_sale_is_there_for_another_process_at_once(
    journal: Journal, path: Path
) -> None:
    await journal.write(sale())

    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM sales").fetchone() == (1,)
    other.close()


async def test_torn_write_leaves_the_sale_as_it_was_before(journal: Journal, path: Path) -> None:
    await journal.write(sale(stage=Stage.INTENT))
    copy = torn_copy(path)

    with contextlib.closing(JournalFile(copy)) as file:
        (only,) = await Journal(file).latest(10)

    assert only.stage is Stage.INTENT


def test_damaged_journal_is_reported_and_kept(path: Path) -> None:
    path.write_bytes(b"this is not a database, but it may be all that is left of one" * 20)

    with pytest.raises(HomeUnusable, match="cannot be used"):
        JournalFile(path)

    assert path.read_bytes().startswith(b"this is not a database")


@pytest.mark.parametrize(
    "damage",
    ["stage = NULL", "request_id = x'00'", "asked = 5", "started_at = 'x'", "started_at = 1e300"],
)
async def test_damaged_row_is_reported(journal: Journal, path: Path, damage: str) -> None:
    await journal.write(sale())
    with sqlite3.connect(path) as other:
        other.execute(f"UPDATE sales SET {damage}")  # noqa: S608 -- texts of this file
    other.close()

    with pytest.raises(HomeUnusable, match="cannot be read"):
        await journal.latest(1)


def test_damaged_schema_is_reported(path: Path) -> None:
    JournalFile(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA writable_schema = ON")
        other.execute("UPDATE sqlite_master SET name = CAST(x'ff6162' AS TEXT), sql = 'no SQL'")
    other.close()

    with pytest.raises(HomeUnusable, match="cannot be used"):
        JournalFile(path)


def test_damaged_page_is_reported(path: Path) -> None:
    with contextlib.closing(JournalFile(path)) as file:
        asyncio.run(Journal(file).write(sale()))
    page_bytes = 4096
    path.write_bytes(path.read_bytes()[:page_bytes] + b"\x0d" * (page_bytes * 20))

    with (
        contextlib.closing(JournalFile(path)) as file,
        pytest.raises(HomeUnusable, match="cannot be read"),
    ):
        asyncio.run(Journal(file).latest(1))


def test_journal_of_a_newer_version_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()

    with pytest.raises(HomeUnusable, match="newer version"):
        JournalFile(path)


VERSION_1 = """
    BEGIN;
    CREATE TABLE sales (
        request_id, started_at, stage, asked, set_points, is_held, completes_by_itself,
        code_partition, code_hash, code_expires_at, telephone_number, process_id, state,
        update_request_id, update_version, complete_request_id, reverse_request_id, reverse_note,
        outcome, ended_at, PRIMARY KEY (request_id)
    ) WITHOUT ROWID;
    CREATE INDEX sales_by_code ON sales (code_hash);
    CREATE INDEX sales_by_process ON sales (process_id);
    INSERT INTO sales (request_id, started_at, stage, asked, reverse_note)
        VALUES ('request-1', 1.0, 'SHOWN', '[]', '');
    PRAGMA user_version = 1;
    COMMIT;
"""


async def test_journal_of_the_first_version_keeps_its_sales(path: Path) -> None:
    with sqlite3.connect(path) as older:
        older.executescript(VERSION_1)
    older.close()

    for _ in range(2):
        with contextlib.closing(JournalFile(path)) as file:
            (kept,) = await Journal(file).open_sales()

    assert (kept.request_id, kept.stage, kept.checkpoint) == ("request-1", Stage.SHOWN, None)


async def test_two_programs_may_bring_a_journal_up_to_date_at_once(path: Path) -> None:
    def open_and_close(_: int) -> None:
        JournalFile(path).close()

    with ThreadPoolExecutor(4) as programs:
        assert list(programs.map(open_and_close, range(20))) == [None] * 20


async def test_open_sales_come_oldest_first_and_without_the_settled(journal: Journal) -> None:
    await journal.write(sale(3, stage=Stage.SHOWN))
    await journal.write(sale(1, stage=Stage.ENDED))
    await journal.write(sale(2, stage=Stage.HELD))

    assert [one.request_id for one in await journal.open_sales()] == ["request-2", "request-3"]


async def test_sale_is_found_by_either_of_its_ids(journal: Journal) -> None:
    await journal.write(sale(1, process_id="1" * 34))
    await journal.write(sale(2, process_id="2" * 34))

    by_request = await journal.find("request-1")
    by_process = await journal.find("2" * 34)

    assert by_request is not None
    assert by_request.request_id == "request-1"
    assert by_process is not None
    assert by_process.request_id == "request-2"
    assert await journal.find("request-3") is None


@pytest.mark.parametrize(
    ("stage", "process_id", "is_used"),
    [
        (Stage.INTENT, None, True),
        (Stage.REVERSING, None, True),
        (Stage.ENDED, "1" * 34, True),
        (Stage.ENDED, None, False),
    ],
)
async def test_code_counts_as_used_while_its_sale_is_open_or_led_to_a_process(
    journal: Journal, stage: Stage, process_id: str | None, *, is_used: bool
) -> None:
    await journal.write(sale(stage=stage, process_id=process_id))

    assert (await journal.find_earlier_use(REFERENCE) is not None) is is_used


async def test_ended_sale_keeps_no_telephone_number(journal: Journal) -> None:
    called = Sale(
        request_id="request-1",
        started_at=1.0,
        stage=Stage.INTENT,
        asked="[]",
        telephone_number="+4930123456",
    )
    assert called.reference.look_up_key == TelephoneNumber(number="+4930123456")

    await journal.write(called.ended(outcome="refused", at=2.0))

    (kept,) = await journal.latest(1)
    assert kept.telephone_number is None


async def test_only_sales_settled_long_ago_are_forgotten(journal: Journal) -> None:
    now = 2_000_000_000.0
    await journal.write(replace(sale(1), stage=Stage.ENDED, ended_at=now - KEPT_SECONDS - 1))
    await journal.write(replace(sale(2), stage=Stage.ENDED, ended_at=now - KEPT_SECONDS + 1))
    await journal.write(sale(3, stage=Stage.SHOWN))

    await journal.forget_before(now)

    assert [one.request_id for one in await journal.latest(10)] == ["request-3", "request-2"]


def test_telephone_number_is_not_in_the_repr() -> None:
    called = Sale(
        request_id="r", started_at=1.0, stage=Stage.INTENT, asked="[]", telephone_number="+49301"
    )

    assert "+49301" not in repr(called)
