from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallymark_phone.checkpoint_book import (
    ENTRIES_MAX,
    CheckpointBook,
    CheckpointsDamaged,
    contradictions,
)

MORNING = datetime(2030, 5, 1, 8, 0, tzinfo=UTC)
EVENING = MORNING + timedelta(hours=12)
NEXT_DAY = MORNING + timedelta(days=1)


@pytest.fixture
def book(tmp_path: Path) -> CheckpointBook:
    return CheckpointBook(tmp_path / "checkpoints.json")


def text(sequence: int, *, journal: str = "ab", partition: int = 0) -> str:
    return f"tmc1:{partition}:{sequence}:{journal * 16}"


def kept(book: CheckpointBook) -> list[str]:
    return [str(entry.checkpoint) for entry in book.entries()]


def note(book: CheckpointBook, *seen: tuple[str, datetime]) -> None:
    for each, seen_at in seen:
        book.note(each, seen_at=seen_at)


def test_the_last_one_of_each_day_is_kept(book: CheckpointBook) -> None:
    note(book, (text(1), MORNING), (text(5), EVENING), (text(5), NEXT_DAY), (text(9), NEXT_DAY))

    assert kept(book) == [text(5), text(9)]
    assert [entry.seen_at for entry in book.entries()] == [EVENING, NEXT_DAY]


def test_answers_that_come_out_of_order_change_nothing(book: CheckpointBook) -> None:
    note(book, (text(5), MORNING), (text(4), MORNING), (text(5), EVENING))

    assert kept(book) == [text(5)]
    assert not list(contradictions(book.entries()))


def test_what_is_no_checkpoint_is_passed_over(book: CheckpointBook) -> None:
    note(book, ("tmc2:0:1:00", MORNING), ("", MORNING), (f"{text(1)}\n", MORNING))

    assert kept(book) == []


def test_the_oldest_are_given_up(book: CheckpointBook) -> None:
    days = [(text(day), MORNING + timedelta(days=day)) for day in range(ENTRIES_MAX + 2)]

    note(book, *days)

    assert kept(book) == [each for each, _ in days[2:]]


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param([(text(5), MORNING), (text(5, journal="cd"), EVENING)], id="two at once"),
        pytest.param([(text(5), MORNING), (text(4), NEXT_DAY)], id="shorter the next day"),
    ],
)
def test_a_journal_with_two_pasts_contradicts_itself(
    book: CheckpointBook, seen: list[tuple[str, datetime]]
) -> None:
    note(book, *seen)
    # What comes later does not cover it up.
    note(book, (text(6, journal="cd"), NEXT_DAY), (text(7, journal="cd"), NEXT_DAY))

    found = [
        (str(before.checkpoint), str(after.checkpoint))
        for before, after in contradictions(book.entries())
    ]
    assert found == [(seen[0][0], seen[1][0])]


def test_journals_of_other_partitions_do_not_contradict_each_other(book: CheckpointBook) -> None:
    other = [(text(sequence, partition=1), EVENING) for sequence in (3, 4)]

    note(book, (text(5), MORNING), *other, (text(6), NEXT_DAY))

    assert kept(book) == [text(5), text(4, partition=1), text(6)]
    assert not list(contradictions(book.entries()))


@pytest.mark.parametrize("content", ["{", "{}", '[{"seen_at": "today"}]', '["tmc1"]'])
def test_a_damaged_file_is_named_and_not_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "checkpoints.json"
    path.write_text(content, "utf-8")

    for read in (
        CheckpointBook(path).entries,
        lambda: note(CheckpointBook(path), (text(1), NEXT_DAY)),
    ):
        with pytest.raises(CheckpointsDamaged, match=r"checkpoints\.json"):
            read()

    assert path.read_text("utf-8") == content
