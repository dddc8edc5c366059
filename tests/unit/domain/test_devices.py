"""Inviting, adding, removing and revoking devices."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done, InvitationAnswer, SessionAnswer
from tallymark_server.domain.devices import (
    DEVICES_MAX,
    INVITATION_SECONDS,
    INVITATIONS_MAX,
    is_invited,
)
from tallymark_server.domain.model.people import Device, Session
from tallymark_server.domain.model.processes import CodeState
from tests.unit.domain.accounts import AccountWorld
from tests.unit.domain.furniture import PARTITION, device_key
from tests.unit.domain.runner import reason_of


def open_invitations(world: AccountWorld) -> list[str]:
    """Return the codes of ana's invitations that are good now."""
    ana = world.customer()
    codes = [one.code_hash for one in ana.invitations]
    return [code for code in codes if is_invited(ana, code, world.now)]


@pytest.mark.parametrize("by", ["ana-1", "root"])
def test_an_invitation_adds_one_device_and_is_used_up(by: str) -> None:
    world = AccountWorld()

    invited = world.invite("code", by=by)
    added = world.add("ana-3", "code")
    again = world.add("ana-4", "code")

    assert invited == InvitationAnswer(expires_at=world.now + INVITATION_SECONDS * 1000)
    assert isinstance(added, SessionAnswer)
    assert reason_of(again) == Reason.INVITATION_INVALID
    assert world.customer().device_ids == ("ana-1", "ana-2", "ana-3")
    device = world.device("ana-3")
    assert device.public_key == device_key("ana-3")
    assert device.added_at == world.now
    assert world.get(Session.key_of("token-of-ana-3")).device_id == "ana-3"


@pytest.mark.parametrize(("off_by", "reason"), [(-1, "OK"), (0, Reason.INVITATION_INVALID)])
def test_an_invitation_is_good_for_ten_minutes(off_by: int, reason: str) -> None:
    world = AccountWorld()
    world.invite("code")

    world.move(seconds=INVITATION_SECONDS, milliseconds=off_by)

    assert reason_of(world.add("ana-3", "code")) == reason


def test_nobody_adds_a_device_uninvited_or_by_an_invitation_of_somebody_else() -> None:
    world = AccountWorld()
    world.invite("code", by="ben-1")

    assert reason_of(world.add("ana-3", "code")) == Reason.INVITATION_INVALID
    assert reason_of(world.add("ana-3", "")) == Reason.INVITATION_INVALID
    assert reason_of(world.add("ben-2", "code", customer_id="ben")) == "OK"


def test_of_too_many_invitations_the_oldest_is_dead_and_those_over_their_time_are_forgotten() -> (
    None
):
    world = AccountWorld()
    world.invite("early")
    world.move(seconds=INVITATION_SECONDS)
    for number in range(INVITATIONS_MAX + 1):
        world.invite(f"code-{number}")

    assert open_invitations(world) == [f"code-{number}" for number in range(1, INVITATIONS_MAX + 1)]
    assert len(world.customer().invitations) == INVITATIONS_MAX


def test_a_customer_has_a_bounded_number_of_devices() -> None:
    world = AccountWorld()
    answers = []
    for number in range(3, DEVICES_MAX + 2):
        world.invite(f"code-{number}")
        answers.append(world.add(f"ana-{number}", f"code-{number}"))

    assert {reason_of(one) for one in answers[:-1]} == {"OK"}
    assert reason_of(answers[-1]) == Reason.TOO_MANY_REGISTRATIONS
    assert open_invitations(world) == [f"code-{DEVICES_MAX + 1}"], "a refusal uses nothing up"


@pytest.mark.parametrize("by_operator", [True, False])
def test_a_removed_device_is_signed_out_for_good(*, by_operator: bool) -> None:
    world = AccountWorld()
    code = world.issue("ana-2")
    world.sign_in("second-token", device_id="ana-2")
    kept = world.device("ana-1")

    answer = world.revoke("ana-2") if by_operator else world.remove("ana-2")

    assert answer == Done(count=1)
    assert world.code(code).state is CodeState.REVOKED
    device = world.get(Device.key_of(PARTITION, "ana-2"))
    assert device.removed
    assert (device.live_codes, device.session_texts) == ((), ())
    for token in ("ana-token-2", "second-token"):
        assert Session.key_of(token) not in world.rows
    assert world.customer().device_ids == ("ana-1",)
    assert world.device("ana-1") == kept
    assert reason_of(world.sign_in("t", device_id="ana-2")) == Reason.PASSWORD_WRONG


def test_whom_a_removed_device_has_invited_stays_out() -> None:
    world = AccountWorld()
    world.invite("of the thief", by="ana-2")
    world.invite("of ana", by="ana-1")

    world.revoke("ana-2")

    assert open_invitations(world) == ["of ana"]
    assert reason_of(world.add("ana-3", "of the thief")) == Reason.INVITATION_INVALID


def test_a_device_that_was_removed_a_moment_ago_invites_nobody() -> None:
    world = AccountWorld()
    world.revoke("ana-2")

    assert reason_of(world.invite("code", by="ana-2")) == Reason.CREDENTIALS_INVALID
    assert not open_invitations(world)


def test_revoking_a_device_again_changes_nothing() -> None:
    world = AccountWorld()
    world.revoke("ana-2")

    answer = world.revoke("ana-2")

    assert answer == Done()
    assert not world.last.changes


def test_only_a_customer_s_own_devices_are_removed() -> None:
    world = AccountWorld()

    assert reason_of(world.remove("ben-1")) == Reason.DEVICE_NOT_FOUND
    assert reason_of(world.revoke("ben-1")) == Reason.DEVICE_NOT_FOUND
    assert reason_of(world.revoke("ana-9")) == Reason.DEVICE_NOT_FOUND
    assert not world.device("ben-1").removed


def test_the_last_device_may_be_removed_and_the_operator_lets_another_one_in() -> None:
    world = AccountWorld()
    for device_id in ("ana-1", "ana-2"):
        world.revoke(device_id)

    world.invite("code", by="root")

    assert reason_of(world.add("ana-3", "code")) == "OK"
    assert world.customer().device_ids == ("ana-3",)
