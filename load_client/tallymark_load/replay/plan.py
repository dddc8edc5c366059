"""What a replay will do: every message of the recording, and the values that it needs.

Three things make a message wait, beside its time:

1. A value that it needs (a code, a process) and that an earlier answer gives.
2. Its turn: calls that touch the same thing, a customer and what is theirs, keep the order that
   they had in the recording, if one had ended before the other began; others go side by side.
3. Flat out only, where no time keeps callers apart: each caller's own order.
"""

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError, Message

from tallymark_load.cast import MEMBER_KEY
from tallymark_load.recorded import RecordedCall
from tallymark_load.replay.contracts import Contracts, Method
from tallymark_load.replay.correlation import Correlation, Key
from tallymark_load.replay.outcomes import CANCELLED, DEADLINE_EXCEEDED, recorded_outcome
from tallymark_load.replay.rules import ReplayRules, StreamRule
from tallymark_load.replay.signing import Signing
from tallymark_load.replay.streams import items_of, key_of

__all__ = ["Plan", "PlannedCall", "Step", "plan_of"]


@dataclass(slots=True, eq=False)
class Step:
    """One thing that a caller did; times are nanoseconds since the recording's first call."""

    call: "PlannedCall"
    at_ns: int
    until_ns: int
    """When it was answered; for a message that nothing answers, when it was sent."""

    message: int | None
    """Which of the messages was sent; None: none, the call was opened, given up or half-closed."""

    needs: tuple[Key, ...] = ()
    after: list["Step"] = field(default_factory=list)
    after_of_caller: list["Step"] = field(default_factory=list)
    """What the same caller had been answered before; at the recorded pace time keeps that order."""

    asked: frozenset[object] = frozenset()
    """Keys of the answers that it asks for, where messages hold several commands."""

    is_shown: bool = False
    """Whether it is an answer on a stream that told a caller something, and so is not sent."""

    answers_before: int = 0
    """Messages that had been received when this one was sent."""

    sent: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has been answered in this replay, or never will be."""

    replayed_at_ns: int = 0
    """When it was sent in this replay, by time.monotonic_ns; 0: not yet."""


@dataclass(slots=True, eq=False)
class PlannedCall:
    """A recorded call and its steps."""

    number: int
    recorded: RecordedCall
    start_ns: int
    method: Method
    caller: str
    outcome: str
    rule: StreamRule | None
    sent: tuple[Message | None, ...]
    received: tuple[Message | None, ...]
    """Parsed; None where the type is not known or the bytes are not of it."""

    is_timed: bool = False
    steps: list[Step] = field(default_factory=list)
    shown: dict[int, Step] = field(default_factory=dict)
    """What the answers of a stream with a rule showed, by their places."""

    ending: Step | None = None
    """Set when the caller gave the call up, or closed its direction later than it sent."""

    over: asyncio.Event = field(default_factory=asyncio.Event)

    def step_before(self, step: Step) -> Step | None:
        """Return the step that has to be sent before this one, as it was on the wire."""
        if step is self.ending:
            return self.steps[-1]
        if step.message is None or not self.method.client_streams:
            return None
        # The first step of a caller that streams opens the call, the next has message 0.
        return self.steps[step.message]

    def is_measured_from(self, step: Step) -> bool:
        """Say whether the time until the next answer is the time that this step took.

        On a stream of the caller's that is so where an answer came before the next message.
        """
        if step.message is None:
            return step is not self.ending and not self.method.client_streams
        if not self.method.client_streams or step.asked:
            return True
        following = self.steps[step.message + 2 : step.message + 3]
        answers = following[0].answers_before if following else len(self.received)
        return answers > step.answers_before

    @property
    def is_given_up(self) -> bool:
        """Whether its end was the caller's doing, or the recording's."""
        return self.outcome in (CANCELLED, DEADLINE_EXCEEDED) or self.recorded.ended_at_ns is None


@dataclass(slots=True)
class Plan:
    """All calls in the order of their start, and which of them tell each value."""

    calls: list[PlannedCall]
    providers: dict[Key, list[tuple[int, PlannedCall]]]
    """For each value the calls whose answers tell it, with the time of the answer."""

    def steps(self) -> list[Step]:
        """Return all steps in the order of their time."""
        steps = [step for call in self.calls for step in (*call.steps, call.ending) if step]
        return sorted(steps, key=lambda step: step.at_ns)


def plan_of(
    calls: Iterable[RecordedCall],
    *,
    contracts: Contracts,
    rules: ReplayRules,
    correlation: Correlation,
    signing: Signing,
) -> Plan:
    """Return the plan for a recording; nothing of it has begun."""
    ordered = sorted(calls, key=lambda call: call.started_at_ns)
    start = ordered[0].started_at_ns if ordered else 0
    planned = [
        _planned(number, call, contracts, rules, start) for number, call in enumerate(ordered, 1)
    ]
    providers: defaultdict[Key, list[tuple[int, PlannedCall]]] = defaultdict(list)
    for call in planned:
        for recorded, message in zip(call.recorded.received, call.received, strict=True):
            if message is not None:
                at = recorded.at_ns - start
                named = {named.key for named in correlation.named(message)}
                for key in {*named, *signing.tells(call.caller, message, at)}:
                    providers[key].append((at, call))
    for call in planned:
        for step in call.steps:
            message = call.sent[step.message] if step.message is not None else None
            if message is not None:
                signed_after = signing.needs(call.caller, message, step.at_ns)
                step.needs = (*_needs(call, message, correlation), *signed_after)
    _drop_old_news(planned)
    return Plan(planned, dict(providers))


def _drop_old_news(calls: Iterable[PlannedCall]) -> None:
    """Leave out of what streams showed what their callers had been shown before.

    A stream that is opened later shows it again or not, as the count of events has it.
    """
    seen: set[Hashable] = set()
    for call in calls:
        for place in list(call.shown):
            assert call.rule is not None
            items = items_of(call.received[place], call.rule.items)
            news = {(call.caller, key_of(item, call.rule.key)) for item in items}
            if news <= seen:
                del call.shown[place]
            seen |= news


def _needs(call: PlannedCall, message: Message, correlation: Correlation) -> Iterator[Key]:
    """Yield the values that a request takes from earlier answers."""
    for named in correlation.named(message):
        rule = named.rule
        is_told = not (rule.fresh or rule.member or rule.constant or rule.stays)
        if is_told and call.outcome not in rule.unless:
            yield named.key


def _planned(
    number: int, call: RecordedCall, contracts: Contracts, rules: ReplayRules, start: int
) -> PlannedCall:
    method = contracts.method(call.method)
    sent = tuple(_parsed(method.request, one.body) for one in call.sent)
    received = tuple(_parsed(method.response, one.body) for one in call.received)
    planned = PlannedCall(
        number=number,
        recorded=call,
        start_ns=call.started_at_ns - start,
        method=method,
        caller=_caller(call),
        outcome=recorded_outcome(call),
        rule=next((one for one in rules.streams if one.method == call.method), None),
        sent=sent,
        received=received,
    )
    planned.is_timed = planned.outcome in rules.timed_outcomes or any(
        _is_timed(message, rules) for message in received if message is not None
    )
    if planned.rule is not None and not planned.rule.asked:
        planned.shown = {
            index: Step(planned, one.at_ns - start, one.at_ns - start, None, is_shown=True)
            for index, one in enumerate(call.received)
        }
    ended = _end(call) - start
    if not method.client_streams:
        first = call.received[0].at_ns - start if method.server_streams and received else ended
        at = (call.sent[0].at_ns if call.sent else call.started_at_ns) - start
        planned.steps = [Step(planned, at, max(at, first), 0 if call.sent else None)]
    else:
        planned.steps = [
            Step(planned, planned.start_ns, planned.start_ns, None),
            *(
                Step(
                    planned,
                    one.at_ns - start,
                    one.at_ns - start,
                    index,
                    answers_before=sum(other.at_ns <= one.at_ns for other in call.received),
                )
                for index, one in enumerate(call.sent)
            ),
        ]
    if planned.is_given_up and (method.client_streams or method.server_streams):
        planned.ending = Step(planned, ended, ended, None, answers_before=len(call.received))
    elif method.client_streams:
        closed = (call.half_closed_at_ns or _end(call)) - start
        before = sum(other.at_ns - start <= closed for other in call.received)
        planned.ending = Step(planned, closed, ended, None, answers_before=before)
    return planned


def _end(call: RecordedCall) -> int:
    """Return when a call ended; if the recording did before, its last message."""
    last = [one.at_ns for one in (*call.sent, *call.received)]
    return call.ended_at_ns or max(last, default=call.started_at_ns)


def _parsed(kind: type[Message] | None, body: bytes) -> Message | None:
    try:
        return kind.FromString(body) if kind is not None else None
    except DecodeError:
        return None


def _caller(call: RecordedCall) -> str:
    metadata = dict(call.metadata)
    for key in (MEMBER_KEY, "authorization"):
        if key in metadata:
            return metadata[key].decode(errors="replace")
    return call.peer


def _is_timed(message: Message, rules: ReplayRules) -> bool:
    """Say whether a field says what only time brings about."""
    for one, value in message.ListFields():
        if one.message_type is not None and not one.message_type.GetOptions().map_entry:
            held = value if one.is_repeated else [value]
            if any(_is_timed(inner, rules) for inner in held):
                return True
        elif one.full_name in rules.timed_fields and not one.is_repeated:
            named = one.enum_type.values_by_number.get(value) if one.enum_type else None
            if named is not None and named.name in rules.timed_fields[one.full_name]:
                return True
    return False
