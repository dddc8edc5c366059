"""A scenario: which kinds of visits, how many of each, how fast, for how long; read from TOML.

    description = "A crowd comes in"
    seconds = 60
    rate = 40                               # visits a second
    think_seconds = [0.1, 0.5]              # between the calls of a visit
    seed = 1

    [visits.enter]
    share = 95

    [visits.wrong-gate]
    share = 5

The rate is a number, a ramp {from = 5, to = 80}, or steps [{seconds = 10, rate = 5}, ...], which
give the duration themselves. `users = 20` in its place is a closed loop: so many customers, each of
whom comes again when the visit before is over.
"""

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, NoReturn

from tallymark_load.scenarios.arrivals import Stretch, visits_of
from tallymark_load.scenarios.kinds import KINDS, Spread

__all__ = ["InvalidScenario", "Scenario", "VisitShare", "bundled_names", "load_scenario"]

_BUNDLED: Final = "tallymark_load.scenarios.bundled"
_FIELDS: Final = ("description", "seconds", "rate", "users", "think_seconds", "seed", "visits")
_NUMBER_MAX: Final = 1_000_000_000


class InvalidScenario(Exception):
    """The file cannot be played. The message says where, what is wrong, and what would be right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitShare:
    """A kind of visit, and how often it comes compared with the others."""

    kind: str
    share: float
    options: dict[str, Spread]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """What is to be played. Either `stretches` or `users` say how fast."""

    name: str
    description: str
    seconds: float
    stretches: tuple[Stretch, ...]
    users: int
    think_seconds: tuple[float, float]
    seed: int
    visits: tuple[VisitShare, ...]

    @property
    def visits_planned(self) -> int | None:
        """How many visits there will be; None in a closed loop."""
        return None if self.users else visits_of(self.stretches)


def bundled_names() -> list[str]:
    """Return the names of the scenarios that come with the program."""
    files = resources.files(_BUNDLED).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_scenario(
    name: str, *, seconds: float | None = None, rate: float | None = None, seed: int | None = None
) -> Scenario:
    """Read a scenario by its name, or from a file; what is given besides takes its place.

    Raises:
        InvalidScenario: there is none, or it cannot be played.

    """
    path = Path(name)
    if name in bundled_names():
        text = resources.files(_BUNDLED).joinpath(f"{name}.toml").read_text()
    elif path.suffix == ".toml" and path.is_file():
        text = path.read_text()
    else:
        message = (
            f"{name} is neither a file ending with .toml nor one of the scenarios"
            f" {', '.join(bundled_names())}"
        )
        raise InvalidScenario(message)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{name} is no TOML: {error}"
        raise InvalidScenario(message) from error
    if seconds is not None:
        content["seconds"] = seconds
    if rate is not None:
        content["rate"] = rate
        content.pop("users", None)
    if seed is not None:
        content["seed"] = seed
    return _Reader(name).scenario(path.stem, content)


class _Reader:
    """Reads the content of a file, and says where it is wrong."""

    def __init__(self, source: str) -> None:
        self._source = source

    def scenario(self, name: str, content: Mapping[str, Any]) -> Scenario:
        self._demand_known(content, _FIELDS, "")
        seconds, stretches, users = self._load(content)
        return Scenario(
            name=name,
            description=self._text(content),
            seconds=seconds,
            stretches=stretches,
            users=users,
            think_seconds=self._think(content.get("think_seconds", 0)),
            seed=self._whole(content.get("seed", 1), "seed", least=0),
            visits=self._visits(content.get("visits")),
        )

    def _load(self, content: Mapping[str, Any]) -> tuple[float, tuple[Stretch, ...], int]:
        if ("rate" in content) == ("users" in content):
            self._fail("rate", "give either `rate` (visits a second) or `users` (a closed loop)")
        if isinstance(content.get("rate"), list):
            if "seconds" in content:
                self._fail("seconds", "steps have their own: leave it out")
            stretches = tuple(self._step(step, n) for n, step in enumerate(content["rate"]))
            if not stretches:
                self._fail("rate", "give at least one step, as in [{seconds = 10, rate = 5}]")
            return sum(stretch.seconds for stretch in stretches), stretches, 0
        seconds = self._number(content.get("seconds"), "seconds")
        if "users" in content:
            return seconds, (), self._whole(content["users"], "users", least=1)
        return seconds, (self._stretch(content["rate"], seconds),), 0

    def _stretch(self, rate: object, seconds: float) -> Stretch:
        if isinstance(rate, dict):
            self._demand_known(rate, ("from", "to"), "rate.")
            begin, end = (self._number(rate.get(key), f"rate.{key}") for key in ("from", "to"))
            return Stretch(seconds=seconds, rate=begin, rate_at_end=end)
        number = self._number(rate, "rate")
        return Stretch(seconds=seconds, rate=number, rate_at_end=number)

    def _step(self, step: object, number: int) -> Stretch:
        where = f"rate[{number}]"
        if not isinstance(step, dict):
            self._fail(where, "a step is like {seconds = 10, rate = 5}")
        self._demand_known(step, ("seconds", "rate"), f"{where}.")
        rate = self._number(step.get("rate"), f"{where}.rate")
        seconds = self._number(step.get("seconds"), f"{where}.seconds")
        return Stretch(seconds=seconds, rate=rate, rate_at_end=rate)

    def _think(self, value: object) -> tuple[float, float]:
        low, high = value if isinstance(value, list) and len(value) == 2 else (value, value)  # noqa: PLR2004 - lowest and highest
        least = self._number(low, "think_seconds", is_above_zero=False)
        most = self._number(high, "think_seconds", is_above_zero=False)
        if most < least:
            self._fail("think_seconds", "the first number is the lowest, as in [0.1, 0.5]")
        return least, most

    def _visits(self, value: object) -> tuple[VisitShare, ...]:
        if not isinstance(value, dict) or not value:
            self._fail("visits", "add at least one kind of visit, as in [visits.pay] share = 1")
        return tuple(self._visit(kind, table) for kind, table in value.items())

    def _visit(self, kind: str, table: object) -> VisitShare:
        where = f"visits.{kind}"
        if kind not in KINDS:
            self._fail(where, f"there is no such kind of visit{_meant(kind, KINDS)}")
        if not isinstance(table, dict):
            self._fail(where, "a kind of visit is a table, as in [visits.pay] share = 1")
        options = KINDS[kind].options
        self._demand_known(table, ("share", *options), f"{where}.")
        drawn = {
            name: self._spread(table[name], f"{where}.{name}") if name in table else spread
            for name, spread in options.items()
        }
        share = self._number(table.get("share"), f"{where}.share")
        return VisitShare(kind=kind, share=share, options=drawn)

    def _spread(self, value: object, where: str) -> Spread:
        low, high = value if isinstance(value, list) and len(value) == 2 else (value, value)  # noqa: PLR2004 - lowest and highest
        least, most = self._whole(low, where, least=1), self._whole(high, where, least=1)
        if most < least:
            self._fail(where, "the first number is the lowest, as in [100, 4900]")
        return least, most

    def _text(self, content: Mapping[str, Any]) -> str:
        text = content.get("description", "")
        if not isinstance(text, str):
            self._fail("description", "it is a text")
        return text

    def _number(self, value: object, where: str, *, is_above_zero: bool = True) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._fail(where, "it is a number")
        if (
            not math.isfinite(value)
            or not 0 <= value <= _NUMBER_MAX
            or (is_above_zero and not value)
        ):
            self._fail(where, f"it is {'above 0' if is_above_zero else '0 or above'}")
        return float(value)

    def _whole(self, value: object, where: str, *, least: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            self._fail(where, "it is a whole number")
        if not least <= value <= _NUMBER_MAX:
            self._fail(where, f"it is a whole number from {least} to {_NUMBER_MAX}")
        return value

    def _demand_known(self, table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
        for name in table:
            if name not in known:
                self._fail(f"{where}{name}", f"it is not known here{_meant(name, known)}")

    def _fail(self, where: str, wrong: str) -> NoReturn:
        message = f"{self._source}: {where}: {wrong}"
        raise InvalidScenario(message)


def _meant(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"
