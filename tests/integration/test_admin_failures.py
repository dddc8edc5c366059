import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tallymark_admin.main import program
from tallymark_admin.server_connection import OperatorConnection
from tallymark_protocol.errors import NotDone, TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.doubles.operator_server import served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[AdminOfDouble]:
    with served(OperatorServiceDouble(customers=["anna"])) as server:
        admin = AdminOfDouble(tmp_path, server)
        admin.set_up_shop()
        yield admin


def commands_of(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, *names, name)
        else:
            yield (*names, name)


@pytest.mark.parametrize("command", list(commands_of(program)), ids=" ".join)
def test_the_help_of_each_command_has_an_example_of_it(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(program, [*command, "--help"])

    assert result.exit_code == 0
    assert f"\n    tallymark-admin {' '.join(command)}" in result.stdout


def test_the_help_documents_the_exit_codes() -> None:
    text = CliRunner().invoke(program, ["--help"]).stdout

    for code in ("0 ", "1 ", "2 ", "3 ", "130 "):
        assert f"\n    {code}" in text


def test_without_init_the_way_to_it_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(program, ["--home", str(tmp_path), "merchants", "list"])

    assert result.exit_code == 2
    assert "Run `tallymark-admin init` first" in result.stderr


@pytest.mark.parametrize("address", ["localhost", "localhost:0", "localhost:65536", ":7421", "::1"])
def test_an_address_has_a_host_and_a_port(shop: AdminOfDouble, address: str) -> None:
    result = shop.run("--server", address, "merchants", "list")

    assert result.exit_code == 2
    assert "Write HOST:PORT" in result.stderr


@pytest.mark.parametrize("reason", [Reason.OVERLOADED, Reason.SHUTTING_DOWN, Reason.STORE_FAILED])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    shop: AdminOfDouble, reason: Reason
) -> None:
    shop.server.guard.fates = [NotDone(reason)]

    assert [row["merchant_id"] for row in shop.rows("merchants", "list")] == ["shop"]


@pytest.mark.parametrize("error", [UnknownOutcome(Reason.INTERNAL)])
def test_a_mistake_of_the_server_is_told_in_its_words(
    shop: AdminOfDouble, error: TallymarkError
) -> None:
    shop.server.guard.fates = [error]

    result = shop.run("merchants", "list")

    assert result.exit_code == 3
    assert result.stderr.strip() == error.message


def test_what_others_wrote_cannot_steer_the_terminal(shop: AdminOfDouble) -> None:
    merchant = shop.server.service.merchants["shop",]
    merchant.name = "\x1b[2J[bold]Shop[/bold]"

    assert r"\x1b[2J[bold]Shop[/bold]" in shop.succeed("merchants", "list")
    assert "\x1b" not in shop.succeed("merchants", "list", "--json")


def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(
    shop: AdminOfDouble,
) -> None:
    path = shop.write("points.csv", "programme_id,login_name,grant_reference,points")
    calls_before = shop.server.guard.calls

    result = shop.run("points", "import", path, "--errors", shop.folder / "no-folder" / "e.csv")

    assert result.exit_code == 2
    assert "no-folder" in result.stderr
    assert shop.server.guard.calls == calls_before


def test_an_interruption_is_told_apart_from_a_failure(
    shop: AdminOfDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(_: OperatorConnection) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(OperatorConnection, "policy", interrupted)

    result = shop.run("policy", "show")

    assert result.exit_code == 130
    assert "Run the same command again" in result.stderr


def test_the_program_runs_as_a_process_of_its_own(shop: AdminOfDouble) -> None:
    command = [sys.executable, "-m", "tallymark_admin", "--home", str(shop.home)]

    ended = subprocess.run(
        [*command, "merchants", "list"], check=False, capture_output=True, text=True
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Corner shop" in ended.stdout
    assert "\x1b" not in ended.stdout


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (["merchants", "create", "Shop", "--name", "Shop"], "Use 1 to 63 small letters"),
        (["tickets", "import", "t.csv", "--time-zone", "Mars/Base"], "for example Europe/Berlin"),
        (
            ["programmes", "create", "p", "--name", "P", "--point-value", "0,01", "EUR"],
            "--point-value: Write the amount with digits and a point",
        ),
        (["terminals", "create", "till-1"], "Missing option '--merchant'"),
        (["unresolved", "settle", "00", "perhaps", "--note", "x"], "'executed', 'not-executed'"),
        (["customers", "unlock", "An"], "Use 3 to 64 small letters"),
        (["operators", "revoke", "Night"], "Use 1 to 63 small letters"),
        (["keys", "rotate", "master"], "'signing', 'cells', 'tls'"),
        (["keys", "revoke", "256", "--note", "x"], "0<=x<=255"),
        (["keys", "revoke", "1"], "Missing option '--note'"),
    ],
)
def test_wrong_use_is_told_with_what_to_do(
    shop: AdminOfDouble, monkeypatch: pytest.MonkeyPatch, command: list[str], advice: str
) -> None:
    monkeypatch.chdir(shop.folder)
    shop.write("t.csv", "event_id,ticket_id,login_name")

    result = shop.run(*command)

    assert result.exit_code == 2
    assert advice in result.stderr
