"""`tallymark-admin backup` and `recovery`, as an operator types them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.operator_recovery import RECOVERY_ID
from tests.doubles.operator_server import served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[AdminOfDouble]:
    with served(OperatorServiceDouble()) as server:
        admin = AdminOfDouble(tmp_path, server)
        assert admin.init().exit_code == 0
        yield admin


def test_a_backup_tells_where_it_is_and_what_it_holds(admin: AdminOfDouble) -> None:
    printed = admin.succeed("backup", "night")

    assert "is made and checked: /data/backups/night" in printed
    assert "up to entry 5, decided 2027-01-15T08:00:00Z" in printed


def test_the_status_tells_who_has_reported_and_who_has_not(admin: AdminOfDouble) -> None:
    printed = admin.succeed("recovery", "status")

    assert RECOVERY_ID in printed
    assert "till-1: reported 2 lost sales" in printed
    assert "till-2: has not reported" in printed
    assert admin.rows("recovery", "status")["recovery"]["lost_at_least"] == 3


def test_a_database_that_was_never_restored_says_so(admin: AdminOfDouble) -> None:
    admin.server.service.recovery = None

    assert admin.succeed("recovery", "status") == "This database was never restored.\n"


def test_reported_sales_are_listed_with_their_problems(admin: AdminOfDouble) -> None:
    (row,) = admin.rows("recovery", "sales")

    assert row["outcome"] == "PARTLY_APPLIED"
    assert "2 points were spent" in admin.succeed("recovery", "sales")


def test_a_recovery_is_finished_by_its_id_and_no_other(admin: AdminOfDouble) -> None:
    assert "is finished" in admin.succeed("recovery", "finish", RECOVERY_ID, "--note", "all told")

    refused = admin.run("recovery", "finish", "00" * 16, "--note", "all told")

    assert refused.exit_code == 1
    assert "No recovery with this id is open." in refused.output
