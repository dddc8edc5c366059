"""Rules of a replay: what takes another value, what is signed anew, and what is not compared.

They are TOML, because every service needs its own; those of Tallymark are shipped. docs/load.md
describes them for whoever writes some.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

from tallymark_load.replay.field_paths import Selection

__all__ = ["ReplayRules", "Tolerance", "UnusableRules", "ValueRule"]

T = TypeVar("T")

FRESH: Final = ("", "uuid")
MEMBER_FIELDS: Final = ("", "login_name", "password", "device_id")


class UnusableRules(Exception):
    """A file of rules cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRule:
    """Fields that hold values of one kind, which are other ones in a replay.

    Answers tell what a recorded value is now, requests take it. `fresh` makes one for a request
    that is the first to name it ("uuid"); `member` takes it from whoever calls; `constant` is the
    same for all. `beside` names a field of the same message that the value is told apart by.
    `orders` says that calls that name the same value keep their order. One that `stays` is the same
    in every replay.
    """

    kind: str
    fields: tuple[str, ...]
    fresh: str = ""
    member: str = ""
    constant: str = ""
    beside: str = ""
    orders: bool = False
    stays: bool = False
    unless: tuple[str, ...] = ()
    """Outcomes that say that the value was wrong: then it stays so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Fields or outcomes that may differ, and why; `when_faster` only if time passes faster.

    With `values`, a field may only be one of them in place of another of them.
    """

    why: str
    fields: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    when_faster: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRule:
    """How answers on a stream are told apart.

    Without `items` each message is an answer, else each element of that repeated field. Answers are
    matched by the values at `key`. With `joins`, states between may be left out, and what counts
    is the last of each `joins`. `asked` names the key's field in the items of what is sent. What an
    answer is about and nobody told yet is recognised by the values at `recognise`.
    """

    method: str
    key: tuple[str, ...]
    items: str = ""
    joins: tuple[str, ...] = ()
    asked: str = ""
    recognise: tuple[str, ...] = ()
    counts: str = ""
    """Field of an answer that counts what was told."""

    resumes: str = ""
    """Field of a request that names the count to go on after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRule:
    """A repeated field whose elements come in any order, told apart by a field of theirs."""

    field: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRule:
    """A reading call that is repeated until the field says what it said, as its callers do."""

    method: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRules:
    """All rules of a replay; the empty ones replay any service as it was recorded."""

    values: tuple[ValueRule, ...] = ()
    ignore: tuple[str, ...] = ()
    ignore_types: tuple[str, ...] = ()
    tolerate: tuple[Tolerance, ...] = ()
    lists: tuple[ListRule, ...] = ()
    streams: tuple[StreamRule, ...] = ()
    polls: tuple[PollRule, ...] = ()
    ports: Mapping[str, str] = field(default_factory=dict)
    """Port of the cast's server (phones, terminals, operators) by method; `*` as in fields."""
    callers_order: tuple[str, ...] = ()
    """Methods whose callers are values that order calls."""
    timed_outcomes: tuple[str, ...] = ()
    timed_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What only time brings about: such calls keep their distance in time at any speed."""
    drop_metadata: tuple[str, ...] = ()
    signing: str = ""
    """Whose signatures are made again: "tallymark"."""

    @classmethod
    def parse(cls, text: str) -> "ReplayRules":
        """Return the rules of a TOML text.

        Raises:
            UnusableRules: it is no TOML, or says what no rule does.

        """
        try:
            return _rules(tomllib.loads(text))
        except (tomllib.TOMLDecodeError, ValueError, TypeError) as error:
            message = f"these are no rules of a replay: {error}"
            raise UnusableRules(message) from error

    @classmethod
    def read(cls, path: Path) -> "ReplayRules":
        """Return the rules of a file.

        Raises:
            UnusableRules: it cannot be read, or is not what `parse` takes.

        """
        try:
            return cls.parse(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            message = f"{path} cannot be read: {error}"
            raise UnusableRules(message) from error
        except UnusableRules as error:
            message = f"{path}: {error}"
            raise UnusableRules(message) from error

    @classmethod
    def of_tallymark(cls) -> "ReplayRules":
        """Return the rules that are shipped for tallymark.v1."""
        return cls.parse(files("tallymark_load.replay").joinpath("tallymark.toml").read_text())

    def value_selection(self) -> Selection[ValueRule]:
        """Return which fields hold values of which kind."""
        return Selection({name: rule for rule in self.values for name in rule.fields})


def _rules(read: dict[str, Any]) -> ReplayRules:
    compare = read.pop("compare", {})
    order = read.pop("order", {})
    timed = read.pop("timed", {})
    metadata = read.pop("metadata", {})
    rules = ReplayRules(
        values=_tables(ValueRule, read.pop("value", [])),
        tolerate=_tables(Tolerance, compare.pop("tolerate", [])),
        lists=_tables(ListRule, compare.pop("list", [])),
        ignore=tuple(compare.pop("ignore", [])),
        ignore_types=tuple(compare.pop("ignore_types", [])),
        streams=_tables(StreamRule, read.pop("stream", [])),
        polls=_tables(PollRule, read.pop("poll", [])),
        ports=read.pop("ports", {}),
        callers_order=tuple(order.pop("callers_of", [])),
        timed_outcomes=tuple(timed.pop("outcomes", [])),
        timed_fields={name: tuple(held) for name, held in timed.pop("fields", {}).items()},
        drop_metadata=tuple(metadata.pop("drop", [])),
        signing=read.pop("signing", ""),
    )
    left = [*read, *compare, *order, *timed, *metadata]
    if left:
        message = f"{', '.join(map(repr, left))} is not known"
        raise ValueError(message)
    if rules.signing not in ("", "tallymark"):
        message = f"signing {rules.signing!r} is not known"
        raise ValueError(message)
    for rule in rules.values:
        if rule.fresh not in FRESH or rule.member not in MEMBER_FIELDS:
            message = f"{rule.kind!r} takes its value from {rule.fresh or rule.member!r}: unknown"
            raise ValueError(message)
    return rules


def _tables(kind: type[T], tables: Iterable[dict[str, Any]]) -> tuple[T, ...]:
    """Return one rule for each table; lists become tuples."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # rules are dataclasses
    rules: list[T] = []
    for table in tables:
        unknown = table.keys() - known
        if unknown:
            message = f"{', '.join(sorted(unknown))} is not known of a {kind.__name__}"
            raise ValueError(message)
        rules.append(
            kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in table.items()})
        )
    return tuple(rules)
