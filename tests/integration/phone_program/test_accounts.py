"""Whose phone it is: registration, sessions, the password and the number."""

from pathlib import Path

import pytest
from google.protobuf.message import Message

from tallymark.v1 import customer_service_pb2 as pb
from tallymark_phone.main import EXIT_REFUSED, EXIT_UNKNOWN, EXIT_USAGE
from tallymark_phone.plain_words import WORDS
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import NotDone, Refused, TallymarkError
from tallymark_protocol.reasons import Reason
from tests.doubles.authority import Authority
from tests.doubles.customer_facts import DEVICE_ID, TOKEN, WRONG_PASSWORD

from .program import NUMBER_CODE, PhoneProgram


async def test_a_phone_registers_and_keeps_what_it_was_given(nobodys: PhoneProgram) -> None:
    result = await nobodys.run(
        "register", "ana", "--server", nobodys.address, "--telephone-number", "+4930123456"
    )

    assert result.exit_code == 0
    assert "verify-number" in result.output
    account = nobodys.kept("account.json")
    assert (account["server"], account["device_id"]) == (nobodys.address, DEVICE_ID)
    assert nobodys.kept("session.json")["token"] == TOKEN
    assert not list((nobodys.home / "pending").iterdir())
    assert nobodys.double.done["RegisterCustomerRequest"] == 1


async def test_the_phones_key_is_its_owners_alone_and_is_the_one_that_the_server_knows(
    phone: PhoneProgram,
) -> None:
    path = phone.home / "device-key.pem"

    kept = DevicePrivateKey.from_pem(path.read_bytes()).public()

    assert path.stat().st_mode & 0o777 == 0o600
    assert phone.double.devices.keys == {DEVICE_ID: kept}


async def test_the_key_is_on_disk_before_the_server_hears_of_it(nobodys: PhoneProgram) -> None:
    kept: list[tuple[int, bytes]] = []

    def look(_: Message) -> None:
        (path,) = (nobodys.home / "pending").glob("*.pem")
        public_key = DevicePrivateKey.from_pem(path.read_bytes()).public()
        kept.append((path.stat().st_mode & 0o777, public_key.key_bytes))

    nobodys.double.on_call = look
    await nobodys.run("register", "ana", "--server", nobodys.address)

    (call,) = nobodys.double.calls
    assert isinstance(call, pb.RegisterCustomerRequest)
    assert kept == [(0o600, call.device_key.key_bytes)]


async def test_a_registration_whose_answer_was_lost_is_repeated_to_the_byte(
    nobodys: PhoneProgram,
) -> None:
    register = ("register", "ana", "--server", nobodys.address)
    nobodys.double.lose_answers = 5

    first = await nobodys.run(*register)
    second = await nobodys.run(*register)

    assert (first.exit_code, second.exit_code) == (EXIT_UNKNOWN, 0)
    assert len(nobodys.double.calls) == 5 + 1
    assert all(call == nobodys.double.calls[0] for call in nobodys.double.calls)
    assert nobodys.double.done["RegisterCustomerRequest"] == 1
    assert not list((nobodys.home / "pending").iterdir())
    assert (await nobodys.run("sign-in")).exit_code == 0


async def test_a_refused_registration_leaves_no_key_behind(nobodys: PhoneProgram) -> None:
    nobodys.double.fail_next_with = [Refused(Reason.LOGIN_NAME_TAKEN)]

    result = await nobodys.run("register", "ana", "--server", nobodys.address)

    assert result.exit_code == EXIT_REFUSED
    assert not list(nobodys.home.rglob("*.pem"))


