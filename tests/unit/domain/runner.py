"""Decides commands one after the other, as a lane does, against rows in a dictionary."""

from typing import Any, TypeVar

import msgspec

from tallymark_server.domain.answers import Answer, RefusedAnswer
from tallymark_server.domain.commands import Command
from tallymark_server.domain.decide import Decision, decide
from tallymark_server.domain.state import Key, Need, Row, Rows
from tallymark_server.lanes.lane import ROUNDS_MAX
from tests.world.clock import START

__all__ = ["Runner", "reason_of"]

R = TypeVar("R", bound=Row)


class _Everything(dict[Key[Any], Row | None]):
    """Rows of which none is unknown: what is not there does not exist."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: Key[Any]) -> None:
        return None


class Runner:
    """Rows, a clock that tests move, and the rules over both.

    Each decision is made again from the same rows and from all rows, and must be the same.
    """

    def __init__(self, rows: Rows, *, now: int = START) -> None:
        self.rows: dict[Key[Any], Row] = {key: row for key, row in rows.items() if row}
        self.now = now
        self.last: Decision

    def ask(self, command: Command) -> Answer:
        """Decide and save."""
        loaded = self._load(command)
        before = msgspec.msgpack.encode(list(loaded.values()))
        decision = decide(loaded, command, self.now)

        assert decide(loaded, command, self.now) == decision, "a decision is pure"
        assert msgspec.msgpack.encode(list(loaded.values())) == before, "it changes no input"
        everything = _Everything(self.rows)
        assert decide(everything, command, self.now) == decision, "it is blind to what is loaded"

        self._save(decision)
        return decision.answer

    def get(self, key: Key[R]) -> R:
        """Return a row that must be there."""
        row = self.rows[key]
        assert isinstance(row, key.table)
        return row

    def all(self, table: type[R]) -> list[R]:
        """Return all rows of a table."""
        return [row for row in self.rows.values() if isinstance(row, table)]

    def move(self, *, seconds: float = 0, milliseconds: int = 0) -> None:
        """Move the clock."""
        self.now += round(seconds * 1000) + milliseconds

    def _load(self, command: Command) -> dict[Key[Any], Row | None]:
        loaded: dict[Key[Any], Row | None] = {}
        for _ in range(ROUNDS_MAX // 2):
            needed: tuple[Key[Any], ...] = ()
            try:
                decide(loaded, command, self.now)
            except Need as need:
                needed = need.keys
            if not needed:
                return loaded
            assert not loaded.keys() & set(needed), "it asks for a row once"
            loaded.update({key: self.rows.get(key) for key in needed})
        message = "the rules ask for rows too often"
        raise AssertionError(message)

    def _save(self, decision: Decision) -> None:
        self.last = decision
        assert (decision.record is None) == (not decision.changes), "a change leaves a record"
        for key, row in decision.changes.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                assert row.key == key
                self.rows[key] = row


def reason_of(answer: Answer) -> str:
    """Return why a call was refused, "OK" if it was not."""
    return answer.reason if isinstance(answer, RefusedAnswer) else "OK"
