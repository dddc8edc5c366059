"""Options of `tallymark-server` about the folder of keys and the passphrase that protects it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from tallymark_server.keys.folder import KeysRefused

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
    """Return the passphrase that was given, without line breaks at its end; None if none was.

    The variable is taken out of the environment, so that no program started from here gets it. The
    file may be readable by others: where it comes from, secrets are mounted as they are.

    Raises:
        KeysRefused: it was given in both ways, or is empty.
        OSError: the file cannot be read.

    """
    variable = os.environ.pop(PASSPHRASE_VARIABLE, None)
    if file is None and variable is None:
        return None
    if file is not None and variable is not None:
        message = f"give the passphrase in a file or in {PASSPHRASE_VARIABLE}, not in both"
        raise KeysRefused(message)
    given = file.read_bytes() if file is not None else os.fsencode(variable or "")
    passphrase = given.rstrip(b"\r\n")
    if not passphrase:
        message = "the passphrase of the keys is empty"
        raise KeysRefused(message)
    return passphrase
