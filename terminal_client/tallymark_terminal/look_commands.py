"""The commands that show what the terminal knows: status, journal, keys, checkpoints."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from tallymark_protocol.checkpoint import ShortCheckpoint
from tallymark_protocol.errors import TallymarkError
from tallymark_terminal.app import Terminal, build_display, open_terminal
from tallymark_terminal.checkpoint_records import CheckpointRecords, SignedCheckpoint
from tallymark_terminal.command_line import home_option, json_option, run
from tallymark_terminal.home import Home
from tallymark_terminal.journal import Journal
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.json_view import (
    Json,
    as_line,
    journal_view,
    signed_checkpoint_view,
    value_view,
)
from tallymark_terminal.key_table import KeyTable
from tallymark_terminal.plain_words import Words
from tallymark_terminal.sale_results import EXIT_CODE_OF, ExitCode

__all__ = ["checkpoints", "journal", "keys", "status"]


@click.command()
@home_option
@json_option
def status(home: Home, *, as_json: bool) -> None:
    """Show which terminal this is and how it stands, without asking the server."""
    run(_status(home, as_json=as_json))


@click.command()
@home_option
@json_option
@click.option("--count", default=20, show_default=True, type=click.IntRange(min=1))
def journal(home: Home, count: int, *, as_json: bool) -> None:
    """List the last sales as this terminal knows them, without asking the server."""
    run(_journal(home, count=count, as_json=as_json))


@click.command()
@home_option
@json_option
def keys(home: Home, *, as_json: bool) -> None:
    """Show the keys and the epoch that codes are checked with, and how this clock differs."""
    run(_keys(home, as_json=as_json))


@click.command()
@home_option
@json_option
@click.option("--signed", "is_signed", is_flag=True, help="The newest one that the server signed.")
def checkpoints(home: Home, *, as_json: bool, is_signed: bool) -> None:
    """Print the checkpoints of the server's journal that this terminal keeps.

    Give them to whoever verifies the journal: tallymark-admin audit verify --checkpoint FILE takes
    what this prints, with --signed or without any option.
    """
    run(_checkpoints(home, as_json=as_json, is_signed=is_signed))


@contextlib.contextmanager
def _open_file(home: Home) -> Iterator[JournalFile]:
    """Open the journal of an enrolled terminal."""
    home.read_identity()
    with contextlib.closing(JournalFile(home.journal_path)) as file:
        yield file


async def _status(home: Home, *, as_json: bool) -> ExitCode:
    display = build_display(as_json=as_json)
    identity = home.read_identity()
    with _open_file(home) as file:
        newest = await CheckpointRecords(file).newest()
        audit_keys = {one.audit_key for one in await CheckpointRecords(file).all_signed()}
        open_count = len(await Journal(file).open_sales())
    heard_at = datetime.fromtimestamp(newest.heard_at, tz=UTC) if newest else None
    certificate = identity.certificate
    if as_json:
        view: dict[str, Json] = {
            "terminal_id": identity.terminal_id,
            "merchant_id": identity.merchant_id,
            "merchant_name": identity.merchant_name,
            "server": identity.server,
            "key_hash": identity.key.key_hash(),
            "certificate_renew_at": value_view(certificate.renew_at),
            "certificate_expires_at": value_view(certificate.expires_at),
            "checkpoint": str(newest.checkpoint) if newest else None,
            "checkpoint_heard_at": value_view(heard_at),
            "audit_keys": len(audit_keys),
            "open_sales": open_count,
        }
        display.text_line(as_line(view))
        return ExitCode.DONE
    time_of = Words().time
    display.line(f"Terminal {identity.terminal_id} of {identity.merchant_name}")
    display.line(f"Merchant: {identity.merchant_id}")
    display.line(f"Server: {identity.server}")
    display.line(
        f"Certificate: good until {time_of(certificate.expires_at)}, "
        f"renewed from {time_of(certificate.renew_at)}"
    )
    checkpoint = f"{newest.checkpoint}, {time_of(heard_at)}" if newest else "none yet"
    display.line(f"Newest checkpoint: {checkpoint}")
    display.line(f"Open sales: {open_count}")
    if len(audit_keys) > 1:
        display.warning("WARNING: checkpoints were signed by more than one key. Tell the operator.")
    return ExitCode.DONE


async def _journal(home: Home, *, count: int, as_json: bool) -> ExitCode:
    display = build_display(as_json=as_json)
    with _open_file(home) as file:
        sales = await Journal(file).latest(count)
    views = [journal_view(sale) for sale in sales]
    if as_json:
        for view in views:
            display.text_line(as_line(view))
        return ExitCode.DONE
    columns = ("started_at", "stage", "outcome", "state", "request_id", "process_id")
    display.table(columns, [[str(view[name] or "-") for name in columns] for view in views])
    return ExitCode.DONE


async def _checkpoints(home: Home, *, as_json: bool, is_signed: bool) -> ExitCode:
    display = build_display(as_json=as_json)
    with _open_file(home) as file:
        short = await CheckpointRecords(file).all()
        signed = await CheckpointRecords(file).all_signed()
    if is_signed:
        for one in signed[-1:]:
            display.text_line(as_line(signed_checkpoint_view(one)))
    elif as_json:
        for kept in short:
            heard_at = datetime.fromtimestamp(kept.heard_at, tz=UTC)
            display.text_line(_checkpoint_line(kept.checkpoint, heard_at=heard_at))
        for one in signed:
            display.text_line(_checkpoint_line(one.checkpoint.short(), signed=one))
    else:
        known = {kept.checkpoint for kept in short} | {one.checkpoint.short() for one in signed}
        for checkpoint in sorted(known, key=lambda one: (one.partition, one.sequence)):
            display.text_line(str(checkpoint))
    return ExitCode.DONE


def _checkpoint_line(
    checkpoint: ShortCheckpoint,
    *,
    heard_at: datetime | None = None,
    signed: SignedCheckpoint | None = None,
) -> str:
    return as_line(
        {
            "checkpoint": str(checkpoint),
            "heard_at": value_view(heard_at),
            "signed": signed_checkpoint_view(signed) if signed else None,
        }
    )


async def _keys(home: Home, *, as_json: bool) -> ExitCode:
    async with open_terminal(home, as_json=as_json) as terminal:
        try:
            await terminal.upkeep.start()
        except TallymarkError as error:
            result = terminal.scanning.not_sent(error)
            terminal.display.result(result)
            return EXIT_CODE_OF[result.outcome]
        table = await terminal.check.keys()
        if as_json:
            terminal.display.text_line(as_line(_keys_view(terminal, table)))
            return ExitCode.DONE
        time_of = Words().time
        terminal.display.table(
            ("key", "valid from", "valid until", "public key"),
            [
                (
                    str(key.key_id),
                    time_of(datetime.fromtimestamp(key.valid_from_seconds, tz=UTC)),
                    time_of(datetime.fromtimestamp(key.valid_until_seconds, tz=UTC)),
                    key.public_key.public_bytes_raw().hex(),
                )
                for key in table.keys
            ],
        )
        ahead_seconds = _ahead_seconds(terminal)
        terminal.display.line(f"Epoch {table.epoch}. Own clock ahead by {ahead_seconds:+.3f} s.")
        return ExitCode.DONE


def _keys_view(terminal: Terminal, table: KeyTable) -> Json:
    return {
        "terminal_id": terminal.identity.terminal_id,
        "merchant_id": terminal.identity.merchant_id,
        "epoch": table.epoch,
        "server_time": value_view(terminal.clock.now()),
        "own_clock_ahead_seconds": round(_ahead_seconds(terminal), 3),
        "uncertainty_seconds": round(table.read_at.uncertainty_seconds, 6),
        "keys": [
            {
                "key_id": key.key_id,
                "public_key": key.public_key.public_bytes_raw().hex(),
                "valid_from_seconds": key.valid_from_seconds,
                "valid_until_seconds": key.valid_until_seconds,
            }
            for key in table.keys
        ],
    }


def _ahead_seconds(terminal: Terminal) -> float:
    return time.time() - terminal.clock.now_seconds()
