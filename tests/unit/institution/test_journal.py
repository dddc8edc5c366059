"""The journal of the simulator: what is told is on disk, and what was cut short is dropped."""

import os
from pathlib import Path

import pytest

from tallymark_institution.authorisation import Authorisation, State
from tallymark_institution.journal import Journal, JournalUnusable
from tallymark_institution.ledger import Ledger

KEY = b"k" * 32


def authorisation(identifier: str, *, tries: int = 1) -> Authorisation:
    return Authorisation(authorisation_id=identifier, state=State.DECIDED, tries=tries)


async def write(path: Path, *authorisations: Authorisation) -> None:
    journal = Journal.open(path, new_token_key=KEY)
    ledger = Ledger(journal, journal.authorisations)
    for each in authorisations:
        ledger.put(each)
    await ledger.flushed()
    journal.close()


def read(path: Path) -> Journal:
    journal = Journal.open(path, new_token_key=b"other key")
    journal.close()
    return journal


async def test_a_restart_finds_key_and_authorisations(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    await write(path, authorisation("a1"), authorisation("a2"))
    await write(path, authorisation("a1", tries=2))

    journal = read(path)

    ledger = Ledger(journal, journal.authorisations)
    assert journal.token_key == KEY
    assert ledger.get("a1") == authorisation("a1", tries=2)
    assert ledger.get("a2") == authorisation("a2")


async def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    await write(path, authorisation("a1"), authorisation("a1"))

    assert len(path.read_bytes().splitlines()) == 2


async def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    await write(path)

    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_line_that_was_cut_short_is_dropped_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    await write(path, authorisation("a1"), authorisation("a2"))
    content = path.read_bytes()
    kept = content[: content[:-1].rindex(b"\n") + 1]

    for length in range(len(kept), len(content)):
        path.write_bytes(content[:length])

        journal = read(path)

        assert [each.authorisation_id for each in journal.authorisations] == ["a1"]
        assert path.read_bytes() == kept


@pytest.mark.parametrize(
    "content",
    [
        b"someone's letter",
        b"someone's\nletter\n",
        b'{"type":"authorisation","authorisation_id":"a1","state":"DECIDED"}\n',
    ],
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "letter"
    path.write_bytes(content)

    with pytest.raises(JournalUnusable, match="Name another file"):
        Journal.open(path, new_token_key=KEY)

    assert path.read_bytes() == content


def test_two_simulators_cannot_share_one(tmp_path: Path) -> None:
    first = Journal.open(tmp_path / "journal", new_token_key=KEY)

    with pytest.raises(JournalUnusable, match="in use"):
        Journal.open(tmp_path / "journal", new_token_key=KEY)

    first.close()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalUnusable, match="cannot be opened"):
        Journal.open(tmp_path / "nowhere" / "journal", new_token_key=KEY)


async def test_nothing_is_told_after_a_line_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path / "journal", new_token_key=KEY)

    def full(_descriptor: int) -> None:
        message = "no space left on device"
        raise OSError(message)

    with monkeypatch.context() as disk:
        disk.setattr(os, "fdatasync", full)
        journal.append(authorisation("a1"))
        with pytest.raises(OSError, match="no space"):
            await journal.flushed()
    journal.append(authorisation("a2"))

    with pytest.raises(OSError, match="no space"):
        await journal.flushed()
    journal.close()
    assert '"a2"' not in (tmp_path / "journal").read_text(encoding="utf-8")
