"""Plays a recording against a server, and tells what differed and how well it kept time."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from tallymark_load.cast import Cast
from tallymark_load.connections import Connections, Route
from tallymark_load.recorded import Logger, RecordedCall
from tallymark_load.replay.callers import Callers
from tallymark_load.replay.comparison import Comparison, Differences
from tallymark_load.replay.contracts import Contracts
from tallymark_load.replay.correlation import Correlation
from tallymark_load.replay.judging import Judge
from tallymark_load.replay.ordering import Order
from tallymark_load.replay.pace import Pace
from tallymark_load.replay.plan import plan_of
from tallymark_load.replay.player import Player
from tallymark_load.replay.rules import ReplayRules
from tallymark_load.replay.shooter import fire
from tallymark_load.replay.signing import Signing, TallymarkSigning
from tallymark_load.replay.timing import Timing
from tallymark_load.results import Measurements, Stop, StopWhen

__all__ = ["NobodyToPlay", "Replayed", "replay"]

_HEAD_START_NS = 200_000_000
"""Between the last preparation and the first call."""

_UNPLAYED_SHOWN_MAX = 5

Showing = Callable[[Measurements, int], AbstractAsyncContextManager[object]]
"""What shows the progress of measurements, given how many calls there will be."""


class NobodyToPlay(Exception):
    """Recorded callers have no place to call; the message says what to give."""


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What came of a replay."""

    measurements: Measurements
    timing: Timing
    stop: Stop | None
    calls: int
    messages: int
    kinds: Counter[str]
    polls: int
    unknown_values: Counter[str]
    differences: Differences = field(default_factory=Differences)

    @property
    def is_as_recorded(self) -> bool:
        """Whether every difference is explained, and nothing stopped it early."""
        return not self.differences.unexplained and not (self.stop and self.stop.is_failure)

    def summary(self) -> dict[str, object]:
        """Return everything beside the measurements, ready for JSON."""
        return {
            "calls": self.calls,
            "messages_sent": self.messages,
            "calls_by_kind": dict(self.kinds),
            "timing": self.timing.summary(),
            "unexplained_differences": self.differences.unexplained,
            "explained_differences": self.differences.explained,
            "differences": self.differences.groups(),
            "repeated_until_as_recorded": self.polls,
            "values_nobody_told": dict(self.unknown_values),
            "stopped": str(self.stop) if self.stop else "",
        }


async def replay(  # noqa: PLR0913 -- what a replay is made of
    calls: Iterable[RecordedCall],
    *,
    connections: Connections,
    contracts: Contracts,
    rules: ReplayRules,
    pace: Pace,
    route: Route | None = None,
    cast: Cast | None = None,
    stop_when: StopWhen | None = None,
    patience_seconds: float = 30.0,
    showing: Showing | None = None,
) -> Replayed:
    """Play the calls; calls of members of the cast go to its server, all others to `route`.

    Raises:
        NobodyToPlay: there is no route for a caller.
        TimeoutError: a server does not answer.

    """
    callers = Callers(rules, route=route, cast=cast)
    correlation = Correlation(rules.value_selection(), [one.field for one in rules.lists])
    signing = TallymarkSigning(callers, correlation) if rules.signing else Signing()
    plan = plan_of(
        _of_one_side(calls),
        contracts=contracts,
        rules=rules,
        correlation=correlation,
        signing=signing,
    )
    Order(plan, rules, correlation).lay_down()
    who = {call.caller: call.recorded.method for call in plan.calls}
    if unplayed := callers.unknown(who):
        names = ", ".join(unplayed[:_UNPLAYED_SHOWN_MAX])
        message = f"nobody said where these call: {names}; give --to or --cast"
        raise NobodyToPlay(message)
    timing = Timing()
    player = Player(
        plan,
        rules=rules,
        pace=pace,
        callers=callers,
        correlation=correlation,
        signing=signing,
        timing=timing,
        connections=connections,
    )
    await connections.open(
        callers.routes((call.recorded.method, call.caller) for call in plan.calls)
    )
    started = time.monotonic_ns() + _HEAD_START_NS
    measurements = Measurements(started_ns=started, started_at_ns=time.time_ns() + _HEAD_START_NS)
    planned = sum(call.is_measured_from(step) for call in plan.calls for step in call.steps)
    async with showing(measurements, planned) if showing else nullcontext():
        stop = await fire(
            player.shots(started),
            connections=connections,
            measurements=measurements,
            stop_when=stop_when,
            patience_seconds=patience_seconds,
        )
        await player.finish(patience_seconds if stop is None else 1.0)
    replayed = Replayed(
        measurements=measurements,
        timing=timing,
        stop=stop,
        calls=len(plan.calls),
        messages=sum(len(call.sent) for call in plan.calls),
        kinds=Counter(call.method.kind for call in plan.calls),
        polls=sum(one.polls for one in player.played.values()),
        unknown_values=Counter(key.kind for one in player.played.values() for key in one.unknown),
    )
    comparison = Comparison(rules, correlation, is_faster=pace.is_faster)
    judge = Judge(rules, correlation, comparison)
    for played in player.played.values():
        if stop is None or played.outcome:
            replayed.differences.add(judge.differences(played))
    return replayed


def _of_one_side(calls: Iterable[RecordedCall]) -> list[RecordedCall]:
    """Return each call once: as its caller saw it, if callers wrote down anything."""
    kept = list(calls)
    of_callers = [call for call in kept if call.logger is Logger.CLIENT]
    return of_callers or kept
