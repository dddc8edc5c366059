"""`record` is a proxy that writes down every call that passes."""

import asyncio
import sys
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click

from tallymark_load import exit_codes
from tallymark_load.binary_log import LogWriter
from tallymark_load.binary_log.binary_log_pb2 import GrpcLogEntry
from tallymark_load.columns import table_of
from tallymark_load.command_options import FILE, ServerAddress
from tallymark_load.recording import Recorder
from tallymark_load.recording.serving import CannotListen, Side, serve
from tallymark_load.redaction import Redaction, RedactionRules, UnusableRules
from tallymark_load.redaction.rules import shipped_rules
from tallymark_load.replay.contracts import Contracts, UnusableContracts, pool_of_file

__all__ = ["record"]

SWITCH_SECONDS: Final = 0.0005
"""How long the writing thread may keep calls waiting for the interpreter; Python allows 5 ms."""

NEW_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog="\b\nExample:\n  tallymark-load record --listen 127.0.0.1:7000"
    " --listen-certificate proxy.pem\n      --listen-key proxy.key --to 127.0.0.1:7420"
    " --to-ca-file data/ca.pem --out shift.binlog"
)
@click.option(
    "--listen",
    required=True,
    type=ServerAddress(is_port_open=True),
    help="Where callers call; port 0: any free one.",
)
@click.option(
    "--listen-certificate", type=FILE, help="Certificate of the proxy: callers speak TLS."
)
@click.option("--listen-key", type=FILE, help="Its private key.")
@click.option(
    "--listen-client-ca-file", type=FILE, help="Callers need a certificate of this authority."
)
@click.option(
    "--unsafe-plain-text", is_flag=True, help="Listen in plain text where others can reach it."
)
@click.option("--to", required=True, type=ServerAddress(), help="The service that is recorded.")
@click.option("--to-plain-text", is_flag=True, help="It speaks plain text instead of TLS.")
@click.option(
    "--to-ca-file", type=FILE, help="Authority of its certificate; else those of the system."
)
@click.option("--to-certificate", type=FILE, help="Certificate that it knows the proxy by.")
@click.option("--to-key", type=FILE, help="Its private key.")
@click.option("--to-name", default="", help="Name in its certificate, if that is not HOST.")
@click.option("--out", required=True, type=NEW_FILE, help="File to write; must not exist.")
@click.option(
    "--rules", "rule_files", type=FILE, multiple=True, help="More rules of redaction (TOML)."
)
@click.option(
    "--descriptor-set",
    "descriptor_sets",
    type=FILE,
    multiple=True,
    help="Contracts of other services, so that their messages can be redacted and kept.",
)
@click.option("--redact-personal", is_flag=True, help="Also replace what names persons.")
@click.option(
    "--unsafe-keep-unknown",
    is_flag=True,
    help="Keep messages of services without a contract, with all secrets in them.",
)
def record(  # noqa: PLR0913 -- one parameter for each option
    *,
    listen: str,
    listen_certificate: Path | None,
    listen_key: Path | None,
    listen_client_ca_file: Path | None,
    to: str,
    to_ca_file: Path | None,
    to_certificate: Path | None,
    to_key: Path | None,
    to_name: str,
    out: Path,
    rule_files: tuple[Path, ...],
    descriptor_sets: tuple[Path, ...],
    unsafe_plain_text: bool,
    to_plain_text: bool,
    redact_personal: bool,
    unsafe_keep_unknown: bool,
) -> None:
    """Pass calls on to a service, and write them into a binary log of gRPC.

    Works for every gRPC service. Secrets are replaced before anything is written. Ctrl-C or
    SIGTERM ends the recording; the exit code is 1 when something of it was lost.
    """
    own = Side(
        address=listen,
        ca_file=listen_client_ca_file,
        certificate=listen_certificate,
        key=listen_key,
        is_plain=listen_certificate is None,
    )
    service = Side(
        address=to,
        ca_file=to_ca_file,
        certificate=to_certificate,
        key=to_key,
        is_plain=to_plain_text,
        name=to_name,
    )
    _check(own, service, unsafe_plain_text=unsafe_plain_text)
    redaction = _redaction(
        rule_files, descriptor_sets, is_personal=redact_personal, keeps_unknown=unsafe_keep_unknown
    )
    try:
        writer = LogWriter(out)
    except FileExistsError:
        message = f"{out} exists; a recording is never written over."
        raise click.UsageError(message) from None
    sys.setswitchinterval(SWITCH_SECONDS)
    recorder = Recorder(writer, redaction, logger=GrpcLogEntry.LOGGER_SERVER)
    try:
        with writer, recorder:
            asyncio.run(serve(own, service, recorder))
    except CannotListen as error:
        out.unlink()
        raise click.UsageError(str(error)) from error
    except OSError as error:
        click.secho(f"{out} cannot be written any more: {error}", fg="red", err=True)
        click.get_current_context().exit(exit_codes.FAILED)
    _summarise(recorder, out)
    if recorder.lost:
        click.get_current_context().exit(exit_codes.FAILED)


def _check(own: Side, service: Side, *, unsafe_plain_text: bool) -> None:
    for side, option in ((own, "--listen"), (service, "--to")):
        if (side.certificate is None) != (side.key is None):
            message = f"{option}-certificate and {option}-key belong together."
            raise click.UsageError(message)
    if own.ca_file is not None and own.is_plain:
        message = "--listen-client-ca-file needs --listen-certificate."
        raise click.UsageError(message)
    if service.is_plain and (service.ca_file or service.certificate):
        message = "--to-plain-text knows no certificates."
        raise click.UsageError(message)
    if own.is_plain and not unsafe_plain_text and not _is_loopback(own.address):
        message = "Others can reach --listen: give --listen-certificate, or --unsafe-plain-text."
        raise click.UsageError(message)


def _redaction(
    rule_files: tuple[Path, ...],
    descriptor_sets: tuple[Path, ...],
    *,
    is_personal: bool,
    keeps_unknown: bool,
) -> Redaction:
    try:
        rules = shipped_rules()
        for path in rule_files:
            rules = rules.together(RedactionRules.of_file(path))
        contracts = Contracts([pool_of_file(path) for path in descriptor_sets])
    except (UnusableRules, UnusableContracts) as unusable:
        raise click.UsageError(str(unusable)) from unusable
    return Redaction(
        contracts=contracts,
        rules=rules,
        is_personal_redacted=is_personal,
        unsafe_keep_unknown=keeps_unknown,
    )


def _summarise(recorder: Recorder, out: Path) -> None:
    head = ("method", "calls", "errors", "sent", "received")
    rows = [
        (
            method.removeprefix("/"),
            *(f"{n:,}" for n in (one.calls, one.errors, one.sent, one.received)),
        )
        for method, one in sorted(recorder.methods.items())
    ]
    click.echo("\n".join(table_of(head, rows)) if rows else "No calls.")
    click.echo(f"\n{recorder.events:,} events are in {out}.")
    if recorder.lost:
        click.secho(
            f"{recorder.lost:,} events were lost: the disk did not keep up. Their calls are marked"
            " as not whole.",
            fg="red",
            err=True,
        )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False
