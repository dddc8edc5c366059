"""The certificate is renewed by itself, and wherever that is cut off, an identity can be used."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tallymark_admin.home import Home
from tallymark_protocol.errors import NotDone, Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.operator_server import Lost, served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble

STEPS = (
    (os, "fsync"),
    (os, "open"),
    (tempfile, "mkstemp"),
    (shutil, "rmtree"),
    (Path, "mkdir"),
    (Path, "replace"),
    (Path, "unlink"),
)
"""What changes a folder, or puts it on the disk."""

STEPS_MAX = 60
"""More than any command takes here."""


class PowerCut(BaseException):
    """The computer stops, before a step and for good."""


class Power:
    """Lets so many steps be done and then none any more."""

    def __init__(self, steps: int) -> None:
        self.is_gone = False
        self._left = steps

    def guarded(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def step_with_power(*arguments: Any, **named: Any) -> Any:
            self.is_gone = self.is_gone or self._left == 0
            if self.is_gone:
                raise PowerCut
            self._left -= 1
            return step(*arguments, **named)

        return step_with_power


def run_until_power_cut(admin: AdminOfDouble, steps: int, *command: str | Path) -> bool:
    """Run a command with power for so many steps; return whether it was cut off."""
    power = Power(steps)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, power.guarded(getattr(owner, name)))
        try:
            admin.run(*command)
        except PowerCut:
            assert power.is_gone
    return power.is_gone


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[AdminOfDouble]:
    """Return an operator whose certificate is half over; the next one will not be."""
    service = OperatorServiceDouble()
    service.renew_after = timedelta(hours=-1)
    with served(service) as server:
        admin = AdminOfDouble(tmp_path, server)
        assert admin.init().exit_code == 0
        service.renew_after = timedelta(hours=36)
        yield admin


def identity_of(admin: AdminOfDouble) -> str:
    return str(json.loads((admin.home / "operator.json").read_text())["identity"])


def requests_sent(admin: AdminOfDouble) -> set[tuple[str, bytes]]:
    return set(admin.server.service.certificate_requests)


def identities_kept(admin: AdminOfDouble) -> set[str]:
    return {path.name for path in admin.home.glob("identity-*")}


def test_a_certificate_that_is_half_over_is_renewed_with_a_new_key(admin: AdminOfDouble) -> None:
    before = identity_of(admin)

    assert admin.rows("merchants", "list") == []

    after = identity_of(admin)
    assert after != before
    assert identities_kept(admin) == {before, after}
    assert len(admin.server.service.owners) == 2
    assert not (admin.home / "request.json").exists()


def test_a_certificate_is_renewed_once_and_no_old_keys_pile_up(admin: AdminOfDouble) -> None:
    admin.succeed("merchants", "list")
    admin.succeed("merchants", "list")
    assert len(requests_sent(admin)) == 2

    admin.server.service.renew_after = timedelta(hours=-1)
    for _ in range(3):
        path = admin.home / "operator.json"
        path.write_text(path.read_text().replace('"renew_at": "20', '"renew_at": "19'))
        admin.succeed("merchants", "list")

    assert len(requests_sent(admin)) == 5
    assert len(identities_kept(admin)) == 2


def test_a_renewal_whose_answer_was_lost_is_repeated_to_the_byte(admin: AdminOfDouble) -> None:
    admin.server.guard.fates = [Lost()]

    admin.succeed("merchants", "list")
    before = identity_of(admin)
    admin.succeed("merchants", "list")

    assert identity_of(admin) != before
    assert len(admin.server.service.certificate_requests) == 3
    assert len(requests_sent(admin)) == 2


def test_a_command_goes_on_while_the_server_does_not_renew(admin: AdminOfDouble) -> None:
    admin.server.guard.fates = [NotDone(Reason.RATE_LIMITED)] * 5

    assert admin.rows("merchants", "list") == []
    assert len(requests_sent(admin)) == 1


def test_a_renewal_that_is_refused_is_told_and_asked_for_anew(admin: AdminOfDouble) -> None:
    admin.server.guard.fates = [Refused(Reason.CERTIFICATE_REQUEST_INVALID)]

    result = admin.run("merchants", "list")
    again = admin.run("merchants", "list")

    assert (result.exit_code, again.exit_code) == (0, 0)
    assert "The certificate was not renewed" in result.stderr
    assert again.stderr == "There are none.\n"


def test_only_one_command_at_a_time_renews(admin: AdminOfDouble) -> None:
    before = identity_of(admin)

    with Home(admin.home).lock():
        assert admin.rows("merchants", "list") == []
        enrolling = admin.run(
            *("init", "--server", admin.address, "--enrolment-code-file", admin.code_file),
            "--replace",
        )

    assert identity_of(admin) == before
    assert enrolling.exit_code == 2
    assert "Another tallymark-admin is changing" in enrolling.stderr


def assert_that_a_renewal_survives_power_cuts(admin: AdminOfDouble) -> None:
    """Cut the power before each step in turn; afterwards the next command must work."""
    template, identity = admin.home, identity_of(admin)
    sent_before = len(requests_sent(admin))
    for steps in range(STEPS_MAX):
        admin.home = admin.folder / f"home-{steps}"
        shutil.copytree(template, admin.home)
        if not run_until_power_cut(admin, steps, "merchants", "list"):
            assert steps > 15, "the renewal has many steps"
            return
        assert admin.rows("merchants", "list") == [], f"after {steps} steps"
        assert identity_of(admin) != identity
        assert len(requests_sent(admin)) == sent_before + steps + 1, "one key was sent, once"
    pytest.fail("the renewal never ends")


def test_wherever_a_renewal_is_cut_off_the_next_command_works(admin: AdminOfDouble) -> None:
    assert_that_a_renewal_survives_power_cuts(admin)


def test_a_renewal_that_switches_before_it_has_everything_would_be_found(
    admin: AdminOfDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the new identity is named before its certificate is stored."""
    adopt = Home.adopt

    def adopt_too_early(home: Home, request: Any, *arguments: Any, **named: Any) -> Any:
        path = home.path / "operator.json"
        operator = json.loads(path.read_text())
        path.write_text(json.dumps({**operator, "identity": request.identity}))
        return adopt(home, request, *arguments, **named)

    monkeypatch.setattr(Home, "adopt", adopt_too_early)

    with pytest.raises(AssertionError):
        assert_that_a_renewal_survives_power_cuts(admin)


