"""The phones of one customer: invited, added, listed, removed."""

import json
from pathlib import Path

import pytest

from tallymark.v1 import customer_service_pb2 as pb
from tallymark_phone.main import EXIT_REFUSED, EXIT_UNKNOWN, EXIT_USAGE
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_facts import DEVICE_ID, PASSWORD, SECOND_DEVICE_ID
from tests.doubles.customer_service import CustomerServiceDouble
from tests.doubles.known_devices import INVITATION

from .program import PhoneProgram


@pytest.fixture
def tablet(phone: PhoneProgram, tmp_path: Path) -> PhoneProgram:
    """Return another device beside ana's phone, nobody's yet."""
    folder = tmp_path / "tablet"
    folder.mkdir()
    return PhoneProgram(folder, double=phone.double, address=phone.address)


async def test_an_invitation_is_shown_as_text_and_picture_and_as_json(
    phone: PhoneProgram,
) -> None:
    shown = await phone.run("invite")
    as_json = await phone.run("invite", "--json")

    assert "▀" in shown.output
    assert INVITATION in shown.output
    assert "add-device ana" in shown.output
    assert json.loads(as_json.output)["invitation"] == INVITATION
    assert INVITATION.encode() not in phone.everything_kept()


async def test_an_invited_device_is_added_with_a_key_of_its_own(
    phone: PhoneProgram, tablet: PhoneProgram
) -> None:
    await phone.run("invite")

    added = await tablet.run(
        "add-device", "ana", "--server", tablet.address, "--device-name", "Tablet"
    )

    assert added.exit_code == 0
    assert tablet.kept("account.json")["device_name"] == "Tablet"
    own = DevicePrivateKey.from_pem((tablet.home / "device-key.pem").read_bytes()).public()
    assert phone.double.devices.keys[SECOND_DEVICE_ID] == own
    assert phone.double.devices.keys[DEVICE_ID] != own
    assert INVITATION.encode() not in tablet.everything_kept()


@pytest.mark.parametrize("spaces", ["", "  "])
async def test_password_and_invitation_may_be_two_lines_of_standard_input(
    phone: PhoneProgram, tablet: PhoneProgram, spaces: str
) -> None:
    await phone.run("invite")

    added = await tablet.run(
        *("add-device", "ana", "--server", tablet.address),
        *("--password-file", "-", "--invitation-file", "-"),
        stdin=f"{PASSWORD}\n{INVITATION}{spaces}\n",
    )

    assert added.exit_code == 0


async def test_a_device_that_nobody_invited_is_not_added(tablet: PhoneProgram) -> None:
    result = await tablet.run("add-device", "ana", "--server", tablet.address)

    assert result.exit_code == EXIT_REFUSED
    assert "INVITATION_INVALID" in result.output
    assert not (tablet.home / "account.json").exists()


async def test_without_an_invitation_and_a_terminal_the_ways_to_give_one_are_named(
    tablet: PhoneProgram,
) -> None:
    result = await tablet.run(
        "add-device", "ana", "--server", tablet.address, TALLYMARK_INVITATION=None
    )

    assert result.exit_code == EXIT_USAGE
    assert "--invitation-file" in result.output


async def test_an_addition_whose_answer_was_lost_is_repeated_with_the_same_key(
    phone: PhoneProgram, tablet: PhoneProgram
) -> None:
    await phone.run("invite")
    add = ("add-device", "ana", "--server", tablet.address)
    phone.double.lose_answers = 5

    first = await tablet.run(*add)
    second = await tablet.run(*add)

    assert (first.exit_code, second.exit_code) == (EXIT_UNKNOWN, 0)
    calls = [call for call in phone.double.calls if isinstance(call, pb.AddDeviceRequest)]
    assert len(calls) == 5 + 1
    assert all(call == calls[0] for call in calls)
    assert phone.double.done["AddDeviceRequest"] == 1


async def test_the_phones_are_listed(phone: PhoneProgram, double: CustomerServiceDouble) -> None:
    double.wallet.devices.append(pb.Device(device_id=DEVICE_ID, name="Phone", is_current=True))
    double.wallet.devices.append(pb.Device(device_id=SECOND_DEVICE_ID, name="Tablet"))

    table = await phone.run("devices")
    listed = await phone.run("devices", "--json")

    key_hash = double.devices.keys[DEVICE_ID].key_hash()
    assert DEVICE_ID in table.output
    assert key_hash in table.output
    assert json.loads(listed.output) == [
        {"device_id": DEVICE_ID, "name": "Phone", "is_current": True, "key_hash": key_hash},
        {"device_id": SECOND_DEVICE_ID, "name": "Tablet", "is_current": False, "key_hash": None},
    ]


async def test_removing_this_phone_makes_it_nobodys_and_its_key_is_gone(
    phone: PhoneProgram,
) -> None:
    await phone.run("remove-device", "00" * 17)
    assert (phone.home / "account.json").exists()

    await phone.run("remove-device", DEVICE_ID)

    assert not [path for path in phone.home.rglob("*") if path.is_file()]


async def test_a_phone_that_lost_the_answer_to_its_own_removal_is_removed(
    phone: PhoneProgram,
) -> None:
    phone.double.lose_answers = 5
    lost = await phone.run("remove-device", DEVICE_ID)
    phone.double.fail_next_with = [Refused(Reason.CREDENTIALS_INVALID)]

    repeated = await phone.run("remove-device", DEVICE_ID)

    assert (lost.exit_code, repeated.exit_code) == (EXIT_UNKNOWN, 0)
    assert not (phone.home / "device-key.pem").exists()


async def test_a_session_that_is_not_known_does_not_count_as_removed(phone: PhoneProgram) -> None:
    phone.double.fail_next_with = [Refused(Reason.CREDENTIALS_INVALID)]

    result = await phone.run("remove-device", DEVICE_ID)

    assert result.exit_code == EXIT_REFUSED
    assert (phone.home / "device-key.pem").exists()
