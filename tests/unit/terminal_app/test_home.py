from pathlib import Path

import pytest

from tallymark_terminal.home import Home, HomeInUse
from tests.doubles.terminal_access import TerminalAccess


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "terminal")


def test_server_that_has_moved_can_be_named(home: Home) -> None:
    TerminalAccess(now=lambda: 0.0).enrol_home(home, server="old.example:7422")

    moved = Home(home.path, server="new.example:7422").read_identity()

    assert moved.server == "new.example:7422"
    assert home.read_identity().server == "old.example:7422"


def test_renewal_does_not_write_down_where_the_server_is_for_now(home: Home) -> None:
    access = TerminalAccess(now=lambda: 0.0)
    access.enrol_home(home, server="old.example:7422")
    moved = Home(home.path, server="new.example:7422")
    attempt = moved.identity_files.attempt("renew", new_id="request-2")

    moved.identity_files.keep_renewal(
        attempt, access.enrolment(attempt.certificate_request).certificate
    )

    assert home.read_identity().server == "old.example:7422"


def test_second_terminal_cannot_use_the_folder_at_the_same_time(home: Home) -> None:
    with home.lock(), pytest.raises(HomeInUse), home.lock():
        pass


def test_folder_is_free_again_after_use(home: Home) -> None:
    with home.lock():
        pass

    with home.lock():
        pass
