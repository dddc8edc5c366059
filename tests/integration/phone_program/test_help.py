"""Every command explains itself, with examples that can be typed."""

import shlex
from pathlib import Path

import click
import pytest

from tallymark_phone.main import commands
from tests.doubles.authority import Authority


def examples_of(command: click.Command) -> list[str]:
    _, _, lines = (command.epilog or "").partition("Examples:")
    return [line.strip().removeprefix("tallymark-phone ") for line in lines.strip().splitlines()]


EXAMPLES = [line for command in commands.commands.values() for line in examples_of(command)]


@pytest.fixture
def folder_with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder that has the files which the examples name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").write_text(Authority().certificate_pem, "ascii")
    for name in ("code", "new", "old", "tag.txt"):
        (tmp_path / name).touch()


@pytest.mark.parametrize("name", commands.commands)
def test_every_command_has_help_and_an_example_of_its_own(name: str) -> None:
    command = commands.commands[name]

    assert command.help
    assert examples_of(command)
    assert all(line.split()[0] == name for line in examples_of(command))


@pytest.mark.usefixtures("folder_with_files")
@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_understood(line: str) -> None:
    name, *arguments = shlex.split(line)

    context = commands.commands[name].make_context(name, arguments)

    assert not context.args
