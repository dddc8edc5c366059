"""A stream that breaks leaves nothing done twice: what was not answered is sent again."""

import asyncio
import contextlib
from collections import Counter

import pytest

from tallymark.v1 import process_pb2
from tallymark.v1.terminal_service_pb2 import ExchangeAnswer, ExchangeCommand
from tallymark_server.domain import decide
from tests.doubles.mutant import Mutant, plant
from tests.integration.exchange.gate import Gate
from tests.integration.exchange.line import resolving
from tests.proof import Proof
from tests.world.actions import earn

pytestmark = pytest.mark.guarantee

NOT_STORED = Mutant(decide, "decide", "draft.put(_request_row(command, answer, now))", "pass")
"""The answer is not kept with its effect."""

TURNS_MAX = 12
"""Of the event loop, after which a stream breaks; a batch takes some ten."""


async def _break_one(gate: Gate, command: ExchangeCommand, turns: int) -> bool:
    """Send a command, break the stream after so many turns, and say whether it was decided."""
    stream = gate.stream()
    stream.send(command)
    waiting = asyncio.ensure_future(anext(stream.responses))
    for _ in range(turns):
        await asyncio.sleep(0)
    decided = len(gate.at_work)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    await stream.responses.aclose()
    return bool(decided)


async def _ask(gate: Gate, command: ExchangeCommand) -> ExchangeAnswer:
    stream = gate.stream()
    stream.send(command)
    response = await anext(stream.responses)
    await stream.responses.aclose()
    return response.answers[0]


async def _is_done_once(gate: Gate, turns: int, broken: Counter[str]) -> bool:
    """Scan somebody's code with a stream that breaks; then send the same until it is answered."""
    till = gate.terminals[0]
    scan = till.resolve_request(await gate.phone.issue(), earn(1), complete_on_instruction=True)
    (command,) = resolving([scan])
    points = await gate.phone.points()
    gate.at_work.clear()
    was_decided = await _break_one(gate, command, turns)
    broken["after it was handed over" if was_decided else "before"] += 1
    first, second = await _ask(gate, command), await _ask(gate, command)
    return (
        first.resolve_code.process.state == process_pb2.PROCESS_STATE_COMPLETED
        and second == first
        and await gate.phone.points() == points + 1
    )


async def test_what_a_broken_stream_left_open_is_done_once(
    gate: Gate, proof: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: Counter[str] = Counter()
    trials = proof.trials(ci=60, campaign=5_000)

    done = [
        await _is_done_once(gate, proof.random.randrange(TURNS_MAX), broken) for _ in range(trials)
    ]

    plant(NOT_STORED, monkeypatch)
    found_after = 1
    while await _is_done_once(gate, proof.random.randrange(TURNS_MAX), Counter()):
        found_after += 1
        assert found_after <= trials, "the planted bug is noticed"
    proof.record(
        "G4 commands of streams that broke",
        trials=trials,
        failures=done.count(False),
        faults_fired=broken,
        mutants_killed={"answers are not kept": found_after},
    )
