"""Which messages of a replay wait for which, so that a customer's story is told in its order."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from fnmatch import fnmatchcase

from google.protobuf.message import Message

from tallymark_load.replay.correlation import Correlation, Key
from tallymark_load.replay.plan import Plan, PlannedCall, Step
from tallymark_load.replay.rules import ReplayRules
from tallymark_load.replay.streams import items_of, key_of

__all__ = ["Order"]


class Order:
    """Lays down which steps of a plan wait for which."""

    def __init__(self, plan: Plan, rules: ReplayRules, correlation: Correlation) -> None:
        """Take the plan; nothing of it has begun."""
        self._plan = plan
        self._rules = rules
        self._correlation = correlation
        self._same: dict[Hashable, Hashable] = {}

    def lay_down(self) -> None:
        """Give each step those that it waits for."""
        touched = {step: tuple(things) for step, things in self._touched()}
        things: defaultdict[Hashable, _Turns] = defaultdict(_Turns)
        callers: defaultdict[Hashable, _Turns] = defaultdict(_Turns)
        shown = [step for call in self._plan.calls for step in call.shown.values()]
        for step in sorted([*self._plan.steps(), *shown], key=lambda step: step.at_ns):
            for root in {self._root(thing) for thing in touched.get(step, ())}:
                step.after += things[root].take(step)
            if step.is_shown:
                continue
            lane = step.call if step.call.method.client_streams else step.call.caller
            step.after_of_caller += callers[lane].take(step)

    def _touched(self) -> Iterator[tuple[Step, list[Hashable]]]:
        """Yield each step with what it touches; things that one step names belong together."""
        for call in self._plan.calls:
            own: list[Hashable] = []
            if any(fnmatchcase(call.recorded.method, one) for one in self._rules.callers_order):
                # Who is known by a token only was given it by an earlier answer.
                own = [("caller", call.caller), Key("session", call.caller.removeprefix("Bearer "))]
            if call.rule is not None and call.rule.asked:
                yield from self._touched_by_items(call, own)
                continue
            for index, message in enumerate(call.received):
                things = [*own, *self._things([message])]
                self._join(things)
                if index in call.shown:
                    yield call.shown[index], things
            things = [*own, *self._things(call.sent)]
            if not call.method.server_streams:
                things += self._things(call.received)
            self._join(things)
            listed = self._things([*call.sent, *call.received], is_listed=True)
            for step in (*call.steps, call.ending):
                if step is not None:
                    yield step, [*things, *listed]

    def _touched_by_items(
        self, call: PlannedCall, own: list[Hashable]
    ) -> Iterator[tuple[Step, list[Hashable]]]:
        """Yield the steps of a stream whose messages hold many commands, each by itself."""
        assert call.rule is not None
        answers: defaultdict[object, list[tuple[int, Message]]] = defaultdict(list)
        for recorded, message in zip(call.recorded.received, call.received, strict=True):
            for item in items_of(message, call.rule.items):
                answers[key_of(item, call.rule.key)].append((recorded.at_ns, item))
        name, _, key = call.rule.asked.partition(".")
        start = call.recorded.started_at_ns - call.start_ns
        for step in call.steps:
            things: list[Hashable] = []
            message = call.sent[step.message] if step.message is not None else None
            asked = items_of(message, name)
            step.asked = frozenset(key_of(item, (key,)) for item in asked)
            for item in asked:
                answered = answers.get(key_of(item, (key,)), [])
                named = [*own, *self._things([item, *(one for _, one in answered)])]
                self._join(named)
                things += named
                if answered:
                    step.until_ns = max(step.until_ns, answered[0][0] - start)
            yield step, things

    def _things(
        self, messages: Iterable[Message | None], *, is_listed: bool = False
    ) -> list[Hashable]:
        return [
            named.key
            for message in messages
            if message is not None
            for named in self._correlation.named(message)
            if named.rule.orders and named.place.is_listed is is_listed
        ]

    def _join(self, things: list[Hashable]) -> None:
        for thing in things[1:]:
            self._same[self._root(things[0])] = self._root(thing)

    def _root(self, thing: Hashable) -> Hashable:
        while (above := self._same.get(thing, thing)) != thing:
            self._same[thing] = self._same.get(above, above)
            thing = above
        return thing


class _Turns:
    """The steps that touch one thing, as far as a later one may have to wait for them."""

    def __init__(self) -> None:
        self._last: list[Step] = []

    def take(self, step: Step) -> list[Step]:
        """Return whom a step waits for: who had been answered when it was sent.

        Left out is who had been answered before another of them was sent, which waited for it.
        """
        before = [one for one in self._last if one.until_ns <= step.at_ns]
        latest = max((one.at_ns for one in before if not one.is_shown), default=0)
        waited_for = [one for one in before if one.until_ns > latest or one.at_ns == latest]
        if not step.is_shown:
            gone = set(before) - set(waited_for)
            self._last = [one for one in self._last if one not in gone]
        # Nothing comes of giving up that another call could need.
        if step is not step.call.ending:
            self._last.append(step)
        return waited_for
