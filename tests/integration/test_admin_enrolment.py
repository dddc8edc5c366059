import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark_protocol.enrolment_file import EnrolmentFile
from tests.doubles.authority import Authority
from tests.doubles.operator_access import FIRST_ENROLMENT_CODE
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


def files_of(admin: AdminOfDouble) -> dict[str, int]:
    """Return the mode of each file in the home folder."""
    return {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in admin.home.rglob("*")
        if path.is_file()
    }


def test_init_stores_an_identity_that_later_commands_use(admin: AdminOfDouble) -> None:
    result = admin.init()

    assert (result.exit_code, result.stdout) == (
        0,
        f"You are operator first of {admin.server.operator_address}.\n",
    )
    assert admin.rows("merchants", "list") == []


def test_key_certificate_and_authority_are_in_private_files_of_their_own(
    admin: AdminOfDouble,
) -> None:
    admin.init()

    modes = files_of(admin)
    assert set(modes) == {"operator.json", "key.pem", "certificate.pem", "ca.pem", "lock"}
    assert {mode for name, mode in modes.items() if name != "lock"} == {0o600}
    stored = json.loads((admin.home / "operator.json").read_text())
    assert set(stored) == {"server", "operator_id", "identity", "renew_at", "expires_at"}
    assert (admin.home / stored["identity"] / "key.pem").exists()


def test_an_init_whose_answer_was_lost_is_repeated_to_the_byte(admin: AdminOfDouble) -> None:
    admin.server.guard.fates = [Lost()]

    first, second = admin.init(), admin.init()

    assert (first.exit_code, second.exit_code) == (3, 0)
    (one, other) = admin.server.service.certificate_requests
    assert one == other
    assert admin.rows("merchants", "list") == []


def test_an_init_after_a_wrong_address_is_the_same_request(admin: AdminOfDouble) -> None:
    unreachable = admin.run(
        *("init", "--server", "127.0.0.1:1", "--enrolment-code-file", admin.code_file)
    )

    assert unreachable.exit_code == 3
    assert "Nobody listens there" in unreachable.stderr
    assert admin.init().exit_code == 0


def test_init_with_another_code_makes_another_key(admin: AdminOfDouble) -> None:
    admin.server.guard.fates = [Lost()]
    admin.init()
    admin.server.service.enrolment_codes["operator/second"] = "second-code"
    admin.server.service.operators["second",] = type(admin.server.service.operators["first",])()
    trusted = admin.server.service.authority.certificate_pem
    admin.code_file.write_text(f"second-code\n{trusted}")

    assert admin.init().exit_code == 0
    (one, other) = admin.server.service.certificate_requests
    assert one[0] != other[0]
    assert one[1] != other[1]


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


def test_an_operator_who_was_shut_out_enrols_again_under_another_id(shop: AdminOfDouble) -> None:
    shop.code_file = shop.folder / "night.code"
    shop.succeed("operators", "create", "night", "--code-file", shop.code_file)
    shop.server.service.operators["first",].revoked = True
    refused = shop.run("merchants", "list")

    replaced = shop.run(
        *("init", "--server", shop.address, "--enrolment-code-file", shop.code_file, "--replace")
    )

    assert refused.exit_code == 1
    assert "init --replace" in refused.stderr
    assert "You are operator night" in replaced.stdout
    assert [row["merchant_id"] for row in shop.rows("merchants", "list")] == ["shop"]


def test_a_typed_code_comes_with_a_file_of_whom_to_trust(admin: AdminOfDouble) -> None:
    ca_file = admin.write("ca.pem", admin.server.service.authority.certificate_pem)

    result = admin.run(
        *("init", "--server", admin.address, "--ca-file", ca_file),
        typed=f"{FIRST_ENROLMENT_CODE}\n",
    )

    assert result.exit_code == 0
    assert FIRST_ENROLMENT_CODE not in result.output
    assert admin.rows("merchants", "list") == []


@pytest.mark.parametrize("trusted", ["another authority", "those of the system"])
def test_a_code_is_not_told_to_a_server_of_another_authority(
    admin: AdminOfDouble, trusted: str
) -> None:
    ca = Authority("another").certificate_pem if trusted == "another authority" else ""
    enrolment = EnrolmentFile(enrolment_code=FIRST_ENROLMENT_CODE, ca_certificates_pem=ca)
    admin.code_file.write_text(enrolment.to_text())

    result = admin.init()

    assert result.exit_code == 3
    assert "does not come from an authority that you trust" in result.stderr
    assert admin.server.guard.calls == 0
    assert not (admin.home / "operator.json").exists()


@pytest.mark.parametrize("content", ["", "\n", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_without_a_code_is_told(admin: AdminOfDouble, content: str) -> None:
    admin.code_file.write_text(content)

    result = admin.init()

    assert result.exit_code == 2
    assert "holds no enrolment code" in result.stderr


def test_another_operator_enrols_with_the_file_alone(shop: AdminOfDouble) -> None:
    shop.code_file = shop.folder / "night.code"
    shop.succeed("operators", "create", "night-shift", "--code-file", shop.code_file)
    shop.home = shop.folder / "home-of-another"

    assert "You are operator night-shift" in shop.init().stdout


def test_a_one_time_code_is_alone_on_stdout(shop: AdminOfDouble) -> None:
    result = shop.run("terminals", "create", "till-1", "--merchant", "shop")

    assert result.stdout == "one-time-code-of-terminal/till-1\n"
    assert "one-time-code-of" not in result.stderr


def test_a_one_time_code_goes_to_a_private_file_with_whom_to_trust(shop: AdminOfDouble) -> None:
    path = shop.folder / "till-1.code"

    result = shop.run("terminals", "create", "till-1", "--merchant", "shop", "--code-file", path)

    assert "one-time-code-of" not in result.output
    enrolment = EnrolmentFile.parse(path.read_text())
    assert enrolment.enrolment_code == "one-time-code-of-terminal/till-1"
    authority = shop.server.service.authority.certificate_pem
    assert enrolment.ca_certificates_pem == authority.strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_terminal_that_lost_its_key_gets_another_code(shop: AdminOfDouble) -> None:
    shop.succeed("terminals", "create", "till-1", "--merchant", "shop")
    shop.server.service.enrolment_codes["terminal/till-1"] = ""
    path = shop.folder / "again.code"

    shop.succeed("terminals", "reenroll", "till-1", "--code-file", path)
    printed = shop.succeed("terminals", "reenroll", "till-1")
    unknown = shop.run("terminals", "reenroll", "till-2")

    code = EnrolmentFile.parse(path.read_text()).enrolment_code
    assert code == printed.strip() == "second-code-of-terminal/till-1"
    assert unknown.exit_code == 1
    assert "no such terminal" in unknown.stderr


def test_a_terminal_is_delegated_and_taken_back(shop: AdminOfDouble) -> None:
    for terminal_id in ("gate-1", "lane-1"):
        shop.succeed("terminals", "create", terminal_id, "--merchant", "shop")

    said = shop.succeed("terminals", "delegate", "lane-1", "--to", "gate-1")
    delegated = shop.server.service.terminals["lane-1",].concentrator_id
    shop.succeed("terminals", "delegate", "lane-1", "--to-nobody")
    unclear = shop.run("terminals", "delegate", "lane-1")
    unknown = shop.run("terminals", "delegate", "lane-1", "--to", "gate-2")

    assert said.strip() == "Terminal lane-1 is spoken for by gate-1."
    assert delegated == "gate-1"
    assert shop.server.service.terminals["lane-1",].concentrator_id == ""
    assert (unclear.exit_code, unknown.exit_code) == (2, 1)


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
