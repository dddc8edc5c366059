import stat
from pathlib import Path

import pytest

from tallymark_terminal.home import Home, HomeInUse, HomeUnusable
from tallymark_terminal.server_connection import Enrolment

ENROLMENT = Enrolment(
    terminal_id="till-1",
    merchant_id="corner-shop",
    merchant_name="Corner Shop",
    terminal_secret="very-secret",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "terminal")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_identity_is_read_back_and_private(home: Home) -> None:
    written = home.write_identity(ENROLMENT, server="127.0.0.1:1")

    assert home.read_identity() == written
    assert mode(home.path) == 0o700
    assert mode(home.path / "terminal.json") == 0o600
    assert "very-secret" not in repr(written)


def test_folder_without_a_terminal_says_to_enrol(home: Home) -> None:
    with pytest.raises(HomeUnusable, match="enrol"):
        home.read_identity()


def test_secret_that_others_may_read_is_not_used(home: Home) -> None:
    home.write_identity(ENROLMENT, server="127.0.0.1:1")
    (home.path / "terminal.json").chmod(0o644)

    with pytest.raises(HomeUnusable, match="chmod 600"):
        home.read_identity()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"terminal_secret": "very-secret"', "\x00"])
def test_damaged_identity_is_reported_without_its_secret(home: Home, text: str) -> None:
    home.write_identity(ENROLMENT, server="127.0.0.1:1")
    (home.path / "terminal.json").write_text(text)

    with pytest.raises(HomeUnusable, match="damaged") as unusable:
        home.read_identity()

    assert "very-secret" not in str(unusable.value)


def test_unanswered_enrolment_is_repeated_with_the_same_request_id(home: Home) -> None:
    first = home.enrolment_request_id(server="s", enrolment_code="code", new_id="id-1")
    second = home.enrolment_request_id(server="s", enrolment_code="code", new_id="id-2")

    assert first == second == "id-1"


def test_another_enrolment_code_gets_another_request_id(home: Home) -> None:
    home.enrolment_request_id(server="s", enrolment_code="code", new_id="id-1")

    assert home.enrolment_request_id(server="s", enrolment_code="new", new_id="id-2") == "id-2"


def test_enrolment_code_is_not_kept(home: Home) -> None:
    home.enrolment_request_id(server="s", enrolment_code="enrol-me-once", new_id="id-1")

    for path in home.path.iterdir():
        assert "enrol-me-once" not in path.read_text()
        assert mode(path) == 0o600


def test_second_terminal_cannot_use_the_folder_at_the_same_time(home: Home) -> None:
    with home.lock(), pytest.raises(HomeInUse), home.lock():
        pass


def test_folder_is_free_again_after_use(home: Home) -> None:
    with home.lock():
        pass

    with home.lock():
        pass
