"""Puts a backup in the place of the database, while no server runs.

python -m tallymark_server.restore data/backups/2026-11-23 --data data
"""

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from tallymark_server.durable import make_folder, sync_folder
from tallymark_server.storage.backup_check import BackupFacts, BackupRefused, check_backup
from tallymark_server.storage.sqlite_database import StoreRefused, lock_beside

__all__ = ["main", "restore"]

_EXIT_REFUSED: Final = 1

_PARTS: Final = ("", "-wal", "-shm")
"""What belongs to a database: a log of one must never meet the file of another."""


@click.command()
@click.argument("backup", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the database, as the server is told.",
)
def main(backup: Path, *, data: Path) -> None:
    """Put BACKUP in the place of the database in DATA.

    Stop the server before. The backup is checked first, and the old database is kept aside in a
    folder of its own. The server notices what was done when it starts, and says what to do next.

    \b
    Example:
      python -m tallymark_server.restore data/backups/2026-11-23 --data data
    """  # noqa: D301 -- for click it is the character itself
    try:
        facts, aside = restore(backup, data, now=datetime.now(tz=UTC))
    except (BackupRefused, StoreRefused, OSError) as error:
        click.echo(f"nothing was restored: {error}", err=True)
        sys.exit(_EXIT_REFUSED)
    decided_at = f"{datetime.fromtimestamp(facts.decided_at / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
    click.echo(f"Restored up to entry {facts.sequence}, decided {decided_at}.")
    if aside is not None:
        click.echo(f"The database of before is in {aside}.")
    click.echo("Start the server, then run: tallymark-admin recovery status")


def restore(backup: Path, data: Path, *, now: datetime) -> tuple[BackupFacts, Path | None]:
    """Check the backup and put it in place; return what it holds and where the old database is.

    A run that dies leaves the old database or the new one in place, and the old one aside too.

    Raises:
        BackupRefused: the backup is damaged.
        StoreRefused: a server uses the database.
        OSError: a file cannot be written.

    """
    facts = check_backup(backup)
    database = (data / "tallymark.sqlite3").absolute()
    make_folder(database.parent)
    with lock_beside(database):
        new = database.with_name(f"{database.name}.new")
        _copy(backup, new)
        aside = _keep_aside(database, now) if database.exists() else None
        for part in _PARTS[1:]:
            Path(f"{database}{part}").unlink(missing_ok=True)
        sync_folder(database.parent)
        new.rename(database)
        sync_folder(database.parent)
    return facts, aside


def _copy(source: Path, target: Path) -> None:
    """Copy a file so that it survives a power cut, readable by its owner only."""
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _keep_aside(database: Path, now: datetime) -> Path:
    """Give the database and its log a second name in a folder of their own."""
    folder = database.parent / f"replaced-{now:%Y%m%dT%H%M%S}"
    make_folder(folder)
    for part in _PARTS[:2]:
        file = Path(f"{database}{part}")
        if file.exists():
            os.link(file, folder / file.name)
    sync_folder(folder)
    return folder


if __name__ == "__main__":
    main()
