import stat
from pathlib import Path

import pytest

from tallymark_admin.credentials import (
    Credentials,
    NotEnrolled,
    has_credentials,
    read_credentials,
    request_id_of_enrolment,
    write_credentials,
)
from tallymark_admin.private_files import create_private_file

CREDENTIALS = Credentials(
    server="127.0.0.1:7421", operator_id="first", operator_secret="very-secret"
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def enrolled_home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    request_id_of_enrolment(home, enrolment_code="code")
    write_credentials(home, CREDENTIALS)
    return home


def test_what_was_stored_is_read_back(tmp_path: Path) -> None:
    home = enrolled_home(tmp_path)

    assert has_credentials(home)
    assert read_credentials(home) == CREDENTIALS


def test_folder_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    request_id_of_enrolment(home, enrolment_code="code")

    assert mode_of(home) == 0o700
    assert mode_of(home / "enrolment.json") == 0o600
    write_credentials(home, CREDENTIALS)
    assert mode_of(home / "operator.json") == 0o600


def test_the_secret_is_not_in_the_repr() -> None:
    assert "very-secret" not in repr(CREDENTIALS)


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    home = enrolled_home(tmp_path)
    (home / "operator.json").chmod(0o640)

    with pytest.raises(NotEnrolled, match="chmod 600"):
        read_credentials(home)


def test_without_credentials_the_way_to_get_them_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolled, match="tallymark-admin init"):
        read_credentials(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"server": "very-secret"}', "\xff"])
def test_damaged_credentials_are_told_without_their_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "operator.json"
    create_private_file(path, "")
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(NotEnrolled, match="is damaged") as caught:
        read_credentials(tmp_path)

    assert "very-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_same_code_keeps_its_request_id_until_it_has_worked(tmp_path: Path) -> None:
    first = request_id_of_enrolment(tmp_path, enrolment_code="code")

    assert request_id_of_enrolment(tmp_path, enrolment_code="code") == first
    assert request_id_of_enrolment(tmp_path, enrolment_code="other") != first
    write_credentials(tmp_path, CREDENTIALS)
    assert not (tmp_path / "enrolment.json").exists()


def test_the_code_itself_is_not_written_down(tmp_path: Path) -> None:
    request_id_of_enrolment(tmp_path, enrolment_code="very-secret")

    assert "very-secret" not in (tmp_path / "enrolment.json").read_text()


def test_a_damaged_note_of_an_enrolment_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "enrolment.json").write_text("{")

    assert request_id_of_enrolment(tmp_path, enrolment_code="code")


def test_a_private_file_never_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "till-1.code"
    create_private_file(path, "one")

    with pytest.raises(FileExistsError):
        create_private_file(path, "two")
    assert path.read_text() == "one"
    assert mode_of(path) == 0o600
