"""`show` tells what is in a recording."""

import json
from pathlib import Path

import click

from tallymark_load import exit_codes
from tallymark_load.binary_log import LogReader
from tallymark_load.command_options import FILE
from tallymark_load.overview import Overview
from tallymark_load.recorded import calls_of

__all__ = ["show"]


@click.command(epilog="\b\nExample:\n  tallymark-load show shift.binlog")
@click.argument("log", type=FILE, metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(log: Path, *, as_json: bool) -> None:
    """Tell what is in a recording: calls by method, their time span and pace, errors.

    Reads binary logs of this program, of Go and of Java. The exit code is 1 when the file is
    damaged; what is before the damage is shown.
    """
    with LogReader(log) as reader:
        overview = Overview(calls_of(reader))
    if as_json:
        damage = None if reader.damage is None else str(reader.damage)
        click.echo(json.dumps({**overview.as_json(), "damage": damage}, indent=2))
    else:
        click.echo("\n".join(overview.lines()))
    if reader.damage is not None:
        click.secho(f"{log} is {reader.damage}.", fg="red", err=True)
        click.get_current_context().exit(exit_codes.FAILED)
