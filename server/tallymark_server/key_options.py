"""Options of `tallymark-server` about the folder of keys and the passphrase that protects it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from tallymark_server.keys.passphrase import KeysRefused, passphrase_in

__all__ = ["PASSPHRASE_VARIABLE", "key_options", "read_passphrase"]

PASSPHRASE_VARIABLE: Final = "TALLYMARK_KEY_PASSPHRASE"  # noqa: S105 -- a name


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets `keys` and `key_passphrase_file`."""
    command = click.option(
        "--key-passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File with the passphrase that protects the keys, such as a mounted secret; else "
        f"it is taken from {PASSPHRASE_VARIABLE}, and without both nothing protects them.",
    )(command)
    return click.option(
        "--keys",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for the keys, one for each database; DATA/keys unless given.",
    )(command)


def read_passphrase(file: Path | None) -> bytes | None:
    """Return the passphrase that was given, None if none was.

    The variable is taken out of the environment, so that no program started from here gets it.

    Raises:
        KeysRefused: it was given in both ways, or is empty.
        OSError: the file cannot be read.

    """
    variable = os.environ.pop(PASSPHRASE_VARIABLE, "")
    if file is None:
        return os.fsencode(variable) or None
    if variable:
        message = f"give the passphrase in a file or in {PASSPHRASE_VARIABLE}, not in both"
        raise KeysRefused(message)
    return passphrase_in(file)
