"""The commands and columns of docs/operator.md are those of the program."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tallymark_admin.commands import keys
from tallymark_admin.forms import BILL_FORM, POINTS_FORM, TICKET_FORM, Column
from tallymark_admin.main import program
from tallymark_admin.policy_options import POLICY_FIELDS
from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_server.keys.__main__ import main as copy_keys
from tallymark_server.main import main as serve
from tallymark_server.restore import main as restore
from tests.doubles.operator_access import FIRST_ENROLMENT_CODE, entry_message
from tests.doubles.operator_server import served
from tests.doubles.operator_service import OperatorServiceDouble
from tests.unit.protocol.journals import journal_of

GUIDE = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()

FILES = {
    "bills.csv": "merchant_id,bill_reference,login_name,amount,currency_code\nshop,B-1,anna,1,EUR",
    "tickets.csv": "event_id,ticket_id,login_name,valid_from\nconcert,A-1,anna,2026-05-01",
    "points.csv": "programme_id,login_name,grant_reference,points\nstamps,anna,welcome,100",
}


def commands_of_the_guide() -> list[str]:
    return re.findall(r"^tallymark-admin (.+)$", GUIDE, flags=re.MULTILINE)


def test_the_commands_of_the_guide_work_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALLYMARK_ADMIN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(keys, "POLL_SECONDS", 0)
    (tmp_path / "data").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    service = OperatorServiceDouble(customers=["anna"])
    service.journal = [entry_message(entry) for entry in journal_of(300)]
    enrolment = EnrolmentFile(
        enrolment_code=FIRST_ENROLMENT_CODE, ca_certificates_pem=service.authority.certificate_pem
    )
    (tmp_path / "data" / "operator-enrolment-code").write_text(enrolment.to_text())

    with served(service) as server:
        for command in commands_of_the_guide():
            arguments = shlex.split(command.replace("127.0.0.1:7420", server.address))
            result = CliRunner().invoke(program, arguments)
            assert result.exit_code == 0, f"{command}: {result.output}"

    made = {path.name for path in tmp_path.iterdir()}
    assert {"till-1.code", "anna.invitation", "monday.checkpoint", "journal.jsonl"} <= made


def test_the_guide_shows_each_group_of_commands_and_names_each_command() -> None:
    shown = {command.split()[0] for command in commands_of_the_guide()}

    assert set(program.commands) - shown <= {"processes", "unresolved", "journal"}
    for group_name, group in program.commands.items():
        for name in group.commands if isinstance(group, click.Group) else ():
            assert f"{group_name} {name}" in GUIDE, f"{group_name} {name}"


def options_of(command: click.Command) -> set[str]:
    """Return the options of a command and of all below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = {option for parameter in command.params for option in parameter.opts}
    also = {option for parameter in command.params for option in parameter.secondary_opts}
    return own.union(also, *(options_of(each) for each in below))


def test_every_option_in_the_guide_is_one_of_a_program() -> None:
    programs = (program, serve, copy_keys, restore)
    options = {"--help"}.union(*(options_of(each) for each in programs))

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", GUIDE))

    assert len(named) > 20
    assert named <= options


def test_the_guide_names_the_options_of_the_policy_that_exist() -> None:
    options = {"--" + field.name.replace("_", "-") for field in POLICY_FIELDS}
    section = GUIDE.split("\n## The policy")[1].split("\n## ")[0]

    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", section))

    assert named
    assert {f"--{name}" for name in named} <= options


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("bills", BILL_FORM.columns),
        ("tickets", TICKET_FORM.columns),
        ("points", POINTS_FORM.columns),
    ],
)
def test_the_guide_names_the_columns_of_each_file(name: str, columns: tuple[Column, ...]) -> None:
    section = re.split(r"\n\n[A-Z#`]", GUIDE.split(f"\n`{name}`\n")[1])[0]

    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, flags=re.MULTILINE))

    assert list(rows) == [column.name for column in columns]
    for column in columns:
        assert rows[column.name].startswith("Optional:") is not column.is_required
