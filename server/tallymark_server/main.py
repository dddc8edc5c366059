"""The command `tallymark-server`.

Exit codes: 0 stopped on SIGTERM or SIGINT, 1 could not start, 2 wrong usage, 3 the store failed
while serving (start again; everything that was acknowledged is there), 4 somebody moved the
machine's clock (see that it is right, and start again), 5 a client has shown that the database is
older than what was answered (start again, and see docs/restore.md).
"""

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import uvloop

from tallymark_protocol.errors import TallymarkError
from tallymark_server.app import App, serve
from tallymark_server.beginning import begin, keeping_mark, log_recovery
from tallymark_server.clock import STEP_SECONDS_MAX, ClockStepped, SystemClock
from tallymark_server.garbage import spare_what_stays
from tallymark_server.institution import CreditInstitution, open_institution_channel
from tallymark_server.key_options import key_options, read_passphrase
from tallymark_server.keyring import Keyring
from tallymark_server.keys.folder import KeyFolder
from tallymark_server.keys.high_water import HighWater
from tallymark_server.open_files import raise_open_files
from tallymark_server.options import guard_options, limits_of
from tallymark_server.parts import PARTITIONS, Parts
from tallymark_server.passwords import PROFILES
from tallymark_server.server_files import remove_ready_file, write_files
from tallymark_server.services.number_sender import LogNumberSender
from tallymark_server.settings import Settings, institution_ca_pem
from tallymark_server.storage.free_space import FLOOR_MEBIBYTES, FreeSpace
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.sqlite_backup import Backups
from tallymark_server.storage.sqlite_database import StoreRefused
from tallymark_server.storage.store import StoreFailed, last_decision
from tallymark_server.tls.authority import Authority
from tallymark_server.tls.server_tls import ServerTls
from tallymark_server.watching.disk import disk_use
from tallymark_server.watching.logs import set_up_logs
from tallymark_server.watching.metrics import registry_of
from tallymark_server.watching.options import watch_options, watching_of
from tallymark_server.watching.pauses import Pauses
from tallymark_server.watching.port import showing_metrics
from tallymark_server.watching.tracing import tracing

__all__ = ["main"]

EXIT_CANNOT_START: Final = 1
EXIT_STORE_FAILED: Final = 3
EXIT_CLOCK_STEPPED: Final = 4
EXIT_WENT_BACK: Final = 5

DATABASE_NAME: Final = "tallymark.sqlite3"

_CANNOT_START: Final = (StoreRefused, StoreFailed, TallymarkError, OSError, RuntimeError)
"""What ends a start; a port in use is a RuntimeError."""

