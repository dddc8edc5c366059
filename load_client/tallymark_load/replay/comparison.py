"""Compares answers with the recorded ones, field by field, and explains each difference."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tallymark_load.replay.correlation import Correlation, Key
from tallymark_load.replay.field_paths import Selection
from tallymark_load.replay.rules import ReplayRules, Tolerance, ValueRule

__all__ = ["UNSET", "Comparison", "Difference", "Differences"]

UNSET: Final = "(unset)"
_SHOWN_MAX: Final = 80
_REDACTED: Final = ("redacted:", b"redacted:")
_EXAMPLES_MAX: Final = 5

_UNKNOWN_OUTCOMES: Final = ("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "UNKNOWN")
"""Of calls whose caller did not learn what became of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as recorded; `explained` says why it may be so."""

    method: str
    call: int
    """Place of the call in the recording, from 1 on."""

    field: str
    recorded: str
    replayed: str
    explained: str = ""


@dataclass(slots=True)
class Differences:
    """All differences of a replay; equal ones are told once, with how often and examples."""

    found: list[Difference] = field(default_factory=list)

    def add(self, differences: Iterable[Difference]) -> None:
        """Take more."""
        self.found.extend(differences)

    @property
    def unexplained(self) -> int:
        """How many differences no rule explains."""
        return sum(not one.explained for one in self.found)

    @property
    def explained(self) -> int:
        """How many differences a rule explains."""
        return len(self.found) - self.unexplained

    def groups(self) -> list[dict[str, object]]:
        """Return equal differences together, ready for JSON: the unexplained first."""
        groups: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for one in self.found:
            groups[one.explained, one.method, one.field, one.recorded, one.replayed].append(
                one.call
            )
        ordered = sorted(
            groups.items(), key=lambda item: (bool(item[0][0]), -len(item[1]), item[0])
        )
        return [
            {
                "method": method,
                "field": path,
                "recorded": recorded,
                "replayed": replayed,
                "explained": explained,
                "times": len(calls),
                "calls": calls[:_EXAMPLES_MAX],
            }
            for (explained, method, path, recorded, replayed), calls in ordered
        ]


class Comparison:
    """Compares by rules; values that the replay has its own of are compared through them."""

    def __init__(
        self, rules: ReplayRules, correlation: Correlation | None, *, is_faster: bool
    ) -> None:
        """Take the rules, and whether time passes faster than it was recorded.

        Without correlation, both messages are of the recording.
        """
        self._correlation = correlation
        self._values = rules.value_selection()
        self._ignored = Selection(dict.fromkeys(rules.ignore, True))
        self._ignored_types = frozenset(rules.ignore_types)
        self._keys = Selection({one.field: one.key for one in rules.lists})
        self._tolerances = [one for one in rules.tolerate if is_faster or not one.when_faster]
        self._tolerated = Selection({name: one for one in self._tolerances for name in one.fields})

    def outcomes(self, recorded: str, replayed: str) -> str:
        """Return why another outcome may be; empty: nothing explains it."""
        if recorded in _UNKNOWN_OUTCOMES:
            return "the recording does not say what became of the call"
        for one in self._tolerances:
            if any(fnmatchcase(replayed, outcome) for outcome in one.outcomes):
                return one.why
        return ""

    def messages(
        self, recorded: Message, replayed: Message, path: str = ""
    ) -> Iterator[tuple[str, str, str, str]]:
        """Yield path, recorded value, replayed value and explanation of each difference."""
        for named in cast("Descriptor", recorded.DESCRIPTOR).fields:
            if self._is_ignored(named):
                continue
            below = f"{path}.{named.name}" if path else named.name
            for where, before, after in self._field(named, recorded, replayed, below):
                yield from self._explained(named, where, before, after)

    def _explained(
        self,
        named: FieldDescriptor,
        path: str,
        before: Any,  # noqa: ANN401 -- any field
        after: Any,  # noqa: ANN401 -- any field
    ) -> Iterator[tuple[str, str, str, str]]:
        if isinstance(before, Message) and isinstance(after, Message):
            yield from self.messages(before, after, path)
        elif not self._is_same(named, before, after):
            if self._values.of(named) is not None:
                yield path, "(a value of the recording)", "(another value than it stands for)", ""
                return
            recorded, replayed = _text(named, before), _text(named, after)
            yield path, recorded, replayed, _why(self._tolerated.of(named), recorded, replayed)

    def _field(
        self, named: FieldDescriptor, recorded: Message, replayed: Message, path: str
    ) -> Iterator[tuple[str, Any, Any]]:
        before, after = getattr(recorded, named.name), getattr(replayed, named.name)
        if named.is_repeated:
            key = self._keys.of(named)
            if key is not None:
                yield from self._by_key(key, path, before, after)
                return
            if named.message_type is not None and named.message_type.GetOptions().map_entry:
                before, after = sorted(before.items(), key=str), sorted(after.items(), key=str)
            if len(before) != len(after):
                yield f"{path}[]", f"{len(before)} elements", f"{len(after)} elements"
            for index, (one, other) in enumerate(zip(before, after, strict=False)):
                yield f"{path}[{index}]", one, other
            return
        if named.has_presence:
            before = before if recorded.HasField(named.name) else None
            after = after if replayed.HasField(named.name) else None
        yield path, before, after

    def _by_key(
        self, key: str, path: str, recorded: Iterable[Message], replayed: Iterable[Message]
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield the elements of two lists that belong together, whatever their order."""
        came = {getattr(one, key): one for one in replayed}
        for index, one in enumerate(recorded):
            field_of_key = cast("FieldDescriptor", one.DESCRIPTOR.fields_by_name[key])
            rule = self._values.of(field_of_key)
            value = getattr(one, key)
            now = value if rule is None else self._now(rule, value)
            yield f"{path}[{index}]", one, came.pop(now, None)
        for one in came.values():
            yield f"{path}[]", None, one

    def _is_ignored(self, named: FieldDescriptor) -> bool:
        if self._ignored.of(named):
            return True
        return (
            named.message_type is not None and named.message_type.full_name in self._ignored_types
        )

    def _is_same(self, named: FieldDescriptor, before: Any, after: Any) -> bool:  # noqa: ANN401 -- any field
        if before == after:
            return True
        rule = self._values.of(named)
        if rule is None:
            # A redacted value was some value.
            is_redacted = isinstance(before, str | bytes) and before[:9] in _REDACTED
            return is_redacted and bool(after)
        if not before or not after:
            return False
        if rule.beside:
            # What it stands beside was compared by itself.
            return True
        return bool(self._now(rule, before) == after)

    def _now(self, rule: ValueRule, value: Any) -> Any:  # noqa: ANN401 -- any field
        if self._correlation is None:
            return value
        return self._correlation.now(Key(rule.kind, value))


def _why(tolerance: Tolerance | None, recorded: str, replayed: str) -> str:
    """Return why two values of a field may differ; empty: nothing explains it."""
    if tolerance is None or (tolerance.values and not {recorded, replayed} <= {*tolerance.values}):
        return ""
    return tolerance.why


def _text(named: FieldDescriptor, value: Any) -> str:  # noqa: ANN401 -- any field
    """Return a value for people, shortened."""
    if value is None or isinstance(value, Message):
        return UNSET if value is None else "(set)"
    if named.enum_type is not None and value in named.enum_type.values_by_number:
        return str(named.enum_type.values_by_number[value].name)
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
