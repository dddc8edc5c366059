"""What the server does in a second, beside what limits it: the parts admit, sale and exchange.

Server, echo and raw SQLite on one core, who calls on the other, 64 items under way, the same TLS,
every check and signature, each commit synced. All of it is played in turns, and what is promised is
a ratio of the same round: calls beside an echo that does nothing else, batches beside SQLite that
writes the same, in the same batches, and nothing else.
"""

import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.contestants import Admissions, Caller, Echoes, Exchanges, Sales, issue
from bench.crowd import Crowd, crowd
from bench.echo import echo
from bench.figures import rate, share
from bench.lines import Line, at_least
from bench.load import Call, Script
from bench.processes import LOAD_CORE, SERVER_CORE, hands
from bench.rounds import Contestant, Rounds, play_rounds
from bench.storage import RawWrites, record

__all__ = ["KINDS", "Scale", "measure"]

KINDS: Final = ("admit", "sale", "exchange")

BATCHES: Final = (1, 10, 50, 200)

ECHO_SHARES: Final = {"admit": at_least(0.65), "sale": at_least(0.60)}
RAW_SHARE: Final = at_least(0.40)
TIMES_UNARY: Final = at_least(4.0)
PROMISED_BATCH: Final = 50


class Scale(NamedTuple):
    """How much is played."""

    customers: int = 1000
    rounds: int = 7


QUICK: Final = Scale(customers=300, rounds=5)


def measure(
    *, is_quick: bool, kinds: Collection[str] = KINDS, scale: Scale | None = None
) -> Sequence[Line]:
    """Measure the kinds of calls that are named."""
    return uvloop.run(_measure(scale or (QUICK if is_quick else Scale()), kinds))


async def _measure(scale: Scale, kinds: Collection[str]) -> list[Line]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallymark-bench-")))
        caller = Caller(stack.enter_context(hands(LOAD_CORE)))
        contestants: list[Contestant] = []
        if "exchange" in kinds:
            writer = stack.enter_context(hands(SERVER_CORE))
            recording = await record(folder, caller, scale.customers)
            contestants += [RawWrites(recording, size, writer) for size in BATCHES]
        served = await stack.enter_async_context(crowd(folder / "server", scale.customers))
        if "exchange" in kinds:
            contestants += [Exchanges(served, caller, size) for size in BATCHES]
        if {"admit", "exchange"} & set(kinds):
            contestants.append(Admissions(served, caller))
        if "sale" in kinds:
            contestants.append(Sales(served, caller))
        contestants += await stack.enter_async_context(_echoes(served, caller, kinds))
        rounds = await play_rounds(contestants, scale.rounds)
    return [line for kind in KINDS if kind in kinds for line in _LINES[kind](rounds)]


@asynccontextmanager
async def _echoes(
    served: Crowd, caller: Caller, kinds: Collection[str]
) -> AsyncIterator[list[Contestant]]:
    """Play each kind of calls once, and serve an echo that answers what was answered."""
    items_for = {"admit": served.admit, "sale": served.sell}
    sent: dict[str, list[list[Call]]] = {}
    answers: dict[str, Mapping[str, bytes]] = {}
    for kind in ECHO_SHARES:
        if kind in kinds:
            _, codes = await issue(served, caller)
            sent[kind] = items_for[kind](codes)
            _, played = await caller.play(served.pid, Script(served.gate_address, sent[kind]))
            rpcs = [call.rpc for call in sent[kind][0]]
            answers[kind] = dict(zip(rpcs, played.answers[0], strict=True))
    async with echo(answers) as ceiling:
        yield [Echoes(ceiling, caller, kind, items) for kind, items in sent.items()]


def _call_lines(rounds: Rounds, kind: str) -> list[Line]:
    ceiling, messages = f"echo of {kind}", f"echo of {kind}, messages"
    return [
        rate(rounds, ceiling),
        rate(rounds, messages),
        rate(rounds, kind),
        share(rounds, kind, ceiling, ECHO_SHARES[kind]),
        share(rounds, kind, messages),
    ]


def _exchange_lines(rounds: Rounds) -> list[Line]:
    lines: list[Line] = []
    for size in BATCHES:
        ours, raw = f"exchange, {size} at once", f"raw SQLite, {size} at once"
        is_promised = size == PROMISED_BATCH
        lines += [
            rate(rounds, raw),
            rate(rounds, ours),
            share(rounds, ours, raw, RAW_SHARE if is_promised else None),
            share(rounds, ours, "admit", TIMES_UNARY if is_promised else None),
        ]
    return lines


_LINES: Final = {
    "admit": lambda rounds: [rate(rounds, "issue"), *_call_lines(rounds, "admit")],
    "sale": lambda rounds: _call_lines(rounds, "sale"),
    "exchange": _exchange_lines,
}
