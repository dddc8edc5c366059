"""Every sample request played once, with its answer."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.world.calls import Call, send
from tests.world.contract import RPCS, Rpc
from tests.world.phone import GOOD_CARD
from tests.world.samples import SAMPLES
from tests.world.secret_values import secrets_in
from tests.world.stage import PASSWORD, Stage

__all__ = ["Played", "play", "play_all", "secrets_of"]


class Played(NamedTuple):
    """A call that was made, and what it was answered."""

    rpc: Rpc
    call: Call
    answer: Any


async def play(stage: Stage, rpc: Rpc) -> Played:
    """Make one call."""
    call = Call(stage.caller_of(rpc), rpc.name, await SAMPLES[rpc.path](stage))
    return Played(rpc, call, await send(call))


async def play_all(stage: Stage, rpcs: Iterable[Rpc] = RPCS) -> list[Played]:
    """Make every call once, one after the other."""
    played = [await play(stage, rpc) for rpc in rpcs]
    await stage.world.settle()
    return played


def secrets_of(stage: Stage, played: Iterable[Played]) -> set[str]:
    """Return all secrets that were sent and received."""
    actors = (stage.ana, stage.bob, stage.till, stage.other_till, stage.gate, stage.operator)
    secrets = {PASSWORD, GOOD_CARD, *(actor.secret for actor in actors if actor.secret)}
    secrets |= set(stage.world.numbers.codes.values())
    for one in played:
        secrets |= secrets_in(one.call.request) | secrets_in(one.answer)
    return secrets
