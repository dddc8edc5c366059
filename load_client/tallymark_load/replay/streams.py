"""Which answer on a replayed stream belongs to which recorded one."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tallymark_load.replay.correlation import Correlation, Key
from tallymark_load.replay.field_paths import Selection
from tallymark_load.replay.rules import StreamRule, ValueRule

__all__ = ["StreamAnswers", "items_of", "key_of", "values_at"]

Values = tuple[Any, ...]


def items_of(message: Message | None, name: str) -> list[Message]:
    """Return what a message holds: the elements of a repeated field, or itself without a name."""
    if message is None:
        return []
    return list(getattr(message, name)) if name else [message]


def key_of(item: Message, paths: Iterable[str]) -> Values | None:
    """Return the values at dotted paths; None: the item does not have one of the messages."""
    values = []
    for path in paths:
        *above, last = path.split(".")
        held: Message = item
        for name in above:
            if not held.HasField(name):
                return None
            held = getattr(held, name)
        values.append(getattr(held, last))
    return tuple(values)


def values_at(item: Message, path: str) -> list[object]:
    """Return all values at a dotted path, through lists too."""
    name, _, rest = path.partition(".")
    value = getattr(item, name)
    field = item.DESCRIPTOR.fields_by_name[name]
    held = list(value) if field.is_repeated else [value]
    if rest:
        return [found for one in held for found in values_at(one, rest)]
    if field.message_type is not None:
        return [one.SerializeToString(deterministic=True) for one in held]
    return held


class StreamAnswers:
    """The answers of one stream: pairs each with a recorded one, as it comes and at the end."""

    def __init__(
        self,
        rule: StreamRule,
        recorded: Iterable[Message | None],
        correlation: Correlation,
        values: Selection[ValueRule],
    ) -> None:
        """Take the recorded messages."""
        self._rule = rule
        self._correlation = correlation
        self._values = values
        self._recorded = [
            (place, item)
            for place, message in enumerate(recorded)
            for item in self._items([message])
        ]
        self._keys = [key_of(item, rule.key) for _, item in self._recorded]
        self._waiting: defaultdict[Values | None, deque[int]] = defaultdict(deque)
        self._about: defaultdict[Values | None, list[int]] = defaultdict(list)
        for index, (_, item) in enumerate(self._recorded):
            self._waiting[self._keys[index]].append(index)
            self._about[self._about_of(item)].append(index)
        self._last = {indices[-1] for indices in self._about.values()}

    def pair(
        self, replayed: Message, *, guesses: bool = True
    ) -> Iterator[tuple[Message, Message, list[int]]]:
        """Yield the recorded and the replayed answers of one message that has come.

        With them come the places of the recorded messages that say no more than this one. What is
        not known yet is the first of the recording that is not known either, and that it is
        recognised as, unless nothing is to be guessed.
        """
        for item in self._items([replayed]):
            waiting = self._waiting.get(self._recorded_key(item))
            index = waiting[0] if waiting else (self._recognised(item) if guesses else None)
            if index is None:
                continue
            yield self._recorded[index][1], item, self._said_with(index)
            # Recognised by another state of it, that one may still come.
            if self._recorded_key(item) == self._keys[index]:
                self._waiting[self._keys[index]].remove(index)
                self._last.discard(index)

    def has_all_last(self) -> bool:
        """Say whether the last recorded answer of everything that is joined has come."""
        return not self._last

    def pairs(self, replayed: Iterable[Message]) -> Iterator[tuple[Message | None, Message | None]]:
        """Yield all pairs of what was recorded and what came; None where one is missing.

        States between may have been joined, so what is missing is told only of the last ones.
        """
        recorded = self._grouped((item for _, item in self._recorded), is_recorded=True)
        came = self._grouped(self._items(replayed), is_recorded=False)
        for group in {**recorded, **came}:
            yield from self._in_group(recorded.get(group, []), came.get(group, []))

    def _in_group(
        self, recorded: list[Message], came: list[Message]
    ) -> Iterator[tuple[Message | None, Message | None]]:
        if not recorded or not came:
            yield recorded[-1] if recorded else None, came[-1] if came else None
            return
        by_key: defaultdict[Values | None, tuple[list[Message], list[Message]]]
        by_key = defaultdict(lambda: ([], []))
        for item in recorded:
            by_key[self.now(item)][0].append(item)
        for item in came:
            by_key[key_of(item, self._rule.key)][1].append(item)
        is_last_paired = False
        for before, after in by_key.values():
            if before and after:
                both = zip(before, after, strict=True) if len(before) == len(after) else []
                both = both or [(before[-1], after[-1])]
                for one, other in both:
                    is_last_paired |= one is recorded[-1]
                    yield one, other
        if not is_last_paired:
            yield recorded[-1], came[-1]

    def _items(self, messages: Iterable[Message | None]) -> Iterator[Message]:
        for message in messages:
            for item in items_of(message, self._rule.items):
                if key_of(item, self._rule.key) is not None:
                    yield item

    def _grouped(
        self, items: Iterable[Message], *, is_recorded: bool
    ) -> dict[Values | None, list[Message]]:
        paths = self._rule.joins or self._rule.key
        groups: defaultdict[Values | None, list[Message]] = defaultdict(list)
        for item in items:
            groups[self.now(item, paths) if is_recorded else key_of(item, paths)].append(item)
        return groups

    def _recognised(self, item: Message) -> int | None:
        """Return the first recorded answer about what is not known, and looks like this one."""
        if not self._rule.recognise:
            return None
        key = key_of(item, self._rule.key) or ()
        marks = _marks(item, self._rule.recognise)
        alike = [
            index
            for waiting in self._waiting.values()
            for index in waiting
            if None in (self.now(self._recorded[index][1]) or ())
            and _marks(self._recorded[index][1], self._rule.recognise) == marks
        ]
        alike.sort()
        of_state = (i for i in alike if _agree(self.now(self._recorded[i][1]) or (), key))
        return next(of_state, alike[0] if alike else None)

    def _said_with(self, index: int) -> list[int]:
        """Return the places of what was recorded about the same up to the last of this key."""
        group = self._about[self._about_of(self._recorded[index][1])]
        last = max(one for one in group if self._keys[one] == self._keys[index])
        return [self._recorded[one][0] for one in group if one <= last]

    def _about_of(self, item: Message) -> Values | None:
        return key_of(item, self._rule.joins or self._rule.key)

    def _recorded_key(self, item: Message) -> Values | None:
        """Return the key of an answer of this replay in the values of the recording."""
        key = key_of(item, self._rule.key)
        if key is None:
            return None
        return tuple(
            self._value(item, path, value, self._before)
            for path, value in zip(self._rule.key, key, strict=True)
        )

    def _before(self, kind: str, value: Any) -> Any:  # noqa: ANN401 -- any field
        known = self._correlation.recorded(kind, value)
        return None if known is None else known.recorded

    def _after(self, kind: str, value: Any) -> Any:  # noqa: ANN401 -- any field
        return self._correlation.now(Key(kind, value))

    def now(self, item: Message, paths: Iterable[str] = ()) -> Values | None:
        """Return a recorded key in the values of this replay; None where one is not known."""
        paths = paths or self._rule.key
        key = key_of(item, paths)
        if key is None:
            return None
        return tuple(
            self._value(item, path, value, self._after)
            for path, value in zip(paths, key, strict=True)
        )

    def _value(
        self,
        item: Message,
        path: str,
        value: Any,  # noqa: ANN401 -- any field
        translated: Callable[[str, Any], Any],
    ) -> Any:  # noqa: ANN401 -- the same
        *above, last = path.split(".")
        held = item
        for name in above:
            held = getattr(held, name)
        rule = self._values.of(cast("FieldDescriptor", held.DESCRIPTOR.fields_by_name[last]))
        return value if rule is None else translated(rule.kind, value)


def _agree(now: Values, key: Values) -> bool:
    """Say whether a key is the one of a recorded answer, as far as that is known."""
    return all(one in (None, other) for one, other in zip(now, key, strict=True))


def _marks(item: Message, paths: Iterable[str]) -> list[list[object]]:
    """Return what an answer is recognised by: all values at each path, through lists too."""
    return [values_at(item, path) for path in paths]
