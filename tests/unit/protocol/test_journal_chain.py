"""The chain of a journal: each fault is found, at the first entry that is wrong."""

import hashlib
from dataclasses import fields, replace
from itertools import combinations
from typing import Any, Final

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.checkpoint import Checkpoint, ShortCheckpoint
from tallymark_protocol.journal_chain import (
    GENESIS_HASH,
    ChainedEntry,
    Fault,
    Finding,
    chain_hash,
    check_journal,
)
from tests.unit.protocol.journals import chained, checkpoint_at, journal_of

JOURNAL: Final = journal_of(12)
HELD: Final[list[Checkpoint | ShortCheckpoint]] = [
    checkpoint_at(JOURNAL, 5),
    checkpoint_at(JOURNAL, 10).short(),
]
FACTS: Final[dict[str, Any]] = {
    "partition": 3,
    "sequence": 17,
    "decided_at": 1_790_000_000_123,
    "command": "ResolveCode",
    "caller": "terminal/till-1",
    "process_id": "00" * 17,
    "state": 3,
    "payload": '{"changed":["codes"]}',
}


def test_chain_value_is_that_of_the_specification() -> None:
    payload_hash = hashlib.sha256(b'{"changed":["codes"]}').digest()
    link = cbor2.dumps(
        [
            "tallymark journal",
            1,
            bytes(32),
            3,
            17,
            1_790_000_000_123,
            "ResolveCode",
            "terminal/till-1",
            "00" * 17,
            3,
            payload_hash,
        ]
    )

    assert chain_hash(GENESIS_HASH, **FACTS) == hashlib.sha256(link).digest()


def test_facts_that_read_alike_when_they_are_joined_have_two_chain_values() -> None:
    alike = (
        {"command": "A", "caller": "B|C", "process_id": "D"},
        {"command": "A|B", "caller": "C", "process_id": "D"},
        {"command": "A", "caller": "B", "process_id": "C|D"},
        {"command": "AB|C", "caller": "D", "process_id": ""},
        {"command": "A", "caller": "", "process_id": "B|C|D"},
    )

    values = {chain_hash(GENESIS_HASH, **{**FACTS, **facts}) for facts in alike}

    assert len(values) == len(alike)


texts = st.text("|:a1", max_size=3) | st.text(max_size=3)
entry_facts = st.fixed_dictionaries(
    {
        "partition": st.integers(0, 2),
        "sequence": st.integers(1, 300),
        "decided_at": st.integers(0, 300),
        "command": texts,
        "caller": texts,
        "process_id": texts,
        "state": st.integers(0, 30),
        "payload": texts,
    }
)


@given(entry_facts, entry_facts, st.sampled_from(tuple(FACTS)))
def test_two_entries_have_two_chain_values(
    one: dict[str, Any], other: dict[str, Any], fact: str
) -> None:
    nearly = {**one, fact: other[fact]}

    for each in (other, nearly):
        assert (chain_hash(GENESIS_HASH, **one) == chain_hash(GENESIS_HASH, **each)) is (
            one == each
        )
    assert chain_hash(b"\x01" * 32, **one) != chain_hash(GENESIS_HASH, **one)


@pytest.mark.parametrize("size", [0, 1, 2, 12])
def test_sound_journal_has_no_finding(size: int) -> None:
    journal = journal_of(size)
    checkpoints = [checkpoint_at(journal, sequence) for sequence in range(1, size + 1)]

    assert check_journal(journal, []) == []
    assert check_journal(journal, checkpoints) == []
    assert check_journal(iter(journal), [each.short() for each in checkpoints]) == []


def test_entries_after_the_last_checkpoint_may_follow() -> None:
    assert check_journal(JOURNAL, HELD) == []
    assert check_journal(JOURNAL[:10], HELD) == []


def test_checkpoint_of_an_empty_journal_is_met_by_every_journal() -> None:
    empty = replace(checkpoint_at(JOURNAL, 1), sequence=0, chain_hash=GENESIS_HASH)

    assert check_journal(JOURNAL, [empty]) == check_journal([], [empty]) == []
    assert check_journal(JOURNAL, [replace(empty, chain_hash=b"\x01" * 32)]) == [
        Finding(
            sequence=0,
            fault=Fault.REWRITTEN,
            text="entry 0 is not what a checkpoint saw, nor may those after 0 be",
        )
    ]


