"""The gateway's journal: on disk before it is told, alone on its file, numbers never used twice."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tallymark_institution.iso8583.gateway.authorisation import Authorisation
from tallymark_institution.iso8583.gateway.journal import (
    Journal,
    JournalUnusable,
    NewSerial,
    open_database,
)

FULL = 2
"""Synced at every commit, in the numbers of SQLite."""


def mark(authorisation_id: str, arrived_at: float = 0) -> Authorisation:
    return Authorisation(authorisation_id=authorisation_id, arrived_at=arrived_at)


def leave(known: Authorisation | None, _: NewSerial) -> Authorisation:
    return known or mark("a1")


def arrive(new: Authorisation, _: Authorisation | None, __: NewSerial) -> Authorisation:
    return new


async def serials(journal: Journal, count: int) -> list[int]:
    drawn: list[int] = []

    def draw(known: Authorisation | None, new_serial: NewSerial) -> Authorisation | None:
        drawn.append(new_serial())
        return known

    await asyncio.gather(*(journal.change("a1", draw) for _ in range(count)))
    return drawn


async def test_a_restart_remembers_what_was_told(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal")
    change = await journal.change("a1", leave)
    journal.close()

    journal = Journal.open(tmp_path / "journal")
    found = await journal.find("a1")
    journal.close()

    assert change.before is None
    assert found == change.after == mark("a1")


async def test_numbers_are_never_used_twice_not_even_by_the_next_process(tmp_path: Path) -> None:
    drawn: list[int] = []
    for _ in range(3):
        journal = Journal.open(tmp_path / "journal")
        drawn += await serials(journal, 10)
        journal.close()

    assert sorted(drawn) == sorted(set(drawn))
    assert len(drawn) == 30


async def test_a_rule_that_raises_is_alone(tmp_path: Path) -> None:
    def fail(_: Authorisation | None, __: NewSerial) -> Authorisation:
        raise ValueError

    journal = Journal.open(tmp_path / "journal")
    outcomes = await asyncio.gather(
        journal.change("a1", leave), journal.change("a1", fail), return_exceptions=True
    )
    found = await journal.find("a1")
    journal.close()

    assert isinstance(outcomes[1], ValueError)
    assert found == mark("a1")


async def test_a_caller_who_goes_takes_nothing_back(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal")
    change = asyncio.create_task(journal.change("a1", leave))
    await asyncio.sleep(0)
    change.cancel()

    found = await journal.find("a1")
    journal.close()

    assert found == mark("a1")


async def test_a_second_gateway_is_refused(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal")

    with pytest.raises(JournalUnusable, match="Stop the gateway that uses it"):
        Journal.open(tmp_path / "journal")

    journal.close()


@pytest.mark.parametrize("name", [".", "nowhere/journal"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalUnusable, match="Name a file that may be written"):
        Journal.open(tmp_path / name)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_text("Dear Ana, " * 1000)

    with pytest.raises(JournalUnusable, match="not a database"):
        Journal.open(path)


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    database = open_database(tmp_path / "journal")
    database.execute("UPDATE numbers SET value = 1")
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    database.close()

    assert modes == {0o600}


async def test_after_a_failure_nothing_more_is_promised(tmp_path: Path) -> None:
    database = open_database(tmp_path / "journal")
    journal = Journal(database)
    database.execute("PRAGMA query_only = ON")

    with pytest.raises(JournalUnusable, match="readonly"):
        await journal.change("a1", leave)
    database.execute("PRAGMA query_only = OFF")
    with pytest.raises(JournalUnusable, match="Start the gateway again"):
        await journal.change("a1", leave)
    with pytest.raises(JournalUnusable):
        await journal.card("any")

    journal.close()


def test_what_is_told_was_synced(tmp_path: Path) -> None:
    database = open_database(tmp_path / "journal")
    settings = [
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    ]
    database.close()

    assert settings == ["wal", FULL]


async def test_a_span_of_time_comes_oldest_first_and_in_pages(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal")
    for name, arrived_at in [("c", 2.0), ("a", 2.0), ("b", 1.0), ("d", 3.0), ("e", 0.5)]:
        await journal.change(name, partial(arrive, mark(name, arrived_at)))

    pages: list[list[str]] = []
    after = (-1.0, "")
    while page := await journal.arrived(since=1.0, until=3.0, after=after, limit=2):
        pages.append([known.authorisation_id for known in page])
        after = (page[-1].arrived_at, page[-1].authorisation_id)
    journal.close()

    assert pages == [["b", "a"], ["c"]]
