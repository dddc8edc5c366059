"""What the server does in a second, beside an echo that does nothing: the parts admit and sale.

Server and echo on one core, who calls on the other, 64 items under way, the same TLS, every check
and signature, each commit synced. All of it is played in turns, and what is promised is a ratio of
the same round.
"""

import tempfile
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.contestants import Admissions, Caller, Echoes, Sales, issue
from bench.crowd import Crowd, crowd
from bench.echo import Echo, echo
from bench.lines import Line, Target, at_least
from bench.load import Call, Script
from bench.processes import LOAD_CORE, hands
from bench.rounds import Contestant, Rounds, play_rounds

__all__ = ["KINDS", "measure"]

KINDS: Final = ("admit", "sale")

TARGETS: Final = {"admit": at_least(0.65), "sale": at_least(0.60)}

LOAD_SHARE_MAX: Final = 0.95
"""Beyond it the caller may have been the limit, and the ratio is that of processor times."""


class Scale(NamedTuple):
    """How much is played."""

    customers: int = 1000
    rounds: int = 7


QUICK: Final = Scale(customers=400, rounds=5)


def measure(*, is_quick: bool, kinds: Collection[str] = KINDS) -> Sequence[Line]:
    """Measure the kinds of calls that are named."""
    return uvloop.run(_measure(QUICK if is_quick else Scale(), kinds))


async def _measure(scale: Scale, kinds: Collection[str]) -> list[Line]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallymark-bench-")))
        caller = Caller(stack.enter_context(hands(LOAD_CORE)))
        served = await stack.enter_async_context(crowd(folder / "server", scale.customers))
        sent, answers = await _samples(served, caller)
        ceiling = await stack.enter_async_context(echo(answers))
        rounds = await play_rounds(_contestants(kinds, served, ceiling, caller, sent), scale.rounds)
    return _lines(rounds, kinds, scale)


async def _samples(
    served: Crowd, caller: Caller
) -> tuple[dict[str, list[list[Call]]], dict[str, dict[str, bytes]]]:
    """Play each kind once; return what was sent, and what was answered to each call of one item."""
    sent: dict[str, list[list[Call]]] = {}
    answers: dict[str, dict[str, bytes]] = {}
    for kind, items_for in (("admit", served.admit), ("sale", served.sell)):
        _, codes = await issue(served, caller)
        sent[kind] = items_for(codes)
        _, played = await caller.play(served.pid, Script(served.gate_address, sent[kind]))
        rpcs = [call.rpc for call in sent[kind][0]]
        answers[kind] = dict(zip(rpcs, played.answers[0], strict=True))
    return sent, answers


def _contestants(
    kinds: Collection[str],
    served: Crowd,
    ceiling: Echo,
    caller: Caller,
    sent: dict[str, list[list[Call]]],
) -> list[Contestant]:
    ours: dict[str, Contestant] = {
        "admit": Admissions(served, caller),
        "sale": Sales(served, caller),
    }
    contestants: list[Contestant] = []
    for kind in KINDS:
        if kind in kinds:
            contestants += [ours[kind], Echoes(ceiling, caller, kind, sent[kind])]
    return contestants


def _lines(rounds: Rounds, kinds: Collection[str], scale: Scale) -> list[Line]:
    lines = []
    for kind in KINDS:
        if kind in kinds:
            lines += [
                *(
                    _rate(rounds, name, scale)
                    for name in (f"echo of {kind}", f"echo of {kind}, messages")
                ),
                *([_rate(rounds, "issue", scale)] if kind == "admit" else []),
                _rate(rounds, kind, scale),
                _share(rounds, kind, f"echo of {kind}", TARGETS[kind], scale),
                _share(rounds, kind, f"echo of {kind}, messages", None, scale),
            ]
    return lines


def _rate(rounds: Rounds, name: str, scale: Scale) -> Line:
    processor = rounds.median(name, "processor_microseconds")
    load_share = rounds.median(name, "load_share")
    return Line(
        name=name,
        got=rounds.median(name, "per_second"),
        unit="/s",
        trials=scale.rounds,
        note=f"{processor:.0f} us of processor each, caller at {100 * load_share:.0f} %",
        figures={
            "processor_microseconds": processor,
            "load_share": load_share,
            "rounds": [taken.per_second for taken in rounds.of(name)],
        },
    )


def _share(rounds: Rounds, one: str, other: str, target: Target | None, scale: Scale) -> Line:
    """Return how much of the other's rate the one has, and the same by their processor times."""
    by_rate = rounds.ratio(one, other, "per_second")
    by_processor = rounds.ratio(other, one, "processor_microseconds")
    load_share = max(rounds.median(name, "load_share") for name in (one, other))
    is_caller_the_limit = load_share > LOAD_SHARE_MAX
    ratio = by_processor if is_caller_the_limit else by_rate
    notes = [f"95 %: {ratio.low:.3f} to {ratio.high:.3f}"]
    if is_caller_the_limit:
        notes.append("by processor time, since the caller was the limit")
    else:
        notes.append(f"by processor time {by_processor.mean:.3f}")
    return Line(
        name=f"{one} / {other}",
        got=ratio.mean,
        target=target,
        trials=scale.rounds,
        note=", ".join(notes),
        figures={"by_rate": by_rate, "by_processor": by_processor, "load_share": load_share},
    )
