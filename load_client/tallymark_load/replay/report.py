"""What a replay tells in the end, as text."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from tallymark_load.replay.replaying import Replayed

__all__ = ["replay_text"]

_GROUPS_MAX: Final = 40


def replay_text(came: Replayed) -> str:
    """Return what differs from the recording, and how well time was kept, as lines."""
    return "\n".join(_lines(came))


def _lines(came: Replayed) -> Iterator[str]:
    timing = cast("dict[str, Any]", came.timing.summary())
    yield ""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in came.kinds.most_common())
    yield f"Replayed {came.calls:,} calls ({kinds}) with {came.messages:,} messages."
    if timing["timing_error_ms"]:
        yield f"Off their moment by: {_times(timing['timing_error_ms'])}."
    if timing["late_by_dependency_messages"]:
        count = timing["late_by_dependency_messages"]
        times = _times(timing["late_by_dependency_ms"])
        yield f"{count:,} messages waited for an answer or their turn, and were late by: {times}."
    if came.polls:
        yield f"{came.polls:,} reading calls were repeated until they said what was recorded."
    for kind, count in came.unknown_values.most_common():
        yield f"{count:,} times no answer of the recording told a {kind}; sent as recorded."
    if came.stop is not None:
        yield f"It was {came.stop}."
    found = came.differences
    unexplained, explained = found.unexplained, found.explained
    yield f"Differences: {unexplained:,} that no rule explains, {explained:,} explained."
    groups = found.groups()
    yield from (_difference(group) for group in groups[:_GROUPS_MAX])
    if len(groups) > _GROUPS_MAX:
        yield f"  and {len(groups) - _GROUPS_MAX:,} more kinds; --json has them all."


def _difference(group: Mapping[str, object]) -> str:
    calls = ", ".join(str(number) for number in cast("list[int]", group["calls"]))
    why = f" ({group['explained']})" if group["explained"] else ""
    return (
        f"  {group['times']:>8,}  {str(group['method']).removeprefix('/')}  {group['field']}: "
        f"{group['recorded']} -> {group['replayed']}{why}; call {calls}"
    )


def _times(times: Mapping[str, float]) -> str:
    if not times:
        return "-"
    return f"p50 {times['p50']:.1f}, p99 {times['p99']:.1f}, max {times['max']:.1f} ms"
