"""`prepare` makes merchants, terminals and customers on a server, and keeps them in a cast file."""

import asyncio
import re
import time
from pathlib import Path
from typing import Final

import click

from tallymark_load.cast import Cast, CastFile, Server
from tallymark_load.cast.drawing import draw_up
from tallymark_load.cast.lines import Lines
from tallymark_load.cast.operator_home import AdminIdentity, read_admin_home
from tallymark_load.cast.preparing import prepare as prepare_cast
from tallymark_load.cast.renewing import renew
from tallymark_load.cast.watching import CastWatcher
from tallymark_load.command_options import CAST_FILE, FILE, ServerAddress
from tallymark_load.scenarios.rehearsal import add_tickets_for
from tallymark_load.scenarios.scenario import Scenario, load_scenario
from tallymark_protocol.enrolment_file import EnrolmentFile

__all__ = ["prepare"]

_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
"""Ids that begin with it are at most 63 long."""


def _label(_: click.Context, __: click.Parameter, value: str) -> str:
    if not _LABEL.fullmatch(value):
        message = "it has 1 to 31 small letters, digits and hyphens, the first one no hyphen."
        raise click.BadParameter(message)
    return value


@click.command(
    epilog="\b\nExample:\n  tallymark-load prepare --server 127.0.0.1:7420"
    " --enrolment-code-file data/operator-enrolment-code"
    " --customers 100 --terminals 8 --cast load.cast"
)
@click.option(
    "--server",
    type=ServerAddress(),
    help="Address that everybody is told, that of phones; needed for a new cast.",
)
@click.option(
    "--operator",
    "operator_home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of tallymark-admin: that operator makes an operator of the cast's own.",
)
@click.option(
    "--enrolment-code-file",
    type=FILE,
    help="File with a one-time code for the operator of the cast, as a new server writes one.",
)
@click.option(
    "--ca-file",
    type=FILE,
    help="Certificates in PEM of the authorities to trust, where the other two bring none.",
)
@click.option("--customers", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--terminals", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--merchants", type=click.IntRange(min=1), default=2, show_default=True)
@click.option(
    "--label",
    default="load",
    callback=_label,
    show_default=True,
    help="Begin of every id on the server. Another one lets two casts share a server; the same one"
    " makes casts of two servers alike.",
)
@click.option("--cast", "cast_path", type=CAST_FILE, required=True, help="File of the cast.")
@click.option(
    "--keep-policy",
    is_flag=True,
    help="Leave the server's policy alone. Else the bounds on a day's charges without confirmation"
    " are raised to the most, so that a day of load does not run into them.",
)
@click.option(
    "--scenario",
    "scenario_name",
    metavar="SCENARIO",
    help="Also add the tickets that `run` adds for it: for a server on which its recording is"
    " replayed.",
)
def prepare(  # noqa: PLR0913 -- one parameter for each option
    server: str | None,
    operator_home: Path | None,
    enrolment_code_file: Path | None,
    ca_file: Path | None,
    *,
    customers: int,
    terminals: int,
    merchants: int,
    label: str,
    cast_path: Path,
    keep_policy: bool,
    scenario_name: str | None,
) -> None:
    """Make everybody who calls in a load, on a server that runs.

    Never on a server that somebody needs: the shops, customers and points stay there. Run it again
    after a break, or with larger numbers: it goes on where it was. A customer costs the server one
    hash of a password, of which a core makes about 18 a second, and it admits one registration a
    second from one address unless it was started with other limits, such as --address-rate 1000
    1000 --strangers-rate 1000 1000.
    """
    if terminals < merchants:
        message = f"{terminals} terminals are too few for {merchants} merchants"
        raise click.UsageError(message)
    scenario = load_scenario(scenario_name) if scenario_name is not None else None
    file = CastFile(cast_path)
    authority = _authority(operator_home, enrolment_code_file)
    cast = file.read() if file.exists() else _new_cast(server, label, authority, ca_file)
    now_ms = time.time_ns() // 1_000_000
    if authority is not None and cast.operator and cast.operator.is_over(now_ms):
        cast.operator = None
    draw_up(cast, merchants=merchants, terminals=terminals, customers=customers)
    asyncio.run(
        _prepare(
            *(cast, file, _code_or_operator(authority), now_ms),
            widens_policy=not keep_policy,
            scenario=scenario,
        )
    )
    click.echo(
        f"{cast_path}: {len(cast.customers)} customers, {len(cast.terminals)} terminals and"
        f" {len(cast.merchants)} merchants can call {cast.server.phones}."
    )


async def _prepare(  # noqa: PLR0913 -- what preparing takes
    cast: Cast,
    file: CastFile,
    authority: AdminIdentity | str | None,
    now_ms: int,
    *,
    widens_policy: bool,
    scenario: Scenario | None,
) -> None:
    async with Lines(cast) as lines:
        with CastWatcher(file) as watcher:
            await prepare_cast(
                cast, lines, watcher, authority=authority, widens_policy=widens_policy
            )
            await renew(cast, lines, watcher, now_ms=now_ms)
        if scenario is not None:
            await add_tickets_for(scenario, cast, lines)


def _authority(home: Path | None, code_file: Path | None) -> AdminIdentity | EnrolmentFile | None:
    if code_file is not None:
        try:
            return EnrolmentFile.parse(code_file.read_text())
        except ValueError as error:
            message = f"{code_file} holds no enrolment code"
            raise click.BadParameter(message, param_hint="--enrolment-code-file") from error
    return None if home is None else read_admin_home(home)


def _code_or_operator(
    authority: AdminIdentity | EnrolmentFile | None,
) -> AdminIdentity | str | None:
    return authority.enrolment_code if isinstance(authority, EnrolmentFile) else authority


def _new_cast(
    server: str | None,
    label: str,
    authority: AdminIdentity | EnrolmentFile | None,
    ca_file: Path | None,
) -> Cast:
    if server is None or authority is None:
        message = "a new cast needs --server, and --operator or --enrolment-code-file"
        raise click.UsageError(message)
    certificates = ca_file.read_text() if ca_file else authority.ca_certificates_pem
    return Cast(label=label, server=Server(phones=server, ca_certificates_pem=certificates))
