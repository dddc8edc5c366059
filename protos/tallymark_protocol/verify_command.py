"""`tallymark-verify`: checks evidence without asking, or trusting, the server that gave it."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, BinaryIO, Final

import click

from tallymark_protocol.checkpoint import NotACheckpoint, ShortCheckpoint, parse_checkpoint
from tallymark_protocol.journal_chain import ChainedEntry, check_journal
from tallymark_protocol.journal_messages import NotAnEntry, entry_of
from tallymark_protocol.verified_receipt import NotAReceipt, VerifiedReceipt, verify_receipt
from tallymark_protocol.verified_words import describe_receipt, printable

__all__ = ["main"]

_PARTITION: Final = 0
"""Of the journal that a server exports."""

_PROBLEMS_SHOWN: Final = 20
_KEY_HASH: Final = re.compile("[0-9a-fA-F]{64}")


def _epilog(*examples: str) -> str:
    lines = ("\b", "Examples:", *(f"  tallymark-verify {example}" for example in examples))
    return "\n".join((*lines, "", "\b", "Exit codes: 0 good, 1 not good, 2 wrong use."))


def _checkpoints(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[ShortCheckpoint, ...]:
    try:
        checkpoints = tuple(parse_checkpoint(text) for text in texts)
    except NotACheckpoint as error:
        raise click.BadParameter(str(error)) from error
    if any(checkpoint.partition != _PARTITION for checkpoint in checkpoints):
        message = f"an exported journal is that of partition {_PARTITION}"
        raise click.BadParameter(message)
    return checkpoints


def _key_hash(_: click.Context, __: click.Parameter, text: str) -> str:
    if text and not _KEY_HASH.fullmatch(text):
        message = "the hash of a key has 64 hexadecimal digits"
        raise click.BadParameter(message)
    return text.lower()


_AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(epilog=_epilog("confirmation receipt.json", "journal journal.jsonl --checkpoint ..."))
@click.version_option(package_name="tallymark-protos")
def main() -> None:
    """Check receipts and journals of Tallymark, on any machine, without a server."""


@main.command(
    epilog=_epilog(
        "confirmation receipt.json",
        "confirmation --json - < receipt.json",
        "confirmation receipt.json --device-key-hash 4f2a...",
    )
)
@click.argument("file", type=click.File("rb"))
@click.option(
    "--device-key-hash",
    callback=_key_hash,
    default="",
    metavar="HASH",
    help="Hash of the customer's device key: only this one may have signed.",
)
@_AS_JSON
@click.pass_context
def confirmation(
    context: click.Context, *, file: BinaryIO, device_key_hash: str, as_json: bool
) -> None:
    """Check the customer's signed yes in a receipt.

    FILE is the receipt in JSON, as a phone saves it (- for standard input). The device's signature
    must fit what was signed, and the receipt must say the same: merchant, terminal, every action
    with its amount, and the totals.
    """
    try:
        verified = verify_receipt(file.read(), device_key_hash=device_key_hash)
    except NotAReceipt as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps(_as_json(verified), ensure_ascii=False))
    else:
        _tell(
            verified.problems, good="Good: the device signed this, and the receipt says the same."
        )
        for line in describe_receipt(verified, is_key_known=bool(device_key_hash)):
            click.echo(line)
    context.exit(1 if verified.problems else 0)


@main.command(
    epilog=_epilog(
        "journal journal.jsonl --checkpoint tmc1:0:1234:000102030405060708090a0b0c0d0e0f",
    )
)
@click.argument("file", type=click.File("rb"))
@click.option(
    "--checkpoint",
    "checkpoints",
    callback=_checkpoints,
    multiple=True,
    required=True,
    metavar="TEXT",
    help="What was kept away from the server: tmc1:.... Give as many as there are.",
)
@_AS_JSON
@click.pass_context
def journal(
    context: click.Context,
    *,
    file: BinaryIO,
    checkpoints: tuple[ShortCheckpoint, ...],
    as_json: bool,
) -> None:
    """Check an exported journal against checkpoints.

    FILE has one entry a line, in JSON, from the first one on (- for standard input). Checkpoints
    come with every answer of the server, and stand on receipts. What comes after the last one is
    only checked to fit together.
    """
    reading = _Reading(file)
    findings = check_journal(reading.entries(), checkpoints, partition=_PARTITION)
    problems = [*reading.problems, *(asdict(finding) for finding in findings)]
    vouched = max(checkpoint.sequence for checkpoint in checkpoints)
    if as_json:
        told = {"good": not problems, "entries": reading.count, "problems": problems}
        click.echo(json.dumps(told))
    else:
        good = f"Good: {reading.count} entries, as the checkpoints saw them up to entry {vouched}."
        _tell([problem["text"] for problem in problems], good=good)
    context.exit(1 if problems else 0)


class _Reading:
    """Lines of a file that become entries as they are asked for."""

    def __init__(self, lines: BinaryIO) -> None:
        """Take the open file."""
        self._lines = lines
        self.count = 0
        self.problems: list[dict[str, Any]] = []

    def entries(self) -> Iterator[ChainedEntry]:
        """Yield each entry, and note each line that is none."""
        for number, line in enumerate(self._lines, start=1):
            try:
                entry = entry_of(line)
            except NotAnEntry:
                text = f"line {number} is not an entry of a journal"
                self.problems.append({"sequence": None, "fault": "unreadable", "text": text})
            else:
                self.count += 1
                yield entry


def _tell(problems: Sequence[str], *, good: str) -> None:
    click.echo("NOT GOOD:" if problems else good)
    for problem in problems[:_PROBLEMS_SHOWN]:
        click.echo(f"  - {printable(problem)}")
    if len(problems) > _PROBLEMS_SHOWN:
        click.echo(f"  and {len(problems) - _PROBLEMS_SHOWN} more")


def _as_json(verified: VerifiedReceipt) -> dict[str, object]:
    checkpoint = verified.checkpoint
    return {
        "good": not verified.problems,
        "problems": verified.problems,
        "confirmation": asdict(verified.confirmation) if verified.confirmation else None,
        "device_key_hash": verified.device_key_hash or None,
        "device_id": verified.device_id or None,
        "confirmed_at": verified.confirmed_at or None,
        "checkpoint": str(checkpoint.checkpoint) if checkpoint else None,
        "audit_key_hash": checkpoint.audit_key_hash if checkpoint else None,
    }
