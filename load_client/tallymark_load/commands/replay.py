"""`replay` plays a recording against a server, and tells what differs from it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import uvloop
from google.protobuf.descriptor_pool import DescriptorPool

from tallymark_load import exit_codes
from tallymark_load.binary_log import LogReader
from tallymark_load.cast import Cast, CastFile
from tallymark_load.command_options import CAST_FILE, FILE, ServerAddress
from tallymark_load.connections import Connections, Route
from tallymark_load.recorded import RecordedCall, calls_of
from tallymark_load.replay import replaying
from tallymark_load.replay.contracts import (
    Contracts,
    UnusableContracts,
    pool_of_file,
    pool_of_server,
)
from tallymark_load.replay.pace import Pace
from tallymark_load.replay.replaying import NobodyToPlay, Replayed
from tallymark_load.replay.report import replay_text
from tallymark_load.replay.rules import ReplayRules, UnusableRules
from tallymark_load.results import LiveView, Measurements, StopWhen
from tallymark_load.results.figures import summary
from tallymark_load.results.options import ResultFiles, result_options, stop_when_option
from tallymark_protocol.tls import ClientIdentity

__all__ = ["replay"]


@click.command(
    epilog="\b\nExamples:\n"
    "  tallymark-load replay day.binlog --cast cast.json --speed 10\n"
    "  tallymark-load replay shop.binlog --to 127.0.0.1:8080 --plain --reflection \\\n"
    "      --rules shop.toml --flat-out --connections 16 --stop-when 'errors>1%'",
)
@click.argument("recordings", nargs=-1, required=True, type=FILE)
@click.option("--cast", "cast_file", type=CAST_FILE, help="Who calls, and where; see prepare.")
@click.option("--to", "address", type=ServerAddress(), help="Where everybody else calls.")
@click.option("--ca-file", type=FILE, help="Authorities of the server of --to; PEM.")
@click.option("--certificate-file", type=FILE, help="Certificate that calls to --to present; PEM.")
@click.option("--key-file", type=FILE, help="Private key of that certificate; PEM.")
@click.option("--plain", "is_plain", is_flag=True, help="Without TLS.")
@click.option(
    "--speed", type=float, default=1.0, show_default=True, help="Times the recorded pace."
)
@click.option("--flat-out", is_flag=True, help="No pace: as fast as each caller's own order lets.")
@click.option(
    "--connections",
    "count",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="Connections of each kind of caller.",
)
@click.option(
    "--ramp",
    "ramp_seconds",
    type=click.FloatRange(0, 86_400),
    default=0.0,
    metavar="SECONDS",
    help="Let pace and connections rise to the full ones.",
)
@click.option("--rules", "rules_file", type=FILE, help="Rules of another service than Tallymark.")
@click.option(
    "--descriptor-set",
    "descriptor_sets",
    type=FILE,
    multiple=True,
    help="Contracts of other services, from `buf build -o`; can be repeated.",
)
@click.option("--reflection", is_flag=True, help="Ask the server of --to for its contracts.")
@click.option("--patience", "patience_seconds", type=click.FloatRange(0, 3_600), default=30.0,
              show_default=True, metavar="SECONDS",
              help="How long the last calls may take.")  # fmt: skip
@stop_when_option
@result_options
def replay(  # noqa: PLR0913 -- one parameter for each option
    recordings: tuple[Path, ...],
    *,
    speed: float,
    flat_out: bool,
    ramp_seconds: float,
    cast_file: Path | None,
    stop_when: StopWhen,
    patience_seconds: float,
    json_file: Path | None,
    hdr_file: Path | None,
    plot_file: Path | None,
    **options: Any,  # noqa: ANN401 -- those that say where to call, and by which contracts
) -> None:
    """Play recorded calls again.

    Each message leaves when it did in the recording (--speed, --flat-out), whatever the answers do,
    with the values that this server gave in place of the recorded ones. At the end stands what was
    answered otherwise than recorded. The exit code is 1 when anything was and no rule explains it.
    """
    try:
        pace = Pace.flat_out() if flat_out else Pace(speed=speed, ramp_seconds=ramp_seconds)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    cast = CastFile(cast_file).read() if cast_file is not None else None
    route = _route(options)
    if cast is None and route is None:
        message = "Say where to call: --cast FILE, or --to HOST:PORT."
        raise click.UsageError(message)
    try:
        rules = _rules(options["rules_file"])
        calls = _read(recordings)
        contracts = Contracts(_pools(options, route))
        played = uvloop.run(
            _replay(
                calls,
                pace=pace,
                cast=cast,
                route=route,
                rules=rules,
                contracts=contracts,
                stop_when=stop_when,
                patience_seconds=patience_seconds,
                count=options["count"],
                ca_pem=_text(options["ca_file"]),
                is_plain=options["is_plain"],
            )
        )
    except (UnusableRules, UnusableContracts, NobodyToPlay) as error:
        raise click.UsageError(str(error)) from error
    except TimeoutError:
        click.secho("The server takes no connection.", fg="red", err=True)
        raise SystemExit(exit_codes.UNKNOWN) from None
    files = ResultFiles(json_file=json_file, hdr_file=hdr_file, plot_file=plot_file)
    _tell(played, files, title=f"replay, {_named(pace)}")


async def _replay(  # noqa: PLR0913 -- what a replay is made of
    calls: Iterable[RecordedCall],
    *,
    count: int,
    ca_pem: str,
    is_plain: bool,
    cast: Cast | None,
    pace: Pace,
    **options: Any,  # noqa: ANN401 -- passed on
) -> Replayed:
    async with Connections(
        count=count,
        ca_pem=ca_pem or (cast.server.ca_certificates_pem if cast else ""),
        is_plain=is_plain,
        ramp_seconds=pace.ramp_seconds,
    ) as connections:
        return await replaying.replay(
            calls, connections=connections, cast=cast, pace=pace, showing=_live_view, **options
        )


def _live_view(measurements: Measurements, planned: int) -> LiveView:
    return LiveView(measurements, title="replay", planned=planned)


def _read(recordings: tuple[Path, ...]) -> list[RecordedCall]:
    calls: list[RecordedCall] = []
    for path in recordings:
        with LogReader(path) as reader:
            calls += calls_of(reader)
        if reader.damage is not None:
            click.secho(f"{path} is {reader.damage}.", fg="red", err=True)
    if not calls:
        message = "There is no call in the recording."
        raise click.UsageError(message)
    return calls


def _route(options: dict[str, Any]) -> Route | None:
    if options["address"] is None:
        return None
    certificate, key = _text(options["certificate_file"]), _text(options["key_file"])
    if bool(certificate) != bool(key):
        message = "A certificate needs its key: give --certificate-file and --key-file."
        raise click.UsageError(message)
    return Route(options["address"], ClientIdentity(certificate, key) if key else None)


def _rules(path: Path | None) -> ReplayRules:
    return ReplayRules.of_tallymark() if path is None else ReplayRules.read(path)


def _pools(options: dict[str, Any], route: Route | None) -> list[DescriptorPool]:
    pools = [pool_of_file(path) for path in options["descriptor_sets"]]
    if options["reflection"]:
        if route is None:
            message = "--reflection asks the server of --to: give both."
            raise click.UsageError(message)
        pools.append(pool_of_server(route, _text(options["ca_file"]), is_plain=options["is_plain"]))
    return pools


def _text(path: Path | None) -> str:
    return path.read_text() if path is not None else ""


def _named(pace: Pace) -> str:
    return "flat out" if pace.speed is None else f"x{pace.speed:g}"


def _tell(played: Replayed, files: ResultFiles, *, title: str) -> None:
    files.write(played.measurements, title=title)
    if files.json_file is not None:
        content = {**summary(played.measurements), "replay": played.summary()}
        files.json_file.write_text(json.dumps(content, indent=2) + "\n")
    click.echo(replay_text(played))
    if not played.is_as_recorded:
        raise SystemExit(exit_codes.FAILED)
