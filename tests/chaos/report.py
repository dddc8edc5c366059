"""The line that a chaos run adds to the reports."""

from collections.abc import Mapping

from tests.chaos.run import Chaos
from tests.proof import Recorded

__all__ = ["recorded"]


def recorded(chaos: Chaos, *, seconds: float, mutants_killed: Mapping[str, int]) -> Recorded:
    """Sum up a run; `seconds` is how long it took in all."""
    history = chaos.history
    return Recorded(
        name="G1, G2, G4, G5, G8 in chaos: real processes, faulty lines, kill -9",
        trials=chaos.operations,
        failures=chaos.wrong.total(),
        faults_fired={
            **{f"line: {name}": count for name, count in chaos.faults.items()},
            "kill -9 of the server": chaos.kills,
            "calls without an answer": history.unknown(),
        },
        mutants_killed=mutants_killed,
        seconds=round(seconds, 1),
        figures={
            "codes": len(history.operations),
            "decided, and nobody heard it": history.decided_unheard(),
            "processes": chaos.processes,
            "postings": chaos.postings,
            "reads of all accounts": chaos.reads,
            "sales": dict(chaos.moved),
            "answers": dict(sorted(history.counts().items())),
            "wrong": dict(chaos.wrong),
        },
    )
