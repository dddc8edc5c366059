"""Casts on servers of tests."""

from copy import deepcopy

from tallymark_load.cast import Cast, Server
from tallymark_load.cast.drawing import draw_up
from tallymark_load.cast.lines import Lines
from tallymark_load.cast.operator_home import AdminIdentity
from tallymark_load.cast.preparing import prepare
from tallymark_protocol.errors import NotDone
from tests.world.world import World

__all__ = ["Album", "authority_of", "new_cast", "prepared_cast"]


class Album:
    """Keeps every picture of a growing cast, and can break off."""

    def __init__(self, break_at: tuple[str, int] | None = None) -> None:
        self.kept: list[Cast] = []
        self.told: list[tuple[str, int, int]] = []
        self.waits: list[NotDone] = []
        self._break_at = break_at

    async def keep(self, cast: Cast) -> None:
        self.kept.append(deepcopy(cast))

    def progress(self, step: str, done: int, total: int) -> None:
        self.told.append((step, done, total))
        if (step, done) == self._break_at:
            message = "somebody pulled the plug"
            raise ConnectionError(message)

    def waiting(self, error: NotDone) -> None:
        self.waits.append(error)


def authority_of(served: World) -> AdminIdentity:
    """Return the operator that the world has, as tallymark-admin would keep it."""
    assert served.operator.identity is not None
    address = f"127.0.0.1:{served.app.operator_port}"
    return AdminIdentity(address, served.operator.identity, served.ca_pem)


def new_cast(served: World, *, customers: int, label: str = "load") -> Cast:
    """Return a cast that has been drawn up: two merchants with two terminals each."""
    server = Server(phones=f"127.0.0.1:{served.app.port}", ca_certificates_pem=served.ca_pem)
    cast = Cast(label=label, server=server)
    draw_up(cast, merchants=2, terminals=4, customers=customers)
    return cast


async def prepared_cast(served: World, *, customers: int = 12) -> Cast:
    """Return a cast that can call."""
    cast = new_cast(served, customers=customers)
    async with Lines(cast) as lines:
        await prepare(cast, lines, Album(), authority=authority_of(served))
    return cast
