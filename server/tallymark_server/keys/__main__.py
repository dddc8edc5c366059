"""Copies a folder of keys, to protect it by a passphrase, by another one, or by none any more.

python -m tallymark_server.keys data/keys new-keys --new-passphrase-file passphrase
"""

import sys
from pathlib import Path
from typing import Final

import click

from tallymark_server.durable import sync_folder
from tallymark_server.keys.folder import KeyFolder, KeysRefused
from tallymark_server.keys.passphrase import passphrase_in

__all__ = ["copy_keys", "main"]

_EXIT_REFUSED: Final = 1

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_FOLDER: Final = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("old", type=_FOLDER)
@click.argument("new", type=_FOLDER)
@click.option(
    "--passphrase-file", type=_FILE, help="File with the passphrase of OLD, if it has one."
)
@click.option(
    "--new-passphrase-file",
    type=_FILE,
    help="File with the passphrase that is to protect NEW; without it nothing does.",
)
def main(
    old: Path, new: Path, *, passphrase_file: Path | None, new_passphrase_file: Path | None
) -> None:
    """Copy the keys in OLD into the folder NEW, which must not be there yet.

    Stop the server before, and start it with --keys NEW afterwards. OLD stays as it is.

    \b
    Example:
      python -m tallymark_server.keys data/keys new-keys --new-passphrase-file passphrase
    """  # noqa: D301 -- for click it is the character itself
    try:
        count = copy_keys(
            old,
            new,
            passphrase=passphrase_in(passphrase_file) if passphrase_file else None,
            new_passphrase=passphrase_in(new_passphrase_file) if new_passphrase_file else None,
        )
    except (KeysRefused, OSError) as error:
        click.echo(f"the keys were not copied: {error}", err=True)
        sys.exit(_EXIT_REFUSED)
    click.echo(f"{count} files copied. Start the server with --keys {new}, then remove {old}.")


def copy_keys(
    old: Path, new: Path, *, passphrase: bytes | None, new_passphrase: bytes | None
) -> int:
    """Copy all keys into a new folder, which gets its name when it is complete; return how many.

    Raises:
        KeysRefused: a server uses the old folder, its passphrase is another one, or the new one is
            there already.
        OSError: a folder cannot be used.

    """
    unfinished = new.with_name(f"{new.name}.unfinished")
    for folder in (new, unfinished):
        if folder.exists():
            message = f"{folder} is there already; remove it or choose another name"
            raise KeysRefused(message)
    source = KeyFolder.open(old, make_missing=False, passphrase=passphrase)
    with source.locked():
        names = source.secrets()
        target = KeyFolder.open(unfinished, passphrase=new_passphrase)
        for name in names:
            target.write(name, source.read(name))
    unfinished.rename(new)
    sync_folder(new.absolute().parent)
    return len(names)


if __name__ == "__main__":
    main()
