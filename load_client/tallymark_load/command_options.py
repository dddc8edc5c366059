"""Types of options that several commands have."""

import re
from pathlib import Path
from typing import Final

import click

__all__ = ["CAST_FILE", "FILE", "ServerAddress"]

CAST_FILE: Final = click.Path(path_type=Path, dir_okay=False)
FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)

_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")
_PORT_MAX: Final = 65535


class ServerAddress(click.ParamType[str]):
    """HOST:PORT, with an IPv6 address in brackets; who listens may leave the port open."""

    name = "HOST:PORT"

    def __init__(self, *, is_port_open: bool = False) -> None:
        """Take whether port 0 is good too."""
        self._port_min = 0 if is_port_open else 1

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address, or fail."""
        found = _ADDRESS.fullmatch(value)
        if found is None or not self._port_min <= int(found["port"]) <= _PORT_MAX:
            self.fail("Write HOST:PORT, for example 127.0.0.1:7420.", param, ctx)
        return value
