"""Whether the bench would see that the server became slower by a tenth.

One server, whose ResolveCode burns a tenth of its processor time more when a call says so, plays
three times a round: as it is, as it is once more, and slowed down. Of the slow-down the interval
of 95 % must not contain 1; of the server against itself it must, which by its meaning fails to
come true once in twenty runs.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import cycle, permutations
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.burn import BURN_KEY
from bench.contestants import Caller, issue
from bench.crowd import Crowd, crowd
from bench.lines import Line, at_least, at_most, main
from bench.load import Script
from bench.processes import LOAD_CORE, hands
from bench.rounds import Rounds, Taken, play_rounds
from tests.e2e.served import SERVER

__all__ = ["BURNING_SERVER", "Scale", "compare", "measure"]

BURNING_SERVER: Final = f"from bench.burn import burn_when_told; burn_when_told(); {SERVER}"

PLANTED: Final = 0.10
"""Of the processor time of an admission."""

CALIBRATIONS: Final = 3

AS_IT_IS: Final = "as it is"
ONCE_MORE: Final = "once more"
SLOWED_DOWN: Final = "slowed down"


class Scale(NamedTuple):
    """How much is played."""

    customers: int = 600
    """A third of them for each time."""

    rounds: int = 40


QUICK: Final = Scale(customers=450, rounds=12)


def measure(*, is_quick: bool, scale: Scale | None = None) -> Sequence[Line]:
    """Compare the server with itself, and with itself slowed down."""
    return uvloop.run(_measure(scale or (QUICK if is_quick else Scale())))


async def _measure(scale: Scale) -> list[Line]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallymark-bench-")))
        caller = Caller(stack.enter_context(hands(LOAD_CORE)))
        served = await stack.enter_async_context(
            crowd(folder / "server", scale.customers, code=BURNING_SERVER)
        )
        return await compare(served, caller, scale)


async def compare(served: Crowd, caller: Caller, scale: Scale) -> list[Line]:
    """Compare a BURNING_SERVER with itself."""
    as_it_is = await play_rounds([Thirds(served, caller, {AS_IT_IS: 0.0})], CALIBRATIONS)
    microseconds = PLANTED * as_it_is.median(AS_IT_IS, "processor_microseconds")
    burnt = {AS_IT_IS: 0.0, ONCE_MORE: 0.0, SLOWED_DOWN: microseconds}
    rounds = await play_rounds([Thirds(served, caller, burnt)], scale.rounds)
    return _lines(rounds, microseconds)


class Thirds:
    """Admissions of everybody, a part of them each time the server is as it is to be compared.

    The parts follow each other at once, in changing order, so that they meet the same machine.
    """

    def __init__(self, crowd: Crowd, caller: Caller, burnt: Mapping[str, float]) -> None:
        """Take who comes, who calls for them, and by name how many microseconds a call burns."""
        self._crowd = crowd
        self._caller = caller
        self._orders = cycle(permutations(burnt.items()))

    async def play(self) -> Mapping[str, Taken]:
        """Let everybody in once."""
        _, codes = await issue(self._crowd, self._caller)
        order = next(self._orders)
        return {
            name: await self._admit(codes[number :: len(order)], microseconds)
            for number, (name, microseconds) in enumerate(order)
        }

    async def _admit(self, codes: Sequence[str], microseconds: float) -> Taken:
        metadata = ((BURN_KEY, f"{microseconds:.1f}"),)
        items = [
            [call._replace(metadata=metadata) for call in item] for item in self._crowd.admit(codes)
        ]
        script = Script(self._crowd.gate_address, items)
        taken, _ = await self._caller.play(self._crowd.pid, script)
        return taken


def _lines(rounds: Rounds, microseconds: float) -> list[Line]:
    slowed = rounds.ratio(SLOWED_DOWN, AS_IT_IS, "processor_microseconds")
    same = rounds.ratio(ONCE_MORE, AS_IT_IS, "processor_microseconds")
    by_rate = rounds.ratio(AS_IT_IS, SLOWED_DOWN, "per_second")
    interval = "{0.mean:.3f}, 95 %: {0.low:.3f} to {0.high:.3f}"
    return [
        Line(
            name="slowed down by 10 %, least of 95 %",
            got=slowed.low,
            target=at_least(1),
            trials=rounds.count,
            note=f"{interval.format(slowed)}; by rate {interval.format(by_rate)}",
            figures={"ratio": slowed, "by_rate": by_rate, "burnt_microseconds": microseconds},
        ),
        Line(
            name="against itself, nearest to 1 of 95 %",
            got=max(same.low, 1 / same.high),
            target=at_most(1),
            trials=rounds.count,
            note=interval.format(same),
            figures={"ratio": same},
        ),
    ]


if __name__ == "__main__":
    main(measure, "slowdown")
