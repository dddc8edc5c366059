import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallymark_admin.home import Home, HomeInUse, NotEnrolled
from tallymark_admin.identity import Certificate, Operator
from tallymark_admin.private_files import create_private_file
from tallymark_protocol.certificate_request import ClientKey

CERTIFICATE = Certificate(
    certificate_pem="the certificate",
    ca_certificates_pem="the authority",
    renew_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
    expires_at=datetime(2026, 11, 25, tzinfo=UTC),
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def enrol(home: Home) -> Operator:
    request = home.request_for("enrolment")
    return home.adopt(request, CERTIFICATE, server="127.0.0.1:7421", operator_id="first")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_what_was_stored_is_read_back(home: Home) -> None:
    assert not home.has_operator

    operator = enrol(home)

    assert home.has_operator
    assert home.operator() == operator
    identity = home.identity(operator)
    assert identity.client.certificate_pem == "the certificate"
    assert identity.ca_certificates_pem == "the authority"


def test_folders_and_files_are_for_their_owner_alone(home: Home) -> None:
    home.request_for("enrolment")
    assert mode_of(home.path / "request.json") == 0o600

    folder = home.path / enrol(home).identity

    assert mode_of(home.path) == mode_of(folder) == 0o700
    names = ("key.pem", "certificate.pem", "ca.pem")
    paths = [home.path / "operator.json", *(folder / name for name in names)]
    assert {mode_of(path) for path in paths} == {0o600}


def test_the_key_is_in_no_repr(home: Home) -> None:
    request = home.request_for("enrolment")
    operator = enrol(home)

    shown = repr((request, operator, home.identity(operator), home))

    assert "PRIVATE KEY" not in shown
    assert str(request.certificate_request) not in shown


def test_the_request_is_over_the_key_in_the_folder_that_it_names(home: Home) -> None:
    request = home.request_for("enrolment")

    key = ClientKey.from_pem((home.path / request.identity / "key.pem").read_bytes())
    assert request.identity == f"identity-{key.key_hash()[:16]}"


def test_the_same_occasion_keeps_its_request_until_it_was_answered(home: Home) -> None:
    first = home.request_for("enrolment")

    assert home.request_for("enrolment") == first
    other = home.request_for("renewal")
    assert other != first
    home.forget_request()
    assert home.request_for("renewal") != other


@pytest.mark.parametrize("content", ["", "{", "[]", '{"occasion": "enrolment"}', "[" * 100_000])
def test_a_damaged_note_of_a_request_is_made_anew(home: Home, content: str) -> None:
    home.request_for("enrolment")
    (home.path / "request.json").write_text(content)

    assert home.request_for("enrolment").request_id


def test_a_request_whose_key_is_gone_is_made_anew(home: Home) -> None:
    first = home.request_for("enrolment")
    (home.path / first.identity / "key.pem").unlink()

    assert home.request_for("enrolment") != first


def test_a_key_that_others_can_read_is_not_used(home: Home) -> None:
    operator = enrol(home)
    (home.path / operator.identity / "key.pem").chmod(0o640)

    with pytest.raises(NotEnrolled, match="chmod 600"):
        home.identity(operator)


def test_without_an_operator_the_way_to_one_is_told(home: Home) -> None:
    with pytest.raises(NotEnrolled, match="tallymark-admin init"):
        home.operator()


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "{}", "[" * 100_000),
        *('{"server": "a", "renew_at": 1, "expires_at": 2}', "\xff"),
    ],
)
def test_a_damaged_operator_is_told(home: Home, content: str) -> None:
    enrol(home)
    (home.path / "operator.json").write_bytes(content.encode("latin-1"))

    with pytest.raises(NotEnrolled, match="is damaged"):
        home.operator()


def test_a_damaged_operator_is_replaced_by_another_enrolment(home: Home) -> None:
    enrol(home)
    (home.path / "operator.json").write_text("{")

    again = home.adopt(
        home.request_for("another"), CERTIFICATE, server="127.0.0.1:7421", operator_id="second"
    )

    assert home.operator() == again


def test_the_identity_before_is_kept_and_older_ones_go(home: Home) -> None:
    names = []
    for occasion in ("enrolment", "renewal one", "renewal two"):
        request = home.request_for(occasion)
        names.append(request.identity)
        home.adopt(request, CERTIFICATE, server="127.0.0.1:7421", operator_id="first")

    kept = {path.name for path in home.path.glob("identity-*")}
    assert kept == set(names[1:])
    assert home.operator().identity == names[-1]


def test_only_one_holds_the_lock(home: Home) -> None:
    with home.lock(), pytest.raises(HomeInUse, match="Try again"), home.lock():
        pass

    with home.lock():
        assert mode_of(home.path) == 0o700


def test_a_private_file_never_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "till-1.code"
    create_private_file(path, "one")

    with pytest.raises(FileExistsError):
        create_private_file(path, "two")
    assert path.read_text() == "one"
    assert mode_of(path) == 0o600
