import stat

from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tests.doubles.terminal_service import ENROLMENT_CODE, TERMINAL_SECRET

from .program import Program


async def test_enrolled_terminal_keeps_its_secret_private(unenrolled: Program) -> None:
    ended = await unenrolled.run(
        "enrol", "--server", unenrolled.address, typed=f"{ENROLMENT_CODE}\n"
    )

    assert ended.exit_code == 0
    assert "till-1" in ended.out
    assert TERMINAL_SECRET not in ended.out + ended.err
    file = unenrolled.home / "terminal.json"
    assert TERMINAL_SECRET in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_wrong_enrolment_code_is_refused_with_exit_code_1(unenrolled: Program) -> None:
    ended = await unenrolled.run("enrol", "--server", unenrolled.address, typed="wrong\n")

    assert ended.exit_code == 1
    assert "enrolment code" in ended.err
    assert not (unenrolled.home / "terminal.json").exists()


async def test_lost_enrolment_is_repeated_with_the_same_request_id(unenrolled: Program) -> None:
    unenrolled.double.errors["Enroll"].append(NotDone(Reason.SHUTTING_DOWN))

    first = await unenrolled.run(
        "enrol", "--server", unenrolled.address, typed=f"{ENROLMENT_CODE}\n"
    )
    second = await unenrolled.run(
        "enrol", "--server", unenrolled.address, typed=f"{ENROLMENT_CODE}\n"
    )

    assert (first.exit_code, second.exit_code) == (3, 0)
    asked = unenrolled.double.requests("Enroll")
    assert asked[0].request_id == asked[1].request_id


async def test_enrolled_terminal_is_replaced_only_on_request(program: Program) -> None:
    arguments = ("enrol", "--server", program.address)

    refused = await program.run(*arguments, typed=f"{ENROLMENT_CODE}\n")
    replaced = await program.run(*arguments, "--replace", typed=f"{ENROLMENT_CODE}\n")

    assert (refused.exit_code, replaced.exit_code) == (2, 0)
