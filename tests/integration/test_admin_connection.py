"""What an operator is told when the connection, the server's certificate or their own is wrong."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc.aio
import pytest

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.authority import Authority
from tests.doubles.background import in_background
from tests.doubles.operator_server import served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[AdminOfDouble]:
    with served(OperatorServiceDouble()) as server:
        admin = AdminOfDouble(tmp_path, server)
        assert admin.init().exit_code == 0
        yield admin


def stored(admin: AdminOfDouble, name: str) -> Path:
    """Return a file of the identity in use."""
    (path,) = admin.home.glob(f"identity-*/{name}")
    return path


@asynccontextmanager
async def serving_without_tls() -> AsyncIterator[str]:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


def test_a_server_that_cannot_be_reached_is_an_unknown_outcome(admin: AdminOfDouble) -> None:
    result = admin.run("--server", "127.0.0.1:1", "merchants", "list")

    assert result.exit_code == 3
    assert "There is no clear answer" in result.stderr
    assert "Nobody listens there" in result.stderr
    assert result.stdout == ""


def test_a_host_that_does_not_exist_is_told(admin: AdminOfDouble) -> None:
    result = admin.run("--server", "no-such-host.invalid:7421", "merchants", "list")

    assert result.exit_code == 3
    assert "The name of the host is not known" in result.stderr


def test_a_server_of_another_authority_is_told_nothing(admin: AdminOfDouble) -> None:
    stored(admin, "ca.pem").write_text(Authority("another").certificate_pem)
    calls_before = admin.server.guard.calls

    result = admin.run("merchants", "list")

    assert result.exit_code == 3
    assert "does not come from an authority that you trust" in result.stderr
    assert admin.server.guard.calls == calls_before


def test_a_server_of_another_name_is_told_nothing(tmp_path: Path) -> None:
    with served(OperatorServiceDouble(), host="shop.example") as server:
        admin = AdminOfDouble(tmp_path, server)

        result = admin.init()

        assert result.exit_code == 3
        assert "for other host names" in result.stderr
        assert server.guard.calls == 0


def test_a_certificate_of_another_authority_is_not_accepted(admin: AdminOfDouble) -> None:
    stranger = Authority("another").identity(kind="operator", owner_id="first")
    stored(admin, "certificate.pem").write_text(stranger.certificate_pem)
    stored(admin, "key.pem").write_text(stranger.private_key_pem)

    result = admin.run("merchants", "list")

    assert result.exit_code == 3
    assert "does not accept the certificate of the caller" in result.stderr


def test_a_key_that_does_not_fit_the_certificate_is_told(admin: AdminOfDouble) -> None:
    other = admin.server.service.authority.identity(kind="operator", owner_id="first")
    stored(admin, "key.pem").write_text(other.private_key_pem)

    result = admin.run("merchants", "list")

    assert result.exit_code == 3
    assert "are damaged, or do not fit together" in result.stderr


def test_a_server_without_tls_is_told_nothing(admin: AdminOfDouble) -> None:
    with in_background(serving_without_tls()) as background:
        result = admin.run("--server", background.server, "merchants", "list")

    assert result.exit_code == 3
    assert "does not speak TLS" in result.stderr


def test_the_port_of_phones_is_not_for_other_commands(admin: AdminOfDouble) -> None:
    result = admin.run("--server", admin.address, "merchants", "list")

    assert result.exit_code == 1
    assert "That port is for others" in result.stderr


def test_the_port_of_operators_is_not_for_init(admin: AdminOfDouble) -> None:
    result = admin.run(
        *("--home", admin.folder / "another", "init"),
        *("--server", admin.server.operator_address, "--enrolment-code-file", admin.code_file),
    )

    assert result.exit_code == 3
    assert "does not accept the certificate of the caller: none" in result.stderr


def test_a_key_of_the_authority_that_was_never_allowed_is_refused(admin: AdminOfDouble) -> None:
    stranger = admin.server.service.authority.identity(kind="operator", owner_id="first")
    stored(admin, "certificate.pem").write_text(stranger.certificate_pem)
    stored(admin, "key.pem").write_text(stranger.private_key_pem)

    result = admin.run("merchants", "list")

    assert result.exit_code == 1
    assert "credentials are not known here" in result.stderr
    assert "operators create" in result.stderr


def test_an_operator_who_was_revoked_is_told_the_way_back(admin: AdminOfDouble) -> None:
    admin.server.service.operators["first",].revoked = True

    result = admin.run("merchants", "list")

    assert result.exit_code == 1
    assert "you were revoked" in result.stderr
    assert "operators create" in result.stderr
    assert "init --replace" in result.stderr


def test_an_expired_certificate_is_told_with_the_way_back(admin: AdminOfDouble) -> None:
    admin.server.guard.fates = [Refused(Reason.CERTIFICATE_EXPIRED)]

    result = admin.run("merchants", "list")

    assert result.exit_code == 1
    assert "The certificate has expired" in result.stderr
    assert "any command renews it" in result.stderr
    assert "init --replace" in result.stderr


def test_a_certificate_that_expired_unnoticed_is_told_where_tls_says_nothing(
    tmp_path: Path,
) -> None:
    service = OperatorServiceDouble()
    service.expires_after = timedelta(hours=-1)
    with served(service) as server:
        admin = AdminOfDouble(tmp_path, server)
        admin.init()

    result = admin.run("merchants", "list")

    assert result.exit_code == 3
    assert "Your own certificate expired on" in result.stderr
    assert "init --replace" in result.stderr


@pytest.mark.parametrize("name", ["key.pem", "certificate.pem", "ca.pem"])
def test_a_missing_file_of_the_identity_is_told(admin: AdminOfDouble, name: str) -> None:
    path = stored(admin, name)
    path.unlink()

    result = admin.run("merchants", "list")

    assert result.exit_code == 2
    assert f"{path} is missing" in result.stderr


def test_status_tells_who_and_until_when(admin: AdminOfDouble) -> None:
    row = admin.rows("status")

    assert row["operator_id"] == "first"
    assert row["server"] == admin.server.operator_address
    assert row["certificate_renewed_from"] < row["certificate_expires_at"]
    assert row["is_accepted"] is True
    assert "operator_id               first\n" in admin.succeed("status")


@pytest.mark.parametrize(("is_revoked", "exit_code"), [(True, 1), (False, 3)])
def test_status_tells_what_is_stored_even_when_the_server_says_no_or_nothing(
    admin: AdminOfDouble, *, is_revoked: bool, exit_code: int
) -> None:
    admin.server.service.operators["first",].revoked = is_revoked
    server = [] if is_revoked else ["--server", "127.0.0.1:1"]

    result = admin.run(*server, "status", "--json")

    assert result.exit_code == exit_code
    assert '"operator_id": "first"' in result.stdout
    assert f'"is_accepted": {"false" if is_revoked else "null"}' in result.stdout


def test_a_failed_handshake_is_told_in_words_alone(admin: AdminOfDouble) -> None:
    stored(admin, "ca.pem").write_text(Authority("another").certificate_pem)
    command = [sys.executable, "-m", "tallymark_admin", "--home", str(admin.home)]

    ended = subprocess.run(
        [*command, "merchants", "list"], check=False, capture_output=True, text=True
    )

    assert ended.returncode == 3
    assert ended.stderr.startswith("There is no clear answer")
    assert "ssl_transport_security.cc" not in ended.stderr
