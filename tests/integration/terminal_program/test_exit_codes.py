"""Each exit code that the help promises, from the program itself."""

import json
import shutil
import time

import pytest

from tallymark.v1 import process_pb2
from tallymark_terminal.home import Home
from tests.doubles.authority import Authority
from tests.doubles.terminal_access import TerminalAccess

from .program import Program


async def test_exit_code_0_executed_from_a_picture(program: Program) -> None:
    picture = program.new_picture()

    ended = await program.run(
        "scan", picture, "--json", "--burn", "100", "--charge-rest", "--sale-total", "25.00"
    )

    assert ended.exit_code == 0, ended.err
    sale = ended.only
    assert (sale["outcome"], sale["state"]) == ("executed", "COMPLETED")
    assert [action["kind"] for action in sale["actions"]] == ["burn_points", "charge"]
    assert sale["actions"][1]["instruction"]["amount"]["figures"] == "25.00"
    assert sale["postings"] == [{"programme_id": "stamps", "points": -100, "balance_after": 320}]
    assert sale["source"] == "picture code.png"


async def test_exit_code_0_admitted_in_words(program: Program) -> None:
    ended = await program.run("scan", program.new_picture(), "--admit", "concert")

    assert ended.exit_code == 0
    assert "Summer Concert" in ended.out
    assert "█" in ended.out
    assert "\x1b" not in ended.out


async def test_exit_code_1_refused_by_the_local_check(program: Program) -> None:
    code = program.double.issue_code(life_seconds=-5)

    ended = await program.run("scan", "-", "--charge", "1", "--json", typed=f"{code}\n")

    assert ended.exit_code == 1
    assert (ended.only["outcome"], ended.only["offline"]) == ("refused_here", True)
    assert ended.only["local_check_step"] == 5
    assert ended.only["error"]["reason"] == "CODE_EXPIRED"
    assert not program.double.requests("ResolveCode")


async def test_exit_code_1_the_same_code_again(program: Program) -> None:
    picture = program.new_picture()
    await program.run("scan", picture, "--admit", "concert")

    ended = await program.run("scan", picture, "--admit", "concert", "--json")

    assert ended.exit_code == 1
    assert ended.only["local_check_step"] == 6
    assert len(program.double.requests("ResolveCode")) == 1


async def test_exit_code_1_declined_by_the_server(program: Program) -> None:
    program.double.states.append(process_pb2.PROCESS_STATE_DECLINED)

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 1
    assert ended.only["refusal"]["reason"] == "INSUFFICIENT_FUNDS"
    assert ended.only["words"] == "The card was declined: not enough money."


async def test_exit_code_2_not_enrolled(unenrolled: Program) -> None:
    ended = await unenrolled.run("scan", "a.png", "--charge", "1")

    assert ended.exit_code == 2
    assert "enrol" in ended.err


async def test_exit_code_3_unknown_until_it_is_recovered(program: Program) -> None:
    program.double.lost_answers["CompleteProcess"] = 1_000
    picture = program.new_picture()

    ended = await program.run("scan", picture, "--charge", "1", "--json", "--patience", "0")
    program.double.lost_answers.clear()
    recovered = await program.run("recover", "--json")

    assert ended.exit_code == 3
    assert ended.only["outcome"] == "unknown"
    assert recovered.exit_code == 0
    assert (recovered.only["outcome"], recovered.only["recovered"]) == ("executed", True)
    assert recovered.only["request_id"] == ended.only["request_id"]


async def test_exit_code_3_when_recovery_finds_no_server(program: Program) -> None:
    program.double.lost_answers["CompleteProcess"] = 1_000
    await program.run("scan", program.new_picture(), "--charge", "1", "--patience", "0")
    program.double.lost_requests["ListVerificationKeys"] = 1

    ended = await program.run("recover", "--patience", "0")

    assert ended.exit_code == 3


async def test_exit_code_4_no_code_read(program: Program) -> None:
    ended = await program.run("scan", "missing.png", "--charge", "1", "--json")

    assert ended.exit_code == 4
    assert ended.only["outcome"] == "no_code"


async def test_exit_code_5_no_connection(program: Program) -> None:
    program.double.lost_requests["ListVerificationKeys"] = 1

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 5
    assert ended.only["outcome"] == "not_sent"


async def test_exit_code_5_the_server_is_not_the_one_that_is_trusted(program: Program) -> None:
    (program.home / "ca.pem").write_text(Authority("another one").certificate_pem)

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 5
    assert "not the server that this terminal trusts" in ended.only["words"]
    assert not program.double.calls


async def test_exit_code_5_the_server_does_not_know_the_authority(program: Program) -> None:
    foreign = TerminalAccess(now=time.time)
    shutil.rmtree(program.home)
    foreign.enrol_home(Home(program.home), server=program.double.terminal_address)
    (program.home / "ca.pem").write_text(program.double.access.authority.certificate_pem)

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 5
    assert "does not accept this terminal's certificate" in ended.only["words"]


async def test_exit_code_6_the_terminal_was_revoked(program: Program) -> None:
    program.double.access.revoke()

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 6
    assert (ended.only["outcome"], ended.only["exit_code"]) == ("not_accepted", 6)
    assert "Enrol it again" in ended.only["words"]


async def test_exit_code_6_the_certificate_has_expired(program: Program) -> None:
    (key_hash,) = program.double.access.ends
    program.double.access.ends[key_hash] = 0

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 6
    assert "away too long" in ended.only["words"]


async def test_exit_code_6_an_expired_certificate_makes_no_connection(program: Program) -> None:
    terminal = json.loads((program.home / "terminal.json").read_text())
    terminal["expires_at"] = "2020-01-01T00:00:00+00:00"
    (program.home / "terminal.json").write_text(json.dumps(terminal))
    program.double.lost_requests["ListVerificationKeys"] = 1

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 6
    assert "away too long" in ended.only["words"]


@pytest.mark.parametrize(
    "command", ["keys", "sale", "receipt", "complete", "recover", "tag --text"]
)
async def test_every_command_that_asks_the_server_tells_of_a_revoked_terminal(
    program: Program, command: str
) -> None:
    program.double.access.revoke()

    ended = await program.run(*command.split())

    assert ended.exit_code == 6
    assert "Enrol it again" in ended.out


async def test_worst_of_several_scans_is_the_exit_code(program: Program) -> None:
    good = program.new_picture()
    old = program.picture(program.double.issue_code(life_seconds=-5), "old.png")

    ended = await program.run("scan", old, good, "missing.png", "--charge", "1", "--json")

    assert ended.exit_code == 1
    assert [sale["outcome"] for sale in ended.objects] == ["refused_here", "executed", "no_code"]


async def test_once_ends_after_the_first_code(program: Program) -> None:
    pictures = [program.picture(program.double.issue_code(), f"{n}.png") for n in range(2)]

    ended = await program.run("scan", *pictures, "--charge", "1", "--json", "--once")

    assert ended.exit_code == 0
    assert ended.only["source"] == "picture 0.png"
