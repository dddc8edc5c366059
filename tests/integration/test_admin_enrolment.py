import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.operator_server import Lost, served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[AdminOfDouble]:
    service = OperatorServiceDouble(customers=["anna", "bert"])
    with served(service) as server:
        yield AdminOfDouble(tmp_path, server)


@pytest.fixture
def shop(admin: AdminOfDouble) -> AdminOfDouble:
    admin.set_up_shop()
    return admin


def test_init_stores_a_secret_that_later_commands_use(admin: AdminOfDouble) -> None:
    result = admin.init()

    assert (result.exit_code, result.stdout) == (
        0,
        f"You are operator first of {admin.address}.\n",
    )
    assert stat.S_IMODE((admin.home / "operator.json").stat().st_mode) == 0o600
    assert admin.rows("merchants", "list") == []


def test_init_whose_answer_was_lost_is_repeated_with_the_same_code(admin: AdminOfDouble) -> None:
    admin.server.guard.fates = [Lost()]

    assert admin.init().exit_code == 3
    assert admin.init().exit_code == 0


def test_init_with_a_used_code_is_refused(admin: AdminOfDouble) -> None:
    admin.init()
    (admin.home / "operator.json").unlink()

    result = admin.init()

    assert result.exit_code == 1
    assert "Ask the operator for a new one" in result.stderr


def test_init_does_not_replace_an_operator(admin: AdminOfDouble) -> None:
    admin.init()

    result = admin.init()

    assert result.exit_code == 2
    assert "belongs to an operator already" in result.stderr


def test_another_operator_enrols_with_a_code_handed_over(shop: AdminOfDouble) -> None:
    shop.code_file = shop.folder / "night.code"
    shop.succeed("operators", "create", "night-shift", "--code-file", shop.code_file)
    shop.home = shop.folder / "home-of-another"

    assert "You are operator night-shift" in shop.init().stdout


def test_a_one_time_code_is_alone_on_stdout(shop: AdminOfDouble) -> None:
    result = shop.run("terminals", "create", "till-1", "--merchant", "shop")

    assert result.stdout == "one-time-code-of-terminal/till-1\n"
    assert "one-time-code-of" not in result.stderr


def test_a_one_time_code_goes_to_a_private_file_and_nowhere_else(shop: AdminOfDouble) -> None:
    path = shop.folder / "till-1.code"

    result = shop.run("terminals", "create", "till-1", "--merchant", "shop", "--code-file", path)

    assert "one-time-code-of" not in result.output
    assert path.read_text() == "one-time-code-of-terminal/till-1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_code_file_that_exists_is_left_alone(shop: AdminOfDouble) -> None:
    path = shop.write("till-1.code", "precious")

    result = shop.run("terminals", "create", "till-1", "--merchant", "shop", "--code-file", path)

    assert result.exit_code == 2
    assert path.read_text() == "precious\n"
    assert shop.rows("terminals", "list") == []


def test_a_used_code_is_not_handed_out_again(shop: AdminOfDouble) -> None:
    shop.succeed("terminals", "create", "till-1", "--merchant", "shop")
    shop.server.service.enrolment_codes["terminal/till-1"] = ""

    result = shop.run("terminals", "create", "till-1", "--merchant", "shop")

    assert (result.exit_code, result.stdout) == (1, "")
