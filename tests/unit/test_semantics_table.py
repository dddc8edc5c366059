"""docs/semantics.md names tests, and each of them is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TABLE = (ROOT / "docs" / "semantics.md").read_text()

LINES = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("line", LINES, ids=[line[2:50] for line in LINES])
def test_every_line_is_shown_by_a_test(line: str) -> None:
    *_, shown_by, _ = line.split("|")

    assert NAMED.search(shown_by)
    assert NAMED.sub("", shown_by).strip(" ,") == ""


@pytest.mark.parametrize("named", sorted(set(NAMED.findall(TABLE))), ids="::".join)
def test_every_test_that_is_named_exists(named: tuple[str, str]) -> None:
    path, name = named

    tree = ast.parse((ROOT / path).read_text())

    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in tree.body if isinstance(node, functions)}