def assert_that_an_enrolment_survives_power_cuts(admin: AdminOfDouble) -> None:
    """Cut the power before each step in turn; afterwards the same command must work."""
    service = admin.server.service
    for steps in range(STEPS_MAX):
        admin.home = admin.folder / f"home-{steps}"
        code = f"code-{steps}"
        service.enrolment_codes[f"operator/o{steps}"] = code
        service.operators[f"o{steps}",] = type(service.operators["first",])()
        admin.code_file.write_text(f"{code}\n{service.authority.certificate_pem}")
        init = ("init", "--server", admin.address, "--enrolment-code-file", admin.code_file)
        sent_before = len(requests_sent(admin))
        if not run_until_power_cut(admin, steps, *init):
            assert steps > 15, "an enrolment has many steps"
            return
        if not (admin.home / "operator.json").exists():
            admin.succeed(*init)
        assert admin.rows("merchants", "list") == [], f"after {steps} steps"
        assert len(requests_sent(admin)) == sent_before + 1, "one key was sent, once"
    pytest.fail("the enrolment never ends")


def test_wherever_an_enrolment_is_cut_off_the_same_command_ends_it(admin: AdminOfDouble) -> None:
    assert_that_an_enrolment_survives_power_cuts(admin)


def test_an_enrolment_that_forgets_its_request_would_be_found(
    admin: AdminOfDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: each try has a key and a request_id of its own."""
    request_for = Home.request_for

    def request_anew(home: Home, occasion: str) -> Any:
        home.forget_request()
        return request_for(home, occasion)

    monkeypatch.setattr(Home, "request_for", request_anew)

    with pytest.raises(AssertionError):
        assert_that_an_enrolment_survives_power_cuts(admin)