_log = logging.getLogger("tallymark_server")


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the database; made if it is not there.",
)
@click.option(
    "--listen",
    default="127.0.0.1:7420",
    show_default=True,
    metavar="HOST:PORT",
    help="Where phones call, and whoever enrols; port 0 takes a free one.",
)
@click.option(
    "--terminal-listen",
    default="127.0.0.1:7422",
    show_default=True,
    metavar="HOST:PORT",
    help="Where terminals call; port 0 takes a free one.",
)
@click.option(
    "--operator-listen",
    default="127.0.0.1:7421",
    show_default=True,
    metavar="HOST:PORT",
    help="Where operators call; port 0 takes a free one.",
)
@click.option(
    "--host-name",
    "host_names",
    multiple=True,
    metavar="NAME",
    help="Name or address under which others reach this machine; may be given more than once. "
    "This machine's own names are always among them.",
)
@click.option(
    "--enrol-operator",
    "operator_id",
    default="first",
    show_default=True,
    metavar="ID",
    help="Operator whose one-time code is written to DATA/operator-enrolment-code, unless there is "
    "one with this id already. A new id lets somebody in when every operator is out.",
)
@click.option(
    "--unsafe-plain-text",
    is_flag=True,
    help="FOR TESTS ONLY: no TLS, and callers are whoever they say they are. Loopback only.",
)
@click.option(
    "--institution",
    default="127.0.0.1:7430",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the credit institution answers.",
)
@click.option(
    "--institution-ca-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Certificates of the authorities to trust for the institution, in PEM: TLS instead of "
    "plain text. Needed unless it is on this machine.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write when serving: JSON with ports, the path of the authority, and pid.",
)
@click.option(
    "--clock-step-max",
    "clock_step_seconds_max",
    type=click.FloatRange(min=0.1),
    default=STEP_SECONDS_MAX,
    show_default=True,
    metavar="SECONDS",
    help="How far the machine's clock may be moved while the server serves; beyond it the server "
    "stops with exit code 4.",
)
@click.option(
    "--free-space-floor",
    "free_space_floor_mebibytes",
    type=click.IntRange(min=0),
    default=FLOOR_MEBIBYTES,
    show_default=True,
    metavar="MEBIBYTES",
    help="Room on the disk of DATA below which nothing new is begun, until there is more again.",
)
@key_options
@guard_options
@watch_options
@click.version_option(package_name="tallymark-server")
def main(  # noqa: PLR0913 -- one parameter for each option
    data: Path,
    *,
    keys: Path | None,
    key_passphrase_file: Path | None,
    password_profile: str,
    listen: str,
    terminal_listen: str,
    operator_listen: str,
    host_names: tuple[str, ...],
    operator_id: str,
    unsafe_plain_text: bool,
    institution: str,
    institution_ca_file: Path | None,
    ready_file: Path | None,
    clock_step_seconds_max: float,
    free_space_floor_mebibytes: int,
    **more: Any,  # noqa: ANN401 -- of many types, for whoever added the options
) -> None:
    """Run the Tallymark server.

    It stores everything in DATA: the database, the keys in DATA/keys unless --keys names another
    folder, the certificate of its authority in DATA/ca.pem, which phones are to trust, and at first
    the one-time code of the first operator in DATA/operator-enrolment-code (see tallymark-admin
    init). Stop it with SIGTERM: calls under way are finished.

    \b
    Example:
      tallymark-server --data ./data --institution 127.0.0.1:7430
    """  # noqa: D301 -- for click it is the character itself
    watching = watching_of(more)
    set_up_logs(watching.log_format, watching.log_level)
    try:
        settings = Settings(
            data=data,
            keys=keys or data / "keys",
            key_passphrase=read_passphrase(key_passphrase_file),
            listen=listen,
            terminal_listen=terminal_listen,
            operator_listen=operator_listen,
            host_names=host_names,
            operator_id=operator_id,
            unsafe_plain_text=unsafe_plain_text,
            institution=institution,
            institution_ca_file=institution_ca_file,
            ready_file=ready_file,
            clock_step_seconds_max=clock_step_seconds_max,
            free_space_floor_bytes=free_space_floor_mebibytes << 20,
            password_profile=PROFILES[password_profile],
            limits=limits_of(more),
            watching=watching,
        )
        settings.check()
        files = raise_open_files()
        _log.info("up to %d files and connections may be open", files)
        code = uvloop.run(_run(settings))
    except ClockStepped as stepped:
        code = _clock_stepped(stepped.step_seconds)
    except _CANNOT_START as error:
        click.echo(f"tallymark-server cannot start: {error}", err=True)
        code = EXIT_CANNOT_START
    sys.exit(code)


