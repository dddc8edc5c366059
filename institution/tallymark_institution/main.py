"""The command line: `tallymark-institution simulate`."""

import asyncio
import logging
from pathlib import Path
from typing import Final

import click

from tallymark_institution.app import SLOW_SECONDS, CannotListen, Options, run
from tallymark_institution.journal import JournalUnusable
from tallymark_institution.magic_amounts import MAGIC, MAGIC_PREFIX

__all__ = ["main"]

_EPILOG: Final = "\n".join(
    [
        "\b",
        f"Amounts whose minor units end in {MAGIC_PREFIX} and one of these codes are magic:",
        *(f"  {MAGIC_PREFIX}{magic.code:02}  {magic.sentence}" for magic in MAGIC),
        "Every other amount is approved. 77.51 EUR and 1,077.51 EUR end in 7751.",
        "",
        "\b",
        "Exit codes: 0 stopped by SIGTERM or SIGINT, 1 cannot serve, 2 wrong usage.",
    ]
)


@click.group()
@click.version_option(package_name="tallymark-institution")
def main() -> None:
    """Be the outside party that authorises cards."""


@main.command(epilog=_EPILOG)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Journal, so that a restart remembers. Without it everything is forgotten.",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help='Where to write {"port": .., "pid": ..} when serving.',
)
@click.option(
    "--slow-seconds",
    type=click.FloatRange(min=0),
    default=SLOW_SECONDS,
    show_default=True,
    help=f"How late {MAGIC_PREFIX}68 is answered.",
)
@click.option(
    "--forget-early-reversals",
    is_flag=True,
    help="Break the contract: approve what was reversed before it arrived.",
)
@click.option("--print", "is_printing", is_flag=True, help="Print a line for each call.")
def simulate(  # noqa: PLR0913 - an option each
    *,
    listen: str,
    data: Path | None,
    ready_file: Path | None,
    slow_seconds: float,
    forget_early_reversals: bool,
    is_printing: bool,
) -> None:
    """Play a credit institution whose answers depend on the amount.

    No money moves. Use test card numbers only; 4111111111111111 is one.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = Options(
        listen=listen,
        data=data,
        slow_seconds=slow_seconds,
        keeps_marks=not forget_early_reversals,
        tell=click.echo if is_printing else None,
    )
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(options, ready_file=ready_file))
    except (CannotListen, JournalUnusable, OSError) as error:
        raise click.ClickException(str(error)) from error


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    """Return the faster event loop where it is installed, None for the standard one."""
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop.Loop
