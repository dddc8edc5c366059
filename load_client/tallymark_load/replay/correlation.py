"""What the recorded values are in this replay: a fresh code for a recorded code, and so on.

A value is known by its kind, by what stands beside it where the rule says so, and by what it was
in the recording (or the pseudonym that a redacted recording has instead). Answers teach what it is
now; whoever needs it earlier waits.
"""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from google.protobuf.message import Message

from tallymark_load.replay.field_paths import Finder, Place, Selection
from tallymark_load.replay.rules import ValueRule
from tallymark_load.request_ids import new_request_id

__all__ = ["Correlation", "Key", "Member"]

Value = str | bytes | int


class Key(NamedTuple):
    """Names a value of the recording."""

    kind: str
    recorded: Value
    beside: Value = ""


class Member(Protocol):
    """Whoever calls, as far as requests name them."""

    @property
    def login_name(self) -> str:
        """Name to sign in with."""

    @property
    def password(self) -> str:
        """Password; a secret."""

    @property
    def device_id(self) -> str:
        """Id of the phone."""


@dataclass(frozen=True, slots=True)
class Named:
    """A value that a recorded message names."""

    key: Key
    rule: ValueRule
    place: Place


class Correlation:
    """Knows what recorded values are now."""

    def __init__(self, selection: Selection[ValueRule], unordered: Collection[str] = ()) -> None:
        """Know nothing yet; nothing is learned from lists without an order."""
        self._finder = Finder(selection, unordered)
        self._known: dict[Key, Value] = {}
        self._recorded: dict[tuple[str, Value], Key] = {}
        self._waiting: dict[Key, asyncio.Event] = {}

    def named(self, message: Message) -> Iterator[Named]:
        """Yield the values that a recorded message names."""
        for place, rule in self._finder.find(message):
            yield Named(_key(place, rule), rule, place)

    def now(self, key: Key) -> Value | None:
        """Return what a value is now; None: not known (yet)."""
        return self._known.get(key)

    def recorded(self, kind: str, value: Value) -> Key | None:
        """Return which recorded value this one stands for, if any."""
        return self._recorded.get((kind, value))

    def event(self, key: Key) -> asyncio.Event:
        """Return what is set as soon as the value is known."""
        event = self._waiting.setdefault(key, asyncio.Event())
        if key in self._known:
            event.set()
        return event

    def learn(self, recorded: Message, replayed: Message) -> None:
        """Take what the values of a recorded answer are now; the first time counts."""
        for before, after, rule in self._finder.pairs(recorded, replayed):
            self.set(_key(before, rule), after.value)

    def set(self, key: Key, value: Value) -> None:
        """Take what a value is now, unless that is known."""
        if key in self._known:
            return
        self._known[key] = value
        self._recorded.setdefault((key.kind, value), key)
        if (event := self._waiting.pop(key, None)) is not None:
            event.set()

    def translate(self, message: Message, member: Member | None, outcome: str) -> list[Key]:
        """Put the values of this replay into a recorded request; return those that are not known.

        What is not known stays as it was recorded.
        """
        unknown: list[Key] = []
        # All are named before the first is replaced, because one may stand beside another.
        for named in list(self.named(message)):
            if outcome in named.rule.unless:
                continue
            value = self._value(named, member)
            if value is None:
                unknown.append(named.key)
            else:
                named.place.put(value)
        return unknown

    def _value(self, named: Named, member: Member | None) -> Value | None:
        if named.rule.stays:
            return named.key.recorded
        if named.rule.constant:
            return named.rule.constant
        if named.rule.member and member is not None:
            return str(getattr(member, named.rule.member)) or None
        if named.key not in self._known and named.rule.fresh:
            self.set(named.key, new_request_id())
        return self._known.get(named.key)


def _key(place: Place, rule: ValueRule) -> Key:
    beside = getattr(place.message, rule.beside) if rule.beside else ""
    return Key(rule.kind, place.value, beside)
