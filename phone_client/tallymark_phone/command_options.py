"""Options and help that several commands share."""

from pathlib import Path
from typing import Any

import click

from tallymark_phone.trust import Trust

__all__ = ["ca_file_option", "device_name_option", "examples", "json_option", "server_option"]

server_option = click.option(
    "--server", required=True, envvar="TALLYMARK_SERVER", metavar="HOST:PORT", help="The server."
)
device_name_option = click.option(
    "--device-name", default="My phone", show_default=True, help="Name of this phone for lists."
)
json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


def examples(*lines: str) -> str:
    """Return the end of a command's help: lines as they can be typed after the program's name."""
    return "\n".join(["\b", "Examples:", *(f"  tallymark-phone {line}" for line in lines)])


def _read_authorities(context: click.Context, option: click.Parameter, path: Path | None) -> Any:  # noqa: ANN401, ARG001 - as in click
    return Trust.from_file(path) if path else None


ca_file_option = click.option(
    "--ca-file",
    "trust",
    envvar="TALLYMARK_CA_FILE",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_read_authorities,
    help="Certificates (PEM) of the authorities to trust for this server; kept on this phone."
    " Else TALLYMARK_CA_FILE, else what this system trusts.",
)
"""Gives the command a `trust`, None if nothing is named; raises NoCertificates."""
