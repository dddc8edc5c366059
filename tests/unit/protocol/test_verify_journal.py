"""`tallymark-verify journal`: an exported journal against what was kept elsewhere."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import MessageToJson

from tallymark.v1.operator_service_pb2 import JournalEntry
from tallymark_protocol.journal_chain import ChainedEntry
from tallymark_protocol.journal_messages import NotAnEntry, entry_of
from tallymark_protocol.timestamps import to_timestamp
from tallymark_protocol.verify_command import main
from tests.unit.protocol.journals import chained, checkpoint_at, journal_of

JOURNAL: Final = journal_of(30)
HELD: Final = str(checkpoint_at(JOURNAL, 25))


def line_of(entry: ChainedEntry) -> str:
    message = JournalEntry(
        sequence=entry.sequence,
        decided_at=to_timestamp(entry.decided_at),
        command=entry.command,
        caller=entry.caller,
        process_id=entry.process_id,
        state=entry.state,  # type: ignore[arg-type]  # the same numbers
        payload=entry.payload,
        chain_hash=entry.chain_hash,
    )
    return MessageToJson(message, indent=None, preserving_proto_field_name=True)


def exported(journal: list[ChainedEntry]) -> str:
    return "".join(line_of(entry) + "\n" for entry in journal)


def verify(text: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["journal", "-", *options], input=text)


def verify_json(text: str, *checkpoints: str) -> dict[str, Any]:
    held = [option for each in checkpoints for option in ("--checkpoint", each)]
    result = verify(text, "--json", *held)
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["good"] is (result.exit_code == 0) is (told["problems"] == [])
    return told


def test_line_is_read_as_the_entry_that_was_written() -> None:
    for entry in JOURNAL:
        assert entry_of(line_of(entry).encode()) == entry


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"{}",
        b"1",
        b'{"sequence": -1}',
        b'{"sequence": "one"}',
        b'{"sequence": 1.5}',
        b'{"decided_at": "2026-01-01T00:00:00.0001Z"}',
        b'{"chain_hash": 7}',
        b'{"payload": {}}',
        b"\xff",
        b'{"a":' * 5000,
        b'{"\\ud800": 1}',
    ],
)
def test_line_that_is_no_entry_is_refused(line: bytes) -> None:
    with pytest.raises(NotAnEntry):
        entry_of(line)


def test_good_journal_is_told_in_words() -> None:
    result = verify(exported(JOURNAL), "--checkpoint", HELD)

    assert result.exit_code == 0
    assert result.stdout == "Good: 30 entries, as the checkpoints saw them up to entry 25.\n"


def test_several_checkpoints_are_all_demanded() -> None:
    early, late = str(checkpoint_at(JOURNAL, 3)), str(checkpoint_at(JOURNAL, 30))
    wrong = late[:-1] + ("0" if late[-1] != "0" else "1")

    assert verify_json(exported(JOURNAL), early, HELD, late)["entries"] == 30
    assert verify_json(exported(JOURNAL), early, HELD, wrong)["problems"] == [
        {
            "sequence": 30,
            "fault": "rewritten",
            "text": "entry 30 is not what a checkpoint saw, nor may those after 25 be",
        }
    ]


def test_edited_entry_is_told_with_its_number() -> None:
    journal = [*JOURNAL[:6], replace(JOURNAL[6], caller="operator/eve"), *JOURNAL[7:]]

    result = verify(exported(journal), "--checkpoint", HELD)

    assert result.exit_code == 1
    assert result.stdout == "NOT GOOD:\n  - entry 7 or its chain value was changed\n"


def test_rewritten_journal_is_found_by_the_checkpoint_alone() -> None:
    rest = chained([replace(JOURNAL[9], state=9), *JOURNAL[10:]], JOURNAL[8].chain_hash)
    journal = exported([*JOURNAL[:9], *rest])

    (problem,) = verify_json(journal, HELD)["problems"]

    assert (problem["sequence"], problem["fault"]) == (25, "rewritten")
    assert verify_json(journal, str(checkpoint_at(JOURNAL, 9)))["good"]


def test_empty_journal_is_cut_off() -> None:
    (problem,) = verify_json("", HELD)["problems"]

    assert (problem["sequence"], problem["fault"]) == (1, "cut off")


def test_line_that_is_no_entry_is_told_with_its_number() -> None:
    lines = exported(JOURNAL).splitlines()
    lines[4] = "{broken"

    told = verify_json("\n".join(lines), HELD)

    assert told["entries"] == 29
    assert [problem["text"] for problem in told["problems"]] == [
        "line 5 is not an entry of a journal",
        "entry 5 is missing; the next one is 6",
    ]


def test_many_problems_are_counted_and_not_all_shown() -> None:
    result = verify("x\n" * 100, "--checkpoint", HELD)

    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 22
    assert result.stdout.endswith("  and 81 more\n")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--checkpoint", ""),
        ("--checkpoint", "tmc1:0:25"),
        ("--checkpoint", HELD.upper()),
        ("--checkpoint", HELD.replace("tmc1:0:", "tmc1:1:")),
    ],
)
def test_journal_is_not_checked_without_a_checkpoint_of_it(options: tuple[str, ...]) -> None:
    result = verify(exported(JOURNAL), *options)

    assert result.exit_code == 2
    assert "--checkpoint" in result.stderr
