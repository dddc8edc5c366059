"""What the program says about wrong use, before it touches the network."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tallymark_terminal.home import Home
from tallymark_terminal.main import main
from tests.doubles.terminal_access import TerminalAccess


@pytest.fixture
def home(tmp_path: Path) -> Path:
    access = TerminalAccess(now=lambda: 0.0)
    access.enrol_home(Home(tmp_path / "home"), server="127.0.0.1:1")
    return tmp_path / "home"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("scan --charge 1", "name pictures"),
        ("scan a.png", "say what to do"),
        ("scan a.png --charge 1,50", "digits and a point"),
        ("scan a.png --charge 1 --currency euro", "three capital letters"),
        ("scan a.png --telephone +4930123456 --charge 1", "takes the place of a code"),
        ("scan --telephone 030123456 --charge 1", "with its country"),
        ("scan a.png --camera 0 --charge 1", "one of --camera"),
        ("scan - a.png --charge 1", "standard input"),
        ("scan a.png --follow --charge 1", "one folder"),
        ("scan a.png --earn 0", "Invalid value"),
        ("complete no-such-sale --patience -1", "Invalid value"),
        ("reverse", "Missing argument"),
        ("enrol --server shop", "HOST:PORT"),
        ("enrol --server shop:7420 --ca-file missing.pem", "does not exist"),
        ("tag", "needs a screen"),
        ("tag --printed", "--png or --svg"),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_to_do(home: Path, line: str, hint: str) -> None:
    ended = run("--home", str(home), *line.split())

    assert ended.exit_code == 2
    assert hint in ended.stderr


def test_picture_that_was_taken_for_a_bill_is_noticed(home: Path, tmp_path: Path) -> None:
    picture = tmp_path / "till.png"
    picture.touch()

    ended = run("--home", str(home), "scan", "--pay-bill", str(picture))

    assert ended.exit_code == 2
    assert "before --pay-bill" in ended.stderr


def test_folder_without_a_terminal_exits_with_2(tmp_path: Path) -> None:
    ended = run("journal", "--home", str(tmp_path))

    assert ended.exit_code == 2
    assert "enrol" in ended.stderr


def test_home_of_the_command_goes_before_home_of_the_program(home: Path, tmp_path: Path) -> None:
    ended = run("--home", str(tmp_path / "other"), "journal", "--home", str(home), "--json")

    assert ended.exit_code == 0


def test_home_can_come_from_the_environment(home: Path) -> None:
    variables = {"TALLYMARK_TERMINAL_HOME": str(home)}

    ended = CliRunner().invoke(main, ["journal", "--json"], env=variables)

    assert ended.exit_code == 0


@pytest.mark.parametrize(
    "command",
    sorted(main.commands),
)
def test_every_command_explains_itself(command: str) -> None:
    ended = run(command, "--help")

    assert ended.exit_code == 0
    assert "--home" in ended.output
