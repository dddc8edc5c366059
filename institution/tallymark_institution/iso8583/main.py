"""The command line: `tallymark-iso8583 serve` and `tallymark-iso8583 host`."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import click
import uvloop

from tallymark_institution.iso8583.gateway import app
from tallymark_institution.iso8583.gateway.card_vault import KeyUnusable
from tallymark_institution.iso8583.gateway.host_line import LineSettings
from tallymark_institution.iso8583.gateway.journal import JournalUnusable
from tallymark_institution.iso8583.gateway.messages import Acquirer
from tallymark_institution.iso8583.host import server
from tallymark_institution.iso8583.host.faults import FAULTS, MAGIC_PREFIX
from tallymark_institution.serving import CannotListen

__all__ = ["main"]

_FAILURES: Final = (CannotListen, JournalUnusable, KeyUnusable, OSError)

_ENDS: Final = "Exit codes: 0 stopped by SIGTERM or SIGINT, 1 cannot serve, 2 wrong usage."

_HOST_EPILOG: Final = "\n".join(
    [
        "\b",
        f"Amounts whose minor units end in {MAGIC_PREFIX} and one of these codes are magic:",
        *(f"  {MAGIC_PREFIX}{fault.code:02}  {fault.sentence}" for fault in FAULTS),
        "Every other amount is approved.",
        "",
        "\b",
        _ENDS,
    ]
)

_READY_FILE: Final = click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help='Where to write {"port": .., "pid": ..} when serving.',
)


class _Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT."""

    name = "HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return host and port."""
        host, colon, port = str(value).rpartition(":")
        if not (host and colon and port.isascii() and port.isdigit()):
            self.fail(f"{value} is not HOST:PORT.", param, ctx)
        return host.strip("[]"), int(port)


@click.group()
@click.version_option(package_name="tallymark-institution")
def main() -> None:
    """Take cards to a host that speaks ISO 8583."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")


@main.command(epilog=f"\b\n{_ENDS}")
@click.option("--host", required=True, type=_Address(), help="Where the card host listens.")
@click.option(
    "--acquirer",
    required=True,
    metavar="DIGITS",
    help="Acquiring institution (field 32), as agreed with the host.",
)
@click.option(
    "--merchant-type",
    default="5999",
    show_default=True,
    metavar="DIGITS",
    help="Merchant type (field 18, ISO 18245).",
)
@click.option(
    "--data",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Journal; keep it, it holds what the host is still to be told.",
)
@click.option(
    "--key-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Key of the cards in the journal; made with the journal. Back it up elsewhere.",
)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to serve; port 0 takes a free one.",
)
@click.option("--certificate", type=click.Path(exists=True, path_type=Path), metavar="PEM")
@click.option("--private-key", type=click.Path(exists=True, path_type=Path), metavar="PEM")
@click.option(
    "--host-ca-file",
    type=click.Path(exists=True, path_type=Path),
    metavar="PEM",
    help="Authority of the host's certificate; without it the line is plain TCP.",
)
@_READY_FILE
def serve(  # noqa: PLR0913 -- one for each option
    *,
    host: tuple[str, int],
    acquirer: str,
    merchant_type: str,
    data: Path,
    key_file: Path,
    listen: str,
    certificate: Path | None,
    private_key: Path | None,
    host_ca_file: Path | None,
    ready_file: Path | None,
) -> None:
    """Serve CreditInstitutionService towards a card host."""
    if (certificate is None) != (private_key is None):
        text = "--certificate and --private-key belong together."
        raise click.UsageError(text)
    tls = None if host_ca_file is None else ssl.create_default_context(cafile=host_ca_file)
    options = app.Options(
        listen=listen,
        data=data,
        key_file=key_file,
        line=LineSettings(host=host[0], port=host[1], tls=tls),
        acquirer=Acquirer(
            institution_id=_digits("--acquirer", acquirer, 1, 11),
            merchant_type=_digits("--merchant-type", merchant_type, 4, 4),
        ),
        certificate=certificate,
        private_key=private_key,
        tell=click.echo,
    )
    _run(lambda: app.run(options, ready_file=ready_file))


@main.command("host", epilog=_HOST_EPILOG)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--late-seconds",
    type=click.FloatRange(min=0),
    default=server.LATE_SECONDS,
    show_default=True,
    help=f"How late {MAGIC_PREFIX}68 is answered.",
)
@_READY_FILE
def host_command(*, listen: str, late_seconds: float, ready_file: Path | None) -> None:
    """Play a card host whose answers depend on the amount. No money moves."""
    host, port = _Address().convert(listen, None, None)
    _run(
        lambda: server.run(
            host, port, late_seconds=late_seconds, ready_file=ready_file, tell=click.echo
        )
    )


def _digits(option: str, text: str, fewest: int, most: int) -> str:
    if not (text.isascii() and text.isdigit() and fewest <= len(text) <= most):
        message = f"{option} has {fewest} to {most} digits."
        raise click.UsageError(message)
    return text


def _run(program: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        with asyncio.Runner(loop_factory=uvloop.Loop) as runner:
            runner.run(program())
    except _FAILURES as error:
        raise click.ClickException(str(error)) from error
    except ExceptionGroup as group:
        failures = group.subgroup(_FAILURES)
        if failures is None:
            raise
        raise click.ClickException(_first(failures)) from group


def _first(failures: ExceptionGroup[Exception]) -> str:
    """Return the text of the first failure, however deep it lies."""
    first: Exception = failures
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return str(first)
