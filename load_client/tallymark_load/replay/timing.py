"""How far from its moment each message left."""

from array import array

from tallymark_load.results.figures import milliseconds

__all__ = ["Timing"]

_NANOSECONDS_PER_MICROSECOND = 1_000


class Timing:
    """Counts the messages of a replay: those on their own time, and those that had to wait."""

    def __init__(self) -> None:
        """Begin with none."""
        self._errors = array("q")
        self._waits = array("q")

    def note(self, late_ns: int, *, has_waited: bool) -> None:
        """Count a message that left so much after its moment, which may be before it."""
        (self._waits if has_waited else self._errors).append(
            late_ns // _NANOSECONDS_PER_MICROSECOND
        )

    def summary(self) -> dict[str, object]:
        """Return the figures, ready for JSON; times in milliseconds.

        The timing error is the distance from the moment, to either side, of messages that waited
        for nothing else; those that waited for an answer or their turn are late by dependency.
        """
        return {
            "on_time_messages": len(self._errors),
            "early_messages": sum(one < 0 for one in self._errors),
            "timing_error_ms": milliseconds([abs(one) for one in self._errors]),
            "late_by_dependency_messages": len(self._waits),
            "late_by_dependency_ms": milliseconds(self._waits),
        }
