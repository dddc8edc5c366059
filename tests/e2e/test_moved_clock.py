"""A server whose machine's clock is set while it serves: it stops, and says so."""

import signal
from pathlib import Path

import pytest

from tests.e2e.served import server, town
from tests.world.actions import burn

SETTABLE_CLOCK = """
import signal
import time

machine, ahead = time.time_ns, []
time.time_ns = lambda: machine() + sum(ahead)
signal.signal(signal.SIGUSR1, lambda *_: ahead.append(SECONDS * 10**9))

from tallymark_server.main import main

main()
"""
"""A server on a machine whose clock a signal sets."""


@pytest.mark.parametrize("seconds", [3_600, -3_600], ids=["forward", "back"])
async def test_a_server_stops_when_the_clock_is_set(tmp_path: Path, seconds: int) -> None:
    code = SETTABLE_CLOCK.replace("SECONDS", str(seconds))
    async with town(tmp_path, code=code) as running:
        ana = await running.add_phone()
        till = await running.add_terminal()
        await running.operator.add_points(ana, 300)
        request = till.resolve_request(await ana.issue(), burn(100))
        answer = await till.call("ResolveCode", request)
        running.program.send(signal.SIGUSR1)
        exit_code = await running.program.ended()

    assert exit_code == 4
    assert f"the machine's clock was moved by {seconds:+}.0 seconds" in running.program.output
    async with town(tmp_path) as again:
        await again.connect_again(till)
        assert (await till.call("ResolveCode", request)).process == answer.process


async def test_a_server_rides_out_what_the_operator_allows(tmp_path: Path) -> None:
    code = SETTABLE_CLOCK.replace("SECONDS", "60")
    async with town(tmp_path, code=code, options=("--clock-step-max", "61")) as running:
        ana = await running.add_phone()
        running.program.send(signal.SIGUSR1)
        assert await ana.issue()
        running.program.send(signal.SIGTERM)
        exit_code = await running.program.ended()

    assert exit_code == 0


SET_DURING_THE_START = """
import time

machine, ahead = time.time_ns, []
time.time_ns = lambda: machine() + sum(ahead)

from tallymark_server import main as program

begin = program.begin

def set_clock_and_begin(*args, **more):
    ahead.append(3_600 * 10**9)
    return begin(*args, **more)

program.begin = set_clock_and_begin
program.main()
"""


async def test_a_server_says_the_same_when_the_clock_is_set_during_its_start(
    tmp_path: Path,
) -> None:
    program = await server(tmp_path, institution_port=1, code=SET_DURING_THE_START)

    assert await program.ended() == 4
    assert "the machine's clock was moved by +3600.0 seconds" in program.output
