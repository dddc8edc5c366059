from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson

from tallymark_admin.journal_file import JournalFile, WrongFile
from tests.doubles.operator_access import entry_message
from tests.unit.protocol.journals import journal_of

LINES = [MessageToJson(entry_message(e), indent=None).encode() for e in journal_of(5)]
WHOLE = b"".join(line + b"\n" for line in LINES)


def test_a_file_that_was_cut_off_anywhere_goes_on_where_its_last_whole_line_ends(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.jsonl"
    for kept_bytes in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:kept_bytes])

        with JournalFile(path) as file:
            assert file.last_sequence == WHOLE[:kept_bytes].count(b"\n")
            if rest := LINES[file.last_sequence :]:
                file.append(rest)
            assert file.last_sequence == len(LINES)

        assert path.read_bytes() == WHOLE


def test_only_what_follows_is_added(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(WHOLE[: len(LINES[0]) + 1])

    with JournalFile(path) as file, pytest.raises(WrongFile, match="does not go on"):
        file.append(LINES[2:])

    assert path.read_bytes() == LINES[0] + b"\n"


def test_a_damaged_last_line_is_told_and_left(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"sequence": "1", "decidedAt": 5}\n')

    with pytest.raises(WrongFile, match="is damaged"):
        JournalFile(path)

    assert path.read_bytes() == b'{"sequence": "1", "decidedAt": 5}\n'
