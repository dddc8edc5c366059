import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.operator_access import DEVICE_ID
from tests.doubles.operator_server import served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[AdminOfDouble]:
    with served(OperatorServiceDouble(customers=["anna"])) as server:
        admin = AdminOfDouble(tmp_path, server)
        assert admin.init().exit_code == 0
        yield admin


def test_devices_of_a_customer_are_a_table_and_json(admin: AdminOfDouble) -> None:
    table = admin.succeed("customers", "devices", "anna")

    assert "Anna's phone" in table
    (device,) = admin.rows("customers", "devices", "anna")
    assert (device["device_id"], device["sessions"]) == (DEVICE_ID, 2)


def test_a_lost_phone_is_cut_off(admin: AdminOfDouble) -> None:
    printed = admin.succeed("customers", "revoke-device", "anna", DEVICE_ID)
    again = admin.run("customers", "revoke-device", "anna", DEVICE_ID)

    assert printed == f"Device {DEVICE_ID} of anna is cut off; 3 unused codes are dead.\n"
    assert admin.rows("customers", "devices", "anna") == []
    assert again.exit_code == 1
    assert "You have no such device" in again.stderr


def test_an_invitation_is_alone_on_stdout(admin: AdminOfDouble) -> None:
    result = admin.run("customers", "invite", "anna")

    assert result.stdout == "invitation-of-anna\n"
    assert "good until 2026-09-21T14:13:20Z" in result.stderr
    assert "invitation-of-anna" not in result.stderr


def test_an_invitation_goes_to_a_private_file_and_nowhere_else(admin: AdminOfDouble) -> None:
    path = admin.folder / "anna.invitation"

    result = admin.run("customers", "invite", "anna", "--file", path)
    again = admin.run("customers", "invite", "anna", "--file", path)

    assert "invitation-of-anna" not in result.output
    assert path.read_text() == "invitation-of-anna\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_wrong_passwords_are_forgotten(admin: AdminOfDouble) -> None:
    assert admin.succeed("customers", "unlock", "anna").startswith("100 wrong passwords of anna")
    assert admin.succeed("customers", "unlock", "anna").startswith("0 wrong passwords of anna")


@pytest.mark.parametrize(
    "command",
    [
        ("devices", "bert"),
        ("revoke-device", "bert", DEVICE_ID),
        ("invite", "bert"),
        ("unlock", "bert"),
    ],
    ids=" ".join,
)
def test_a_customer_who_does_not_exist_is_told(
    admin: AdminOfDouble, command: tuple[str, ...]
) -> None:
    result = admin.run("customers", *command)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no customer with this login name" in result.stderr


def test_a_device_id_of_another_form_is_told(admin: AdminOfDouble) -> None:
    result = admin.run("customers", "revoke-device", "anna", "the-phone")

    assert result.exit_code == 1
    assert "device_id: " in result.stderr


def test_another_operator_is_revoked_and_nobody_revokes_themselves(admin: AdminOfDouble) -> None:
    admin.succeed("operators", "create", "night")

    printed = admin.succeed("operators", "revoke", "night")
    oneself = admin.run("operators", "revoke", "first")
    nobody = admin.run("operators", "revoke", "nobody")

    assert printed == "Operator night is revoked.\n"
    rows = {row["operator_id"]: row["revoked"] for row in admin.rows("operators", "list")}
    assert rows == {"first": False, "night": True}
    assert (oneself.exit_code, nobody.exit_code) == (1, 1)
    assert "You cannot revoke yourself" in oneself.stderr
    assert "There is no such operator" in nobody.stderr
