import stat

import pytest

from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tests.doubles.authority import Authority
from tests.doubles.terminal_access import ENROLMENT_CODE

from .program import Program


async def test_enrolment_file_is_all_it_takes(unenrolled: Program) -> None:
    file = unenrolled.enrolment_file()

    ended = await unenrolled.run("enrol", "--server", unenrolled.address, "--code-file", file)

    assert ended.exit_code == 0, ended.err
    assert ended.out == "Enrolled till-1 of Corner Shop.\n"
    identity = unenrolled.identity()
    assert identity.server == unenrolled.double.terminal_address
    assert identity.key.key_hash() in unenrolled.double.access.ends


async def test_key_stays_private_and_the_code_is_not_kept(unenrolled: Program) -> None:
    file = unenrolled.enrolment_file()

    ended = await unenrolled.run("enrol", "--server", unenrolled.address, "--code-file", file)

    key = unenrolled.identity().key.to_pem().decode().splitlines()[1]
    assert key not in ended.out + ended.err
    for path in unenrolled.home.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ENROLMENT_CODE.encode() not in path.read_bytes()


async def test_enrolled_terminal_sells(unenrolled: Program) -> None:
    file = unenrolled.enrolment_file()
    await unenrolled.run("enrol", "--server", unenrolled.address, "--code-file", file)

    ended = await unenrolled.run("scan", unenrolled.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 0
    assert set(unenrolled.double.access.callers) == {unenrolled.identity().key.key_hash()}


@pytest.mark.parametrize("is_whole_file", [False, True])
async def test_code_may_be_piped_in_with_the_authority_beside_it_or_in_it(
    unenrolled: Program, *, is_whole_file: bool
) -> None:
    authority = unenrolled.folder / "authority.pem"
    authority.write_text(unenrolled.double.access.authority.certificate_pem)
    typed, options = f"{ENROLMENT_CODE}\n", ["--ca-file", str(authority)]
    if is_whole_file:
        typed, options = f"{typed}{authority.read_text()}", []

    ended = await unenrolled.run("enrol", "--server", unenrolled.address, *options, typed=typed)

    assert ended.exit_code == 0, ended.err


async def test_server_that_nobody_vouches_for_gets_no_code(unenrolled: Program) -> None:
    file = unenrolled.enrolment_file(trusted=Authority("another one").certificate_pem)

    ended = await unenrolled.run("enrol", "--server", unenrolled.address, "--code-file", file)

    assert ended.exit_code == 3
    assert "not the server that this terminal trusts" in ended.err
    assert not unenrolled.double.calls


async def test_without_certificates_only_the_authorities_of_the_system_are_trusted(
    unenrolled: Program,
) -> None:
    file = unenrolled.enrolment_file(trusted="")

    ended = await unenrolled.run("enrol", "--server", unenrolled.address, "--code-file", file)

    assert ended.exit_code == 3
    assert not unenrolled.double.calls


async def test_wrong_enrolment_code_is_refused_with_exit_code_1(unenrolled: Program) -> None:
    file = unenrolled.enrolment_file(code="wrong")

    ended = await unenrolled.run("enrol", "--server", unenrolled.address, "--code-file", file)

    assert ended.exit_code == 1
    assert "enrolment code" in ended.err
    assert not (unenrolled.home / "client.key").exists()


@pytest.mark.parametrize("lost", ["lost_requests", "lost_answers"])
async def test_lost_enrolment_is_repeated_to_the_byte_and_costs_nothing(
    unenrolled: Program, lost: str
) -> None:
    getattr(unenrolled.double, lost)["Enroll"] = 2
    arguments = ("enrol", "--server", unenrolled.address, "--code-file")

    ended = [await unenrolled.run(*arguments, unenrolled.enrolment_file()) for _ in range(3)]

    assert [one.exit_code for one in ended] == [3, 3, 0]
    requests = unenrolled.double.requests("Enroll")
    assert all(request == requests[0] for request in requests)
    assert len(unenrolled.double.access.ends) == 1


async def test_server_that_is_stopping_is_asked_again_later(unenrolled: Program) -> None:
    unenrolled.double.errors["Enroll"].append(NotDone(Reason.SHUTTING_DOWN))
    file = unenrolled.enrolment_file()

    ended = await unenrolled.run("enrol", "--server", unenrolled.address, "--code-file", file)

    assert ended.exit_code == 3
    assert "being restarted" in ended.err


async def test_enrolled_terminal_is_replaced_only_on_request(program: Program) -> None:
    before = program.identity().key.key_hash()
    arguments = ("enrol", "--server", program.address, "--code-file", program.enrolment_file())

    refused = await program.run(*arguments)
    replaced = await program.run(*arguments, "--replace")

    assert (refused.exit_code, replaced.exit_code) == (2, 0)
    assert program.identity().key.key_hash() != before


@pytest.mark.parametrize("text", ["", "\n", "-----BEGIN CERTIFICATE-----\n"])
async def test_file_without_a_code_is_wrong_use(unenrolled: Program, text: str) -> None:
    file = unenrolled.folder / "enrolment.txt"
    file.write_text(text)

    ended = await unenrolled.run("enrol", "--server", unenrolled.address, "--code-file", str(file))

    assert ended.exit_code == 2
    assert "no enrolment code" in ended.err
