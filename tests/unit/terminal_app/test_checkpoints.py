"""The terminal as a witness of the server's journal."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark.v1 import key_pb2, terminal_service_pb2
from tallymark_protocol.checkpoint import Checkpoint
from tallymark_protocol.witness import NewestWitness
from tallymark_terminal.checkpoint_book import CheckpointBook
from tallymark_terminal.checkpoint_records import CheckpointRecords, SignedCheckpoint
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.server_clock import ServerClock, ServerTime
from tallymark_terminal.trust_messages import key_table_value
from tests.doubles.journal import JournalDouble

NOON = 1_899_979_200.0  # 2030-03-17 12:00 UTC
HOUR = 3_600.0
DAY = 86_400.0


@dataclass
class Witness:
    """One terminal over several runs, with a server's journal to watch."""

    file: JournalFile
    now: float = NOON
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = JournalDouble(now=lambda: self.now)
        self.records = CheckpointRecords(self.file)
        self.start()

    def start(self, *, knows_time: bool = True) -> None:
        """Start the program."""
        self.clock = ServerClock(steady=lambda: self.now)
        if knows_time:
            reading = ServerTime(
                server_seconds=self.now, steady_seconds=self.now, uncertainty_seconds=0
            )
            self.clock.set(reading)
        self.book = CheckpointBook(
            records=self.records,
            clock=self.clock,
            witness=NewestWitness(),
            warn=self.warnings.append,
        )

    async def hear(self, checkpoint: Checkpoint | None = None) -> str:
        """Hear a checkpoint, by default the next one, and write it down."""
        text = str(checkpoint or self.journal.grow())
        self.book.hear(text)
        await self.book.save()
        return text

    async def hear_signed(self, signed: SignedCheckpoint | None = None) -> SignedCheckpoint:
        signed = signed or self.signed()
        await self.book.hear_signed(signed)
        return signed

    def signed(self) -> SignedCheckpoint:
        """Return the next signed checkpoint, as the terminal reads it."""
        message = terminal_service_pb2.ListVerificationKeysResponse(
            checkpoint=self.journal.signed()
        )
        checkpoint = key_table_value(message, sent_at=0, answered_at=0).checkpoint
        assert checkpoint is not None
        return checkpoint

    async def kept(self) -> list[str]:
        return [str(one.checkpoint) for one in await self.records.all()]


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with contextlib.closing(JournalFile(tmp_path / "journal.sqlite3")) as file:
        yield Witness(file)


async def test_newest_of_each_day_is_kept(witness: Witness) -> None:
    await witness.hear()
    first_day = await witness.hear()
    witness.now += DAY
    second_day = await witness.hear()

    assert await witness.kept() == [first_day, second_day]
    newest = await witness.records.newest()
    assert newest is not None
    assert str(newest.checkpoint) == second_day
    assert newest.heard_at == NOON + DAY
    assert not witness.warnings


async def test_days_are_the_servers(witness: Witness) -> None:
    witness.now = NOON + DAY / 2 - 1
    before_midnight = await witness.hear()
    witness.now += 2
    after_midnight = await witness.hear()

    assert await witness.kept() == [before_midnight, after_midnight]


async def test_answer_that_comes_late_replaces_no_newer_one(witness: Witness) -> None:
    early, late = witness.journal.grow(), witness.journal.grow()
    witness.book.hear(str(late))
    witness.book.hear(str(early))
    await witness.book.save()
    await witness.hear(early)

    assert await witness.kept() == [str(late)]
    assert not witness.warnings


async def test_nothing_is_written_before_the_servers_time_is_known(witness: Witness) -> None:
    witness.start(knows_time=False)
    text = await witness.hear()
    assert await witness.kept() == []

    witness.clock.set(
        ServerTime(server_seconds=NOON, steady_seconds=witness.now, uncertainty_seconds=0)
    )
    await witness.book.save()

    assert await witness.kept() == [text]


async def test_partitions_have_journals_of_their_own(witness: Witness) -> None:
    one = witness.journal.grow()
    other = Checkpoint(partition=1, sequence=one.sequence, chain_hash=bytes(32))

    await witness.hear(one)
    await witness.hear(other)

    assert await witness.kept() == [str(one), str(other)]
    assert not witness.warnings


@pytest.mark.parametrize("text", ["", "tmc2:0:1:00", "tmc1:0:1", "\x00"])
async def test_form_of_a_newer_server_is_passed_over(witness: Witness, text: str) -> None:
    witness.book.hear(text)
    await witness.book.save()

    assert await witness.kept() == []
    assert not witness.warnings


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_two_histories_are_a_loud_warning(witness: Witness, *, is_restarted: bool) -> None:
    await witness.hear()
    witness.journal.sequence -= 1
    witness.journal.history = "as somebody wants it"
    if is_restarted:
        witness.start()

    await witness.hear()

    (warning,) = witness.warnings
    assert warning.startswith("WARNING: the server has shown two different journals.")


