"""`export-ghz` writes calls for ghz, with codes that were issued right before."""

import asyncio
import time
from pathlib import Path

import click

from tallymark_load.binary_log import LogReader
from tallymark_load.cast import Cast, CastFile
from tallymark_load.cast.furnishing import Furnisher
from tallymark_load.cast.lines import Lines
from tallymark_load.cast.renewing import renew
from tallymark_load.cast.watching import CastWatcher
from tallymark_load.command_options import CAST_FILE
from tallymark_load.connections import Connections
from tallymark_load.ghz.exported import METHODS, CannotExport, Exported, write_files
from tallymark_load.ghz.from_recording import busiest_member, export_recording
from tallymark_load.ghz.from_scenario import Catcher, export_scenario
from tallymark_load.recorded import RecordedCall, calls_of
from tallymark_load.scenarios.rehearsal import add_tickets_for, check_cast, note_entries
from tallymark_load.scenarios.scenario import Scenario, load_scenario
from tallymark_load.scenarios.stage import Stage

__all__ = ["export_ghz"]


@click.command(
    epilog="\b\nExample:\n"
    "  tallymark-load export-ghz gate-rush --cast load.cast --method ResolveCode --out ghz/\n"
    "  ghz --config ghz/ResolveCode.ghz.json"
)
@click.argument("source", metavar="FILE|SCENARIO")
@click.option("--cast", "cast_path", type=CAST_FILE, required=True, help="Who calls; see prepare.")
@click.option(
    "--method",
    "name",
    type=click.Choice(list(METHODS)),
    default="ResolveCode",
    show_default=True,
    help="The RPC to call; others name what an earlier answer gave, which ghz does not look at.",
)
@click.option(
    "--member",
    help="Who calls, such as terminal-1; ghz has one set of credentials. By default who called"
    " most in the recording, else the first terminal or customer.",
)
@click.option("--calls", type=click.IntRange(min=1), default=1000, show_default=True, help="Most.")
@click.option("--concurrency", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--rate", type=click.FloatRange(min=0), default=0.0, help="Calls a second; 0: all.")
@click.option(
    "--codes-live",
    "codes_live_seconds",
    type=click.IntRange(min=1, max=3600),
    help="Set the policy's life of codes, which stays so until somebody sets it back.",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the files, which hold codes and credentials.",
)
def export_ghz(  # noqa: PLR0913 -- one parameter for each option
    source: str,
    cast_path: Path,
    *,
    name: str,
    member: str | None,
    calls: int,
    concurrency: int,
    rate: float,
    codes_live_seconds: int | None,
    folder: Path,
) -> None:
    """Write the calls of one RPC so that stock ghz can make them.

    From a recording or a scenario. ghz makes calls of one RPC with one set of credentials and takes
    nothing out of answers: no second call of a sale, no yes on a phone, no streams; it counts
    latency from when it sent. A scan uses up a code, so codes are issued now, one for each customer
    of the terminal's merchant (the codes of a customer die when one is claimed), and live as long
    as the policy says, 60 s by default: start ghz at once. The whole of a load is for `run` and
    `replay`.
    """
    file = CastFile(cast_path)
    cast = file.read()
    path = Path(source)
    recorded = _read(path) if path.is_file() and path.suffix != ".toml" else None
    scenario = None if recorded is not None else load_scenario(source)
    caller = _caller(cast, name, member, recorded)

    async def export() -> Exported:
        await _make_ready(cast, file, scenario, codes_live_seconds)
        async with Connections(ca_pem=cast.server.ca_certificates_pem) as connections:
            stage = Stage(cast, connections, Catcher)
            if recorded is not None:
                return await export_recording(recorded, stage, name, caller, calls=calls)
            assert scenario is not None, "it is one or the other"
            try:
                return await export_scenario(scenario, stage, name, caller, calls=calls)
            finally:
                note_entries(cast, stage)
                await asyncio.to_thread(file.write, cast)

    exported = asyncio.run(export())
    config = write_files(exported, cast, folder, concurrency=concurrency, rate=rate)
    _tell(exported, config, codes_live_seconds)


async def _make_ready(
    cast: Cast, file: CastFile, scenario: Scenario | None, codes_live_seconds: int | None
) -> None:
    async with Lines(cast) as lines:
        with CastWatcher(file) as watcher:
            await renew(cast, lines, watcher, now_ms=time.time_ns() // 1_000_000)
        if scenario is not None:
            check_cast(scenario, cast)
            await add_tickets_for(scenario, cast, lines)
        if codes_live_seconds is not None:
            assert cast.operator is not None, "a prepared cast has an operator"
            furnisher = Furnisher(lines.operators(cast.operator.identity), cast)
            await furnisher.set_code_life(codes_live_seconds)


def _read(path: Path) -> list[RecordedCall]:
    with LogReader(path) as entries:
        return list(calls_of(entries))


def _caller(cast: Cast, name: str, member: str | None, recorded: list[RecordedCall] | None) -> str:
    members = cast.customers if METHODS[name].is_of_phones else cast.terminals
    if member is None:
        member = busiest_member(recorded, name) if recorded is not None else next(iter(members))
    if member not in members:
        kind = "customers" if METHODS[name].is_of_phones else "terminals"
        message = f"{name} is called by {kind}, and {member} is none of the cast"
        raise CannotExport(message)
    return member


def _tell(exported: Exported, config: Path, codes_live_seconds: int | None) -> None:
    click.echo(f"{len(exported.requests)} calls of {exported.name} by {exported.member}.")
    for reason, count in exported.left_out.most_common():
        click.echo(f"{count} left out: {reason}.")
    if exported.name == "ResolveCode":
        click.echo("Each code is good once, and not for long: export again for another run.")
    if codes_live_seconds is not None:
        click.echo(f"The policy lets codes live {codes_live_seconds} s now; set it back later.")
    click.echo(f"ghz --config {config}")
