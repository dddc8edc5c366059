"""Judges a replay: every call that did not go as it was recorded, and why it may have."""

from collections.abc import Iterable, Iterator

from google.protobuf.message import Message

from tallymark_load.replay.comparison import Comparison, Difference
from tallymark_load.replay.contracts import parsed
from tallymark_load.replay.correlation import Correlation
from tallymark_load.replay.outcomes import CANCELLED, OK
from tallymark_load.replay.plan import PlannedCall
from tallymark_load.replay.played import NOT_SENT, Played
from tallymark_load.replay.rules import ReplayRules
from tallymark_load.replay.streams import StreamAnswers, items_of, key_of

__all__ = ["Judge"]

_NO_NEWS = "it told only what may differ, after what its caller had been shown before"

_TOLD_BEFORE = "its caller was told on an earlier stream of this replay"

_GIVEN_UP = "the caller gave the stream up, which races with its answers"


class Judge:
    """Compares what came of each call with the recording."""

    def __init__(
        self, rules: ReplayRules, correlation: Correlation, comparison: Comparison
    ) -> None:
        """Take the rules, and what the recorded values were in the replay."""
        self._rules = rules
        self._correlation = correlation
        self._comparison = comparison
        self._within_recording = Comparison(rules, None, is_faster=True)
        self._shown: dict[tuple[str, object], Message] = {}
        self._told: dict[tuple[str, object], Message] = {}
        """The same of the replay: what each caller's streams said last of each thing."""

    def differences(self, played: Played) -> Iterator[Difference]:
        """Yield what is not as it was recorded."""
        planned = played.planned
        for named, recorded, replayed, why in self._found(played):
            yield Difference(
                method=planned.recorded.method,
                call=planned.number,
                field=named,
                recorded=recorded,
                replayed=replayed,
                explained=why,
            )

    def _found(self, played: Played) -> Iterator[tuple[str, str, str, str]]:
        planned = played.planned
        if played.missing:
            told = ", ".join(sorted({key.kind for key in played.missing}))
            yield "outcome", planned.outcome, f"{NOT_SENT}: no answer told its {told}", ""
            return
        if not played.is_expected and not (planned.is_given_up and played.outcome == CANCELLED):
            why = self._comparison.outcomes(planned.outcome, played.outcome)
            if planned.is_given_up and played.outcome == OK:
                why = _GIVEN_UP
            yield "outcome", planned.outcome, played.outcome, why
            if not planned.is_given_up:
                return
        if planned.recorded.is_truncated:
            return
        if planned.rule is not None:
            yield from self._stream_by_rule(played)
        else:
            yield from self._one_by_one(played)

    def _one_by_one(self, played: Played) -> Iterator[tuple[str, str, str, str]]:
        planned = played.planned
        recorded = planned.recorded.received
        if len(recorded) != len(played.bodies):
            why = _GIVEN_UP if planned.is_given_up else ""
            yield "answers", str(len(recorded)), str(len(played.bodies)), why
        both = zip(recorded, planned.received, played.bodies, strict=False)
        for index, (before, message, body) in enumerate(both):
            path = "" if planned.method.is_unary else f"answers[{index}]"
            after = parsed(planned.method.response, body)
            if message is not None and after is not None:
                yield from self._comparison.messages(message, after, path)
            elif before.body != body:
                yield path or "answer", f"{len(before.body)} bytes", f"{len(body)} other bytes", ""

    def _stream_by_rule(self, played: Played) -> Iterator[tuple[str, str, str, str]]:
        planned = played.planned
        assert planned.rule is not None
        values = self._rules.value_selection()
        answers = StreamAnswers(planned.rule, planned.received, self._correlation, values)
        kind = planned.method.response
        came = [one for body in played.bodies if (one := parsed(kind, body)) is not None]
        for before, after in answers.pairs(came):
            if before is not None and after is not None:
                yield from self._comparison.messages(before, after, "answer")
            else:
                why = _GIVEN_UP if planned.is_given_up and before is None else ""
                if before is not None and self._is_no_news(planned, before):
                    why = _NO_NEWS
                elif before is not None and self._was_told(planned, answers, before):
                    why = _TOLD_BEFORE
                yield "answer", _presence(before), _presence(after), why
        self._keep(self._shown, planned, planned.received)
        self._keep(self._told, planned, came)

    def _is_no_news(self, planned: PlannedCall, recorded: Message) -> bool:
        """Say whether an answer told its caller nothing that had to be told again.

        It did not, if in the recording it differed from what the caller was shown before only in
        what may differ: then this time it may have been told at once.
        """
        assert planned.rule is not None
        before = self._shown.get((planned.caller, key_of(recorded, planned.rule.joins)))
        if before is None:
            return False
        return all(why for *_, why in self._within_recording.messages(before, recorded))

    def _was_told(self, planned: PlannedCall, answers: StreamAnswers, recorded: Message) -> bool:
        """Say whether an earlier stream had said already what one lacks.

        A caller that gives up a stream and opens another hears of a thing on either of them.
        """
        assert planned.rule is not None
        told = self._told.get((planned.caller, answers.now(recorded, planned.rule.joins)))
        if told is None:
            return False
        return all(why for *_, why in self._comparison.messages(recorded, told))

    @staticmethod
    def _keep(
        kept: dict[tuple[str, object], Message],
        planned: PlannedCall,
        messages: Iterable[Message | None],
    ) -> None:
        """Keep what a stream said last of each thing."""
        assert planned.rule is not None
        for message in messages:
            for item in items_of(message, planned.rule.items):
                kept[planned.caller, key_of(item, planned.rule.joins)] = item


def _presence(message: Message | None) -> str:
    return "(unset)" if message is None else "(set)"
