"""Planted bugs: a test that proves something has to fail with them."""

import inspect
import textwrap
from typing import NamedTuple

import pytest

__all__ = ["Mutant", "plant"]


class Mutant(NamedTuple):
    """A bug: in this function, this text becomes that one."""

    owner: object
    name: str
    text: str
    bug: str


def plant(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the function have the bug until the test ends."""
    function = getattr(mutant.owner, mutant.name)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(mutant.text) == 1, "the planted bug has one place"
    scope = dict(function.__globals__)
    exec(source.replace(mutant.text, mutant.bug), scope)  # noqa: S102 -- our own source
    monkeypatch.setattr(function, "__code__", scope[mutant.name].__code__)