async def _run(settings: Settings) -> int:
    told = _told_by_signals()
    async with AsyncExitStack() as stack:
        traced = await stack.enter_async_context(
            tracing(settings.watching.trace_to, settings.watching.trace_ratio)
        )
        database = settings.data / DATABASE_NAME
        is_new = not await asyncio.to_thread(database.exists)
        folder = await asyncio.to_thread(
            KeyFolder.open,
            settings.keys,
            make_missing=is_new,
            passphrase=settings.key_passphrase,
        )
        stack.enter_context(folder.locked())
        keyring = await asyncio.to_thread(Keyring.read, folder)
        store = await SqliteStore.open(database, keyring.cells)
        stack.push_async_callback(store.close)
        remove_ready_file(settings)
        channel = open_institution_channel(
            settings.institution,
            institution_ca_pem(settings),
            traced.interceptors() if traced else (),
        )
        stack.push_async_callback(channel.close)
        clock = SystemClock(
            not_before=await last_decision(store), step_seconds_max=settings.clock_step_seconds_max
        )
        high_water = await asyncio.to_thread(HighWater, folder)
        recovery = await begin(
            store, clock=clock, keyring=keyring, high_water=high_water, partitions=PARTITIONS
        )
        if recovery is not None:
            log_recovery(recovery)
        await stack.enter_async_context(keeping_mark(store, high_water, PARTITIONS))
        authority = Authority.open(folder.read_or_make, now=clock.now())
        tls = ServerTls(authority, clock=clock, host_names=settings.all_host_names())
        parts = Parts(
            store=store,
            clock=clock,
            keyring=keyring,
            institution=CreditInstitution(channel),
            number_sender=LogNumberSender(),
            password_profile=settings.password_profile,
            limits=settings.limits,
            authority=authority,
            tls=None if settings.unsafe_plain_text else tls,
            operator_id=settings.operator_id,
            keep_shown=high_water.keep_shown,
            has_room=FreeSpace(settings.data, settings.free_space_floor_bytes),
            backups=Backups(database=database, folder=settings.data / "backups"),
            tracing=traced,
        )
        app = await stack.enter_async_context(
            serve(
                parts,
                listen=settings.listen,
                terminal_listen=settings.terminal_listen,
                operator_listen=settings.operator_listen,
            )
        )
        metrics_port = await _show_metrics(settings, app, store, stack)
        spare_what_stays()
        write_files(settings, app, authority, recovery, metrics_port=metrics_port)
        _log.info(
            "serving on port %d, terminals on port %d, operators on port %d",
            app.port,
            app.terminal_port,
            app.operator_port,
        )
        was_told = await _told_to_stop_or(app.stopped, told)
        _log.info("stopping")
    if not was_told and clock.step_seconds:
        return _clock_stepped(clock.step_seconds)
    if app.witnesses.shown is not None:
        return EXIT_WENT_BACK
    if was_told:
        return 0
    why = store.failure or "a part of it failed, see above"
    click.echo(
        f"tallymark-server stopped by itself: {why}. Whatever was answered is kept.", err=True
    )
    return EXIT_STORE_FAILED


def _clock_stepped(seconds: float) -> int:
    """Say why nothing is served, and return the exit code."""
    _log.critical(
        "the machine's clock was moved by %+.1f seconds, so nothing more was decided; "
        "see that it tells the time, and start the server again",
        seconds,
    )
    return EXIT_CLOCK_STEPPED


async def _show_metrics(
    settings: Settings, app: App, store: SqliteStore, stack: AsyncExitStack
) -> int | None:
    """Open the port for metrics if there is to be one, and return its number."""
    address = settings.watching.metrics_listen
    if not address:
        return None
    pauses = Pauses()
    database = settings.data / DATABASE_NAME
    use = partial(disk_use, database, settings.free_space_floor_bytes)
    registry = registry_of(app.watched, pauses, use, store.commit_seconds)
    port = await stack.enter_async_context(showing_metrics(registry, pauses, address))
    _log.info("metrics on port %d", port)
    return port


def _told_by_signals() -> asyncio.Event:
    """Return what a signal to stop sets; one that comes while starting stops what was started."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


async def _told_to_stop_or(stopped: asyncio.Event, told: asyncio.Event) -> bool:
    """Wait for a signal (True) or for the server's own end (False)."""
    waits = [asyncio.create_task(told.wait()), asyncio.create_task(stopped.wait())]
    _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return told.is_set()
