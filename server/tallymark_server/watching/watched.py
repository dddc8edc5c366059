"""All that is counted in a running server."""

from dataclasses import dataclass

from tallymark_server.lanes.completer import Completer
from tallymark_server.lanes.lane import Lane
from tallymark_server.passwords import Passwords
from tallymark_server.services.entrance import Entrance
from tallymark_server.watching.calls import CallWatch
from tallymark_server.watching.processes import ProcessWatch

__all__ = ["Watched"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """What counts, to be read only."""

    calls: CallWatch
    processes: ProcessWatch
    lane: Lane
    completer: Completer
    passwords: Passwords
    entrance: Entrance
