"""Where a caller's next stream goes on: after what its streams have shown in this replay."""

from google.protobuf.message import Message

from tallymark_load.replay.plan import PlannedCall

__all__ = ["Resuming"]


class Resuming:
    """Knows the highest count that each caller was told."""

    def __init__(self) -> None:
        """Know of none."""
        self._told: dict[tuple[str, str], int] = {}

    def saw(self, call: PlannedCall, answer: Message) -> None:
        """Take the count of an answer, if its stream counts."""
        if call.rule is not None and call.rule.counts:
            place = (call.caller, call.rule.method)
            self._told[place] = max(self._told.get(place, 0), getattr(answer, call.rule.counts))

    def resume(self, call: PlannedCall, request: Message) -> None:
        """Let a request that goes on after a count go on after the one of this replay.

        One from the start stays so, and so does one of a caller who has been told nothing yet.
        """
        if call.rule is None or not call.rule.resumes:
            return
        told = self._told.get((call.caller, call.rule.method))
        if told is not None and getattr(request, call.rule.resumes):
            setattr(request, call.rule.resumes, told)
