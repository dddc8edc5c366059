"""What all commands share: the folder, the form of the output, and exit codes."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from tallymark_terminal.earlier_sales import NoSuchSale
from tallymark_terminal.home import Home, HomeUnusable, default_home_path
from tallymark_terminal.journal import Journal, Stage
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.sale_results import ExitCode
from tallymark_terminal.scanner import ScannerUnavailable

__all__ = ["home_option", "json_option", "patience_option", "run"]

_Command = TypeVar("_Command", bound=Callable[..., object])


def home_option(command: _Command) -> _Command:
    """Add --home, which gives the command a Home; one before the command's name counts too."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        callback=_home,
        help="Folder with this terminal's key and journal.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add --json."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, one object a line, instead of words."
    )(command)


def patience_option(command: _Command) -> _Command:
    """Add --patience."""
    return click.option(
        "--patience",
        "patience_seconds",
        type=click.FloatRange(min=0, max=3600),
        default=30.0,
        show_default=True,
        help="Seconds to repeat a call that gets no answer.",
    )(command)


def _home(context: click.Context, _parameter: click.Parameter, path: Path | None) -> Home:
    of_program = context.find_root().params
    return Home(
        path or of_program.get("home") or default_home_path(), server=of_program.get("server")
    )


def run(work: Coroutine[object, object, ExitCode], *, home: Home | None = None) -> NoReturn:
    """Run a command's work and leave with its exit code.

    An interrupted command leaves with 3 if the journal of `home` has a sale to settle, else 0:
    that is how a person ends a terminal that reads from a camera.
    """
    try:
        code = asyncio.run(work)
    except (HomeUnusable, NoSuchSale) as error:
        raise click.UsageError(str(error)) from error
    except ScannerUnavailable as error:
        click.echo(f"Error: {error}", err=True)
        code = ExitCode.NO_CODE_READ
    except KeyboardInterrupt:
        code = ExitCode.DONE
        if home is not None and asyncio.run(_has_unsettled(home)):
            click.echo("A sale was interrupted: run tallymark-terminal recover.", err=True)
            code = ExitCode.OUTCOME_UNKNOWN
    raise SystemExit(int(code))


async def _has_unsettled(home: Home) -> bool:
    paths = [home.journal_path, *map(home.lane_journal_path, home.lane_ids())]
    for path in paths:
        with contextlib.closing(JournalFile(path)) as file:
            if any(sale.stage is not Stage.HELD for sale in await Journal(file).open_sales()):
                return True
    return False
