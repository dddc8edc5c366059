"""What the command line says, checked."""

import ipaddress
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tallymark_server.limits import Limits
from tallymark_server.passwords import PasswordProfile
from tallymark_server.storage.free_space import FLOOR_MEBIBYTES
from tallymark_server.watching.options import WatchSettings

__all__ = ["Settings", "institution_ca_pem", "is_loopback"]

_OWN_NAMES: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that an operator may choose at the start."""

    data: Path
    keys: Path
    key_passphrase: bytes | None = field(default=None, repr=False)
    listen: str
    terminal_listen: str
    operator_listen: str
    host_names: tuple[str, ...]
    unsafe_plain_text: bool
    institution: str
    institution_ca_file: Path | None
    ready_file: Path | None
    clock_step_seconds_max: float
    password_profile: PasswordProfile
    limits: Limits
    operator_id: str = "first"
    free_space_floor_bytes: int = FLOOR_MEBIBYTES << 20
    watching: WatchSettings = field(default_factory=WatchSettings)

    def check(self) -> None:
        """Refuse what would be dangerous.

        Raises:
            RuntimeError: plain text on an address that others can reach.

        """
        if self.institution_ca_file is None and not is_loopback(self.institution):
            message = (
                "card numbers go to the institution: give --institution-ca-file for TLS, "
                "or an address on this machine"
            )
            raise RuntimeError(message)
        addresses = (self.listen, self.terminal_listen, self.operator_listen)
        if self.unsafe_plain_text and not all(is_loopback(address) for address in addresses):
            message = "--unsafe-plain-text is for loopback addresses only, such as 127.0.0.1:7420"
            raise RuntimeError(message)

    def all_host_names(self) -> list[str]:
        """Return every name that the server's certificate is to be for."""
        listened = (_host(self.listen), _host(self.terminal_listen), _host(self.operator_listen))
        names = (*_OWN_NAMES, socket.gethostname(), *listened, *self.host_names)
        everywhere = {"", "0.0.0.0", "::", "[::]"}  # noqa: S104 -- listened on, but nobody's name
        return list(dict.fromkeys(name.strip("[]") for name in names if name not in everywhere))


def institution_ca_pem(settings: Settings) -> str:
    """Return the authorities of the institution's certificate; empty for plain text."""
    if settings.institution_ca_file is None:
        return ""
    return settings.institution_ca_file.read_text()


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def is_loopback(address: str) -> bool:
    """Say whether HOST:PORT is on this machine."""
    host = _host(address).strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