@pytest.mark.parametrize("sequence", range(1, 13))
@pytest.mark.parametrize("field", [field.name for field in fields(ChainedEntry)][1:])
def test_edited_entry_is_found(field: str, sequence: int) -> None:
    changes: dict[str, Any] = {
        "decided_at": 1,
        "command": "Nothing",
        "caller": "operator/eve",
        "process_id": "ff" * 17,
        "state": 11,
        "payload": "{}",
        "chain_hash": bytes(32),
        "payload_hash": bytes(32),
    }
    journal = list(JOURNAL)
    journal[sequence - 1] = replace(journal[sequence - 1], **{field: changes[field]})

    (first, *_) = check_journal(journal, HELD)

    assert (first.sequence, first.fault) == (sequence, Fault.EDITED)
    assert first.text == f"entry {sequence} or its chain value was changed"


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 4), (3, 3), (3, 7), (5, 5), (11, 11)])
def test_missing_entries_are_found(first: int, last: int) -> None:
    journal = JOURNAL[: first - 1] + JOURNAL[last:]

    findings = check_journal(journal, HELD)

    text = f"entry {first} is missing; the next one is {last + 1}"
    assert findings == [Finding(sequence=first, fault=Fault.MISSING, text=text)]


@pytest.mark.parametrize(("one", "other"), list(combinations((1, 2, 5, 9, 12), 2)))
def test_swapped_entries_are_found_out_of_order(one: int, other: int) -> None:
    journal = list(JOURNAL)
    journal[one - 1], journal[other - 1] = journal[other - 1], journal[one - 1]

    findings = check_journal(journal, HELD)

    assert (findings[0].sequence, findings[0].fault) == (one, Fault.OUT_OF_ORDER)
    assert {finding.fault for finding in findings} == {Fault.OUT_OF_ORDER}


def test_entry_that_stands_there_twice_is_found() -> None:
    findings = check_journal([*JOURNAL[:4], *JOURNAL[2:]], HELD)

    assert [(each.sequence, each.fault) for each in findings] == [
        (3, Fault.OUT_OF_ORDER),
        (4, Fault.OUT_OF_ORDER),
    ]
    assert findings[0].text == "entry 3 stands where entry 5 belongs"


def test_entries_that_were_renumbered_after_a_swap_are_found_edited() -> None:
    third, fourth = JOURNAL[2], JOURNAL[3]
    swapped = [replace(fourth, sequence=3), replace(third, sequence=4)]

    (first, *_) = check_journal([*JOURNAL[:2], *swapped, *JOURNAL[4:]], HELD)

    assert (first.sequence, first.fault) == (3, Fault.EDITED)


@pytest.mark.parametrize("size", [0, 3, 9])
def test_journal_that_was_cut_off_before_a_checkpoint_is_found(size: int) -> None:
    (first, *_) = findings = check_journal(JOURNAL[:size], HELD)

    assert (first.sequence, first.fault) == (size + 1, Fault.CUT_OFF)
    assert findings[-1].text == f"the journal ends with entry {size}, but a checkpoint saw 10"
    assert check_journal(JOURNAL[:size], []) == []


@pytest.mark.parametrize("start", [1, 5, 6, 10])
def test_journal_that_was_rewritten_from_an_entry_on_is_found(start: int) -> None:
    before = JOURNAL[start - 2].chain_hash if start > 1 else GENESIS_HASH
    edited = [replace(JOURNAL[start - 1], caller="operator/eve"), *JOURNAL[start:]]
    journal = [*JOURNAL[: start - 1], *chained(edited, before)]

    (first, *_) = check_journal(journal, HELD)

    vouched, number = (5, 10) if start > 5 else (0, 5)
    text = f"entry {number} is not what a checkpoint saw, nor may those after {vouched} be"
    assert first == Finding(sequence=number, fault=Fault.REWRITTEN, text=text)
    assert check_journal(journal, []) == []


def test_journal_of_another_partition_is_found() -> None:
    journal = chained(JOURNAL, partition=1)

    (first, *_) = check_journal(journal, [])

    assert (first.sequence, first.fault) == (1, Fault.EDITED)
    assert check_journal(journal, [], partition=1) == []


def test_checkpoint_of_another_partition_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="another partition"):
        check_journal(JOURNAL, HELD, partition=1)


def test_absurd_numbers_take_no_time() -> None:
    far = replace(JOURNAL[1], sequence=2**62)
    below = replace(JOURNAL[1], sequence=-5)

    findings = check_journal([JOURNAL[0], far, below, *JOURNAL[1:]], [])

    assert {finding.fault for finding in findings} == {Fault.MISSING, Fault.OUT_OF_ORDER}
