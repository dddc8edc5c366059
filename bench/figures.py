"""Lines of the report that are made of rounds."""

from typing import Final

from bench.lines import Line, Target
from bench.rounds import Rounds

__all__ = ["rate", "share"]

LOAD_SHARE_MAX: Final = 0.95
"""Beyond it the caller may have been the limit, and what counts is the ratio of processor times."""


def rate(rounds: Rounds, name: str) -> Line:
    """Return how many a second of something there were: the median of the rounds."""
    processor = rounds.median(name, "processor_microseconds")
    load_share = rounds.median(name, "load_share")
    notes = [f"{processor:.0f} us of processor each"]
    if load_share:
        notes.append(f"caller at {100 * load_share:.0f} %")
    return Line(
        name=name,
        got=rounds.median(name, "per_second"),
        unit="/s",
        trials=rounds.count,
        note=", ".join(notes),
        figures={
            "processor_microseconds": processor,
            "load_share": load_share,
            "rounds": [taken.per_second for taken in rounds.of(name)],
        },
    )


def share(rounds: Rounds, one: str, other: str, target: Target | None = None) -> Line:
    """Return how much of the other's rate the one has in the same round, and that by processor."""
    by_rate = rounds.ratio(one, other, "per_second")
    by_processor = rounds.ratio(other, one, "processor_microseconds")
    load_share = max(rounds.median(name, "load_share") for name in (one, other))
    if load_share > LOAD_SHARE_MAX:
        ratio, beside = by_processor, "by processor time, since the caller was the limit"
    else:
        ratio, beside = by_rate, f"by processor time {by_processor.mean:.3f}"
    return Line(
        name=f"{one} / {other}",
        got=ratio.mean,
        target=target,
        trials=rounds.count,
        note=f"95 %: {ratio.low:.3f} to {ratio.high:.3f}, {beside}",
        figures={"by_rate": by_rate, "by_processor": by_processor, "load_share": load_share},
    )