async def test_two_histories_within_a_moment_are_a_loud_warning(witness: Witness) -> None:
    witness.book.hear(str(witness.journal.grow()))
    witness.journal.sequence -= 1
    witness.journal.history = "as somebody wants it"

    witness.book.hear(str(witness.journal.grow()))

    assert len(witness.warnings) == 1


async def test_journal_that_became_shorter_is_a_loud_warning(witness: Witness) -> None:
    longest = await witness.hear()
    witness.journal.sequence -= 50
    witness.now += 11
    witness.start()

    await witness.hear()
    await witness.hear()

    (warning,) = witness.warnings
    assert "shorter than it was" in warning
    # The one that proves it stays.
    assert await witness.kept() == [longest]


async def test_first_signed_checkpoint_is_kept_and_then_at_most_one_an_hour(
    witness: Witness,
) -> None:
    for _ in range(7):
        await witness.hear_signed()
        witness.now += HOUR / 3

    kept = await witness.records.all_signed()
    assert [one.signed_at for one in kept] == [int((NOON + HOUR * n) * 1000) for n in range(3)]
    assert all(one.is_genuine() for one in kept)
    assert not witness.warnings


async def test_another_audit_key_is_a_loud_warning_and_both_are_kept(witness: Witness) -> None:
    first = await witness.hear_signed()
    witness.journal.audit_key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    witness.start()

    second = await witness.hear_signed()
    await witness.hear_signed()

    (warning,) = witness.warnings
    assert warning.startswith("WARNING: the server's audit key is not the one of before.")
    kept = await witness.records.all_signed()
    assert [one.audit_key for one in kept] == [first.audit_key, second.audit_key]


async def test_key_of_before_is_still_the_first_after_another_one(witness: Witness) -> None:
    first_key = witness.journal.audit_key
    await witness.hear_signed()
    witness.journal.audit_key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    await witness.hear_signed()
    witness.start()
    witness.warnings.clear()
    witness.journal.audit_key = first_key

    await witness.hear_signed()

    assert not witness.warnings


@pytest.mark.parametrize(
    "change",
    [
        {"signature": bytes(64)},
        {"signature": b""},
        {"sequence": 100_000},
        {"signed_at": 1},
        {"signed_at": -1},
        {"partition": 300},
        {"chain_hash": bytes(31)},
        {"audit_key": b""},
        {"audit_key": bytes(5)},
    ],
    ids=str,
)
async def test_false_signature_is_a_loud_warning_and_is_not_kept(
    witness: Witness, change: dict[str, object]
) -> None:
    await witness.hear_signed(replace(witness.signed(), **change))  # type: ignore[arg-type] # by name

    (warning,) = witness.warnings
    assert "signature on its journal is false" in warning
    assert await witness.records.all_signed() == []


async def test_two_signed_histories_are_both_kept(witness: Witness) -> None:
    await witness.hear_signed()
    witness.journal.sequence -= 1
    witness.journal.history = "as somebody wants it"

    await witness.hear_signed()

    assert len(witness.warnings) == 1
    one, other = await witness.records.all_signed()
    assert one.sequence == other.sequence
    assert one.chain_hash != other.chain_hash


async def test_signed_checkpoint_counts_as_a_short_one_too(witness: Witness) -> None:
    signed = await witness.hear_signed()
    await witness.book.save()

    assert await witness.kept() == [str(signed.checkpoint)]


def test_checkpoint_of_another_kind_of_key_or_time_is_not_genuine() -> None:
    journal = JournalDouble(now=lambda: NOON)
    message = terminal_service_pb2.ListVerificationKeysResponse(checkpoint=journal.signed())
    message.checkpoint.signed_at.nanos = 1
    odd_time = key_table_value(message, sent_at=0, answered_at=0).checkpoint
    message = terminal_service_pb2.ListVerificationKeysResponse(checkpoint=journal.signed())
    message.checkpoint.audit_key.algorithm = key_pb2.KEY_ALGORITHM_ES256
    odd_key = key_table_value(message, sent_at=0, answered_at=0).checkpoint

    assert odd_time is not None
    assert not odd_time.is_genuine()
    assert odd_key is not None
    assert not odd_key.is_genuine()


async def test_trouble_with_the_file_is_said_and_stops_no_sale(
    witness: Witness, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "journal.sqlite3") as other:
        other.execute("DROP TABLE checkpoints")
        other.execute("DROP TABLE signed_checkpoints")
    other.close()

    await witness.hear_signed()
    await witness.hear()

    (warning,) = witness.warnings
    assert "cannot be written down" in warning