async def test_the_password_may_come_from_a_file_or_standard_input(
    nobodys: PhoneProgram, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n", "utf-8")

    await nobodys.run("register", "ana", "--server", nobodys.address, "--password-file", str(file))
    await nobodys.run("sign-in", "--password-file", "-", stdin="from standard input\n")

    passwords = [getattr(call, "password", "") for call in nobodys.double.calls]
    assert passwords == ["from the file", "from standard input"]


async def test_a_phone_that_belongs_to_somebody_cannot_be_registered_again(
    phone: PhoneProgram,
) -> None:
    for command in ("register", "add-device"):
        result = await phone.run(command, "ben", "--server", phone.address)
        assert result.exit_code == EXIT_USAGE
        assert "ana's" in result.output

    assert not phone.double.calls


async def test_without_a_password_and_a_terminal_the_ways_to_give_one_are_named(
    nobodys: PhoneProgram,
) -> None:
    result = await nobodys.run(
        "register", "ana", "--server", nobodys.address, TALLYMARK_PASSWORD=None
    )

    assert result.exit_code == EXIT_USAGE
    assert "--password-file" in result.output


async def test_a_server_that_is_away_exits_with_3(nobodys: PhoneProgram) -> None:
    result = await nobodys.run("register", "ana", "--server", "127.0.0.1:1")

    assert result.exit_code == EXIT_UNKNOWN
    assert "same command again" in result.output


async def test_signing_in_opens_a_new_session_by_a_signature_of_this_phone(
    phone: PhoneProgram,
) -> None:
    result = await phone.run("sign-in")

    assert result.exit_code == 0
    assert phone.kept("session.json")["token"] == f"{TOKEN}-2"
    (call,) = phone.double.calls
    assert isinstance(call, pb.SignInRequest)
    assert call.device_proof


async def test_a_phone_without_its_key_is_nobodys(phone: PhoneProgram) -> None:
    (phone.home / "device-key.pem").unlink()

    for command in (["sign-in"], ["wallet"]):
        result = await phone.run(*command)
        assert result.exit_code == EXIT_USAGE
        assert "add-device" in result.output

    assert not phone.double.calls


async def test_the_authorities_are_kept_and_used_in_later_runs(
    nobodys: PhoneProgram,
) -> None:
    register = ("register", "ana", "--server", nobodys.address)

    registered = await nobodys.run(
        *register, "--ca-file", str(nobodys.ca_file), TALLYMARK_CA_FILE=None
    )
    later = await nobodys.run("wallet", TALLYMARK_CA_FILE=None)

    assert (registered.exit_code, later.exit_code) == (0, 0)
    assert (nobodys.home / "ca.pem").read_text("ascii") == nobodys.ca_file.read_text("ascii")


async def test_a_wrong_authority_is_told_with_file_and_server(
    nobodys: PhoneProgram, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text(Authority().certificate_pem, "ascii")

    result = await nobodys.run(
        "register", "ana", "--server", nobodys.address, "--ca-file", str(wrong)
    )

    assert result.exit_code == EXIT_UNKNOWN
    words = " ".join(result.output.split())
    assert f"The certificate of {nobodys.address} is not from an authority in {wrong}" in words
    assert "--ca-file" in words
    assert "repeats" not in words
    assert not nobodys.double.calls


async def test_a_file_without_certificates_is_wrong_usage(
    nobodys: PhoneProgram, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n", "ascii")

    result = await nobodys.run(
        "register", "ana", "--server", nobodys.address, "--ca-file", str(empty)
    )

    assert result.exit_code == EXIT_USAGE
    assert str(empty) in result.output


async def test_the_password_is_changed_and_the_other_sessions_are_counted(
    phone: PhoneProgram, tmp_path: Path
) -> None:
    file = tmp_path / "new"
    file.write_text("a much better one\n", "utf-8")

    changed = await phone.run("change-password", "--new-password-file", str(file))
    wrong = await phone.run(
        "change-password",
        TALLYMARK_PASSWORD=WRONG_PASSWORD,
        TALLYMARK_NEW_PASSWORD="a much better one",
    )

    assert (changed.exit_code, wrong.exit_code) == (0, EXIT_REFUSED)
    assert "2" in changed.output
    assert b"better" not in phone.everything_kept()
    first, _ = phone.double.calls
    assert isinstance(first, pb.ChangePasswordRequest)
    assert first.new_password == "a much better one"


async def test_a_number_is_verified_by_the_code_that_was_sent(phone: PhoneProgram) -> None:
    sent = await phone.run("send-number-code", "--telephone-number", "+4930123456")
    verified = await phone.run("verify-number")

    assert sent.exit_code == 0
    assert "verify-number" in sent.output
    assert (verified.exit_code, verified.output) == (0, "+4930123456 is verified.\n")
    first, second = phone.double.calls
    assert isinstance(first, pb.SendNumberCodeRequest)
    assert first.telephone_number == "+4930123456"
    assert getattr(second, "number_code", "") == NUMBER_CODE


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refused(Reason.PASSWORD_WAIT, seconds="8"), "Wait 8 seconds"),
        (Refused(Reason.PASSWORD_LOCKED), "whoever runs the service"),
        (Refused(Reason.PASSWORD_COMMON), "Choose another one"),
        (Refused(Reason.INVITATION_INVALID), "`invite`"),
        (Refused(Reason.NUMBER_CODE_LIMIT), "tomorrow"),
        (Refused(Reason.NUMBER_CODE_WRONG), "`send-number-code`"),
        (Refused(Reason.TAG_INVALID), "do not pay at this terminal"),
        (Refused(Reason.CONFIRMATION_SIGNATURE_WRONG), "Nothing was done"),
        (Refused(Reason.DEVICE_PROOF_WRONG), "signature of this phone"),
        (Refused(Reason.SESSION_EXPIRED), "`sign-in`"),
        (Refused(Reason.CREDENTIALS_INVALID), "`sign-in`"),
        (Refused(Reason.PASSWORD_WRONG), "the server does not tell"),
        (NotDone(Reason.RATE_LIMITED, retry_after_seconds=40.0), "again in 40 seconds"),
    ],
    ids=lambda value: str(getattr(value, "reason", "")),
)
async def test_a_failure_is_told_in_plain_words_with_what_to_do(
    phone: PhoneProgram, refusal: TallymarkError, words: str
) -> None:
    phone.double.fail_next_with = [refusal]

    result = await phone.run("sign-in")

    is_not_done = isinstance(refusal, NotDone)
    assert result.exit_code == (EXIT_UNKNOWN if is_not_done else EXIT_REFUSED)
    assert f"{refusal.reason}: " in result.output
    assert words in " ".join(result.output.split())


def test_every_sentence_of_the_phone_can_be_said_with_what_the_server_tells() -> None:
    told = {Reason.PASSWORD_WAIT: {"seconds": "8"}}

    for reason, sentence in WORDS.items():
        assert "{" not in sentence.format_map(told.get(reason, {}))


async def test_a_sentence_for_which_the_server_tells_too_little_is_the_servers_own(
    phone: PhoneProgram,
) -> None:
    phone.double.fail_next_with = [Refused(Reason.PASSWORD_WAIT, message="Not so fast.")]

    result = await phone.run("sign-in")

    assert "PASSWORD_WAIT: Not so fast." in result.output
