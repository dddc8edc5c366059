"""Options of every command that fires calls: where results go, and what ends a run early."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import click

from tallymark_load.results.figures import PLOT_SUFFIXES, summary, table
from tallymark_load.results.hdr_files import HDR_SUFFIXES, write_hdr
from tallymark_load.results.measurements import Measurements
from tallymark_load.results.stop_when import EXAMPLES, InvalidCondition, StopWhen

__all__ = ["ResultFiles", "result_options", "stop_when_option"]

P = ParamSpec("P")
R = TypeVar("R")

FILE: Final = click.Path(dir_okay=False, writable=True, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFiles:
    """The files that were asked for."""

    json_file: Path | None = None
    hdr_file: Path | None = None
    plot_file: Path | None = None

    def write(self, measurements: Measurements, *, title: str) -> None:
        """Print the table, and write each file that was asked for."""
        click.echo(table(measurements))
        if self.json_file is not None:
            self.json_file.write_text(json.dumps(summary(measurements), indent=2) + "\n")
        if self.hdr_file is not None:
            write_hdr(measurements, self.hdr_file)
        if self.plot_file is not None:
            # Loaded when it is wanted: it takes longer than most commands.
            from tallymark_load.results.plot import write_plot  # noqa: PLC0415 -- the same

            write_plot(measurements, self.plot_file, title=title)


def result_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add --json, --hdr and --plot; the command gets json_file, hdr_file and plot_file."""
    for option in (
        click.option("--plot", "plot_file", type=FILE, callback=_with_suffix(PLOT_SUFFIXES),
                     help="Draw latencies, rate and errors over time into this PNG or SVG file."),
        click.option("--hdr", "hdr_file", type=FILE, callback=_with_suffix(HDR_SUFFIXES),
                     help="Write histograms: .hlog by second and method, .hgrm of all calls."),
        click.option("--json", "json_file", type=FILE, help="Write all figures into this file."),
    ):  # fmt: skip
        command = option(command)
    return command


def stop_when_option(command: Callable[P, R]) -> Callable[P, R]:
    """Add --stop-when, any number of times; the command gets stop_when."""
    return click.option(
        "--stop-when",
        "stop_when",
        multiple=True,
        metavar="CONDITION",
        callback=_conditions,
        help=f"End the run early, such as {EXAMPLES}; can be repeated.",
    )(command)


def _conditions(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> StopWhen:
    try:
        return StopWhen(texts)
    except InvalidCondition as invalid:
        raise click.BadParameter(str(invalid)) from invalid


def _with_suffix(
    suffixes: tuple[str, ...],
) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    def check(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
        # Said before the run: after it the figures would be lost.
        if path is not None and path.suffix not in suffixes:
            message = f"{path.name} must end with {' or '.join(suffixes)}."
            raise click.BadParameter(message)
        return path

    return check
