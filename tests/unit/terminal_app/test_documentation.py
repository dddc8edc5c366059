"""docs/terminal.md tells of every exit code, key and command that there is."""

import re
from pathlib import Path

from tallymark_terminal.json_view import result_view
from tallymark_terminal.main import main
from tallymark_terminal.sale_results import ExitCode, Outcome, SaleResult

GUIDE = (Path(__file__).parents[3] / "docs" / "terminal.md").read_text()


def section(title: str) -> str:
    """Return the text below a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", GUIDE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_every_exit_code_is_in_the_table_and_in_the_help() -> None:
    table = re.findall(r"^\| (\d) \|", section("Exit codes"), re.MULTILINE)

    assert [int(number) for number in table] == [code.value for code in ExitCode]
    assert main.help is not None
    assert set(re.findall(r"\b(\d) [a-z]", main.help)) == set(table)


def test_every_key_of_a_result_is_in_the_table() -> None:
    view = result_view(SaleResult(outcome=Outcome.NO_CODE), source=None, words="")

    rows = re.findall(r"^\| (`.*?`) \|", section("`--json`"), re.MULTILINE)

    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(view)


def test_every_outcome_is_named() -> None:
    for outcome in Outcome:
        assert f"`{outcome.value}`" in section("`--json`")


def test_every_command_is_named() -> None:
    for command in main.commands:
        assert re.search(rf"`{command}\b", GUIDE)
