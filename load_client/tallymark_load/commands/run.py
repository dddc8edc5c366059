"""`run` makes load by a scenario."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import uvloop

from tallymark_load import exit_codes
from tallymark_load.binary_log import LogWriter
from tallymark_load.cast import Cast, CastFile
from tallymark_load.cast.lines import Lines
from tallymark_load.cast.renewing import renew
from tallymark_load.cast.watching import CastWatcher
from tallymark_load.command_options import CAST_FILE
from tallymark_load.connections import Connections
from tallymark_load.interruption import until_interrupted
from tallymark_load.recording import Recorder, recording_interceptors
from tallymark_load.redaction import Redaction
from tallymark_load.results import LiveView, Measurements, Stop, StopWhen
from tallymark_load.results.figures import summary
from tallymark_load.results.options import ResultFiles, result_options, stop_when_option
from tallymark_load.scenarios.kinds import KINDS
from tallymark_load.scenarios.playing import play
from tallymark_load.scenarios.rehearsal import add_tickets_for, check_cast, note_entries
from tallymark_load.scenarios.report import visits_json, visits_text
from tallymark_load.scenarios.scenario import Scenario, bundled_names, load_scenario
from tallymark_load.scenarios.stage import Stage
from tallymark_load.scenarios.visit import VisitBook

__all__ = ["run"]


class _Played(NamedTuple):
    book: VisitBook
    measurements: Measurements
    stop: Stop | None
    is_interrupted: bool


def _show_list(context: click.Context, _: click.Parameter, *, is_asked: bool) -> None:
    if not is_asked or context.resilient_parsing:
        return
    click.echo("Scenarios, played as `tallymark-load run NAME --cast FILE`:\n")
    for name in bundled_names():
        scenario = load_scenario(name)
        click.echo(f"  {name:14}  {scenario.description}")
    click.echo("\nKinds of visits, for a file of your own (docs/load.md):\n")
    for name, kind in KINDS.items():
        drawn = ", ".join(f"{key} = {list(spread)}" for key, spread in kind.options.items())
        click.echo(f"  {name:20}{kind.sentence}")
        click.echo(f"  {'':20}ends {kind.expected}" + (f"; {drawn}" if drawn else ""))
    context.exit()


@click.command(
    epilog="\b\nExamples:\n"
    "  tallymark-load run --list\n"
    "  tallymark-load run gate-rush --cast load.cast --stop-when 'errors>1%'\n"
    "  tallymark-load run shift --cast load.cast --record shift.binlog\n"
    "  tallymark-load run mine.toml --cast load.cast --rate 50 --json run.json --plot run.svg"
)
@click.argument("scenario_name", metavar="SCENARIO")
@click.option("--cast", "cast_path", type=CAST_FILE, required=True, help="Who calls; see prepare.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Other duration.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="Other rate: visits a second."
)
@click.option("--seed", type=click.IntRange(min=0), help="Other seed.")
@click.option(
    "--connections",
    "connection_count",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Connections that the phones share; each terminal has one of its own.",
)
@click.option(
    "--record",
    "recording",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Record the calls into a new file, for `tallymark-load replay`.",
)
@stop_when_option
@result_options
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, parameter, value: _show_list(context, parameter, is_asked=value),
    help="Show the scenarios that come with the program and the kinds of visits, and exit.",
)
def run(  # noqa: PLR0913 -- one parameter for each option
    scenario_name: str,
    cast_path: Path,
    *,
    seconds: float | None,
    rate: float | None,
    seed: int | None,
    connection_count: int,
    recording: Path | None,
    stop_when: StopWhen,
    **files: Path | None,
) -> None:
    """Play a SCENARIO: the name of one that comes with the program, or a file ending with .toml.

    Visits begin when they are due, whatever became of those before; latencies count from that
    moment. Sessions and certificates that have ended are renewed first. The exit code is 1 when a
    call failed or a visit ended otherwise than its kind does. Ctrl-C ends the run and shows what
    was measured until then.
    """
    scenario = load_scenario(scenario_name, seconds=seconds, rate=rate, seed=seed)
    file = CastFile(cast_path)
    cast = file.read()
    check_cast(scenario, cast)
    with _recorder(recording) as recorder:
        played = uvloop.run(
            _run(scenario, cast, file, stop_when, recorder, connection_count=connection_count)
        )
    _tell(played, ResultFiles(**files), title=f"{scenario.name}: {scenario.description}")


async def _run(  # noqa: PLR0913 -- what a run is made of
    scenario: Scenario,
    cast: Cast,
    file: CastFile,
    stop_when: StopWhen,
    recorder: Recorder | None,
    *,
    connection_count: int,
) -> _Played:
    async with Lines(cast) as lines:
        with CastWatcher(file) as watcher:
            await renew(cast, lines, watcher, now_ms=time.time_ns() // 1_000_000)
        await add_tickets_for(scenario, cast, lines)
    async with Connections(
        count=connection_count,
        ca_pem=cast.server.ca_certificates_pem,
        interceptors=recording_interceptors(recorder) if recorder else (),
    ) as connections:
        stage = Stage(cast, connections)
        await stage.connect()
        measurements = Measurements(started_ns=time.monotonic_ns(), started_at_ns=time.time_ns())
        try:
            async with LiveView(measurements, title=scenario.name):
                with until_interrupted(stop_when) as stopping:
                    book, stop = await play(
                        scenario,
                        stage,
                        connections=connections,
                        measurements=measurements,
                        stop_when=stopping,
                    )
        finally:
            note_entries(cast, stage)
            await asyncio.to_thread(file.write, cast)
    return _Played(book, measurements, stop, is_interrupted=stopping.is_interrupted)


@contextmanager
def _recorder(path: Path | None) -> Iterator[Recorder | None]:
    if path is None:
        yield None
        return
    with LogWriter(path) as writer, Recorder(writer, Redaction()) as recorder:
        yield recorder
    if recorder.lost:
        click.echo(f"{recorder.lost} events were lost: the disk did not keep up.", err=True)


def _tell(played: _Played, files: ResultFiles, *, title: str) -> None:
    files.write(played.measurements, title=title)
    if files.json_file is not None:
        content = {**summary(played.measurements), "scenario": visits_json(played.book)}
        files.json_file.write_text(json.dumps(content, indent=2) + "\n")
    click.echo(visits_text(played.book))
    if played.stop is not None:
        click.echo(str(played.stop), err=True)
    if played.is_interrupted:
        raise SystemExit(exit_codes.INTERRUPTED)
    has_failed = played.stop is not None and played.stop.is_failure
    if has_failed or played.book.unexpected or played.measurements.errors:
        raise SystemExit(exit_codes.FAILED)
