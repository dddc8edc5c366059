"""Parts of `make bench`, played so small that they tell nothing of speed, but that they play."""

from collections.abc import Sequence
from pathlib import Path

from bench import calls, latency, slowdown
from bench.contestants import Caller
from bench.crowd import crowd
from bench.lines import Line
from bench.processes import LOAD_CORE, SERVER_CORE, hands


def test_calls_are_played_beside_what_limits_them() -> None:
    scale = calls.Scale(customers=6, rounds=2)

    lines = calls.measure(is_quick=True, scale=scale)

    assert {line.name for line in lines if line.target} == {
        "admit / echo of admit",
        "sale / echo of sale",
        "exchange, 50 at once / raw SQLite, 50 at once",
        "exchange, 50 at once / admit",
    }
    assert _all_positive(lines)


async def test_latencies_are_played_and_a_slow_down_is_planted(tmp_path: Path) -> None:
    with hands(LOAD_CORE) as load, hands(SERVER_CORE) as beside:
        async with crowd(tmp_path / "server", 6, code=slowdown.BURNING_SERVER) as served:
            caller, fsyncs = Caller(load), latency.Fsyncs(tmp_path, beside)

            timed = await latency.time_scans(
                served, caller, fsyncs, latency.Scale(customers=6, rounds=2, alone=3)
            )
            compared = await slowdown.compare(served, caller, slowdown.Scale(customers=6, rounds=2))

    assert [line.trials for line in timed] == [12, 12, 12, 2]
    assert compared[0].figures["burnt_microseconds"] > 0
    assert _all_positive(compared)


def _all_positive(lines: Sequence[Line]) -> bool:
    return all(line.got > 0 for line in lines)
