"""The commands and columns of docs/operator.md are those of the program."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tallymark_admin.forms import BILL_FORM, POINTS_FORM, TICKET_FORM, Column
from tallymark_admin.main import program
from tests.doubles.operator_server import served
from tests.doubles.operator_service import FIRST_ENROLMENT_CODE, OperatorServiceDouble

GUIDE = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()

FILES = {
    "data/operator-enrolment-code": FIRST_ENROLMENT_CODE,
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
    (tmp_path / "data").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)

    with served(OperatorServiceDouble(customers=["anna"])) as server:
        for command in commands_of_the_guide():
            arguments = shlex.split(command.replace("127.0.0.1:7421", server.address))
            result = CliRunner().invoke(program, arguments)
            assert result.exit_code == 0, f"{command}: {result.output}"

    assert (tmp_path / "till-1.code").exists()


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
