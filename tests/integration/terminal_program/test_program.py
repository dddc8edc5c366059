"""The program over several runs: held sales, kills, and two at once."""

import signal

import pytest

from tallymark.v1 import process_pb2

from .program import Program

AWAITING = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
INSTRUCTED = process_pb2.PROCESS_STATE_INSTRUCTED


async def test_held_sale_is_completed_and_its_receipt_shown(program: Program) -> None:
    held = await program.run(
        "scan", program.new_picture(), "--charge", "1", "--earn", "5", "--hold", "--json"
    )
    request_id = held.only["request_id"]

    completed = await program.run("complete", request_id, "--json")
    receipt = await program.run("receipt", request_id)
    status = await program.run("sale", held.only["process_id"], "--json")

    assert (held.exit_code, held.only["outcome"]) == (0, "held")
    assert completed.only["outcome"] == "executed"
    assert completed.only["postings"][0]["points"] == 5
    assert "Card VISA ending in 4242: 1.00 EUR" in receipt.out
    assert status.only["state"] == "COMPLETED"


async def test_completed_sale_is_taken_back(program: Program) -> None:
    sold = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    back = await program.run(
        "reverse", sold.only["process_id"], "--note", "goods returned", "--json"
    )

    assert back.exit_code == 0
    assert back.only["outcome"] == "reversed"
    assert back.only["reversal"]["outcome"] == "COMPENSATED"
    (request,) = program.double.requests("ReverseProcess")
    assert request.note == "goods returned"


async def test_process_that_the_journal_does_not_have_is_taken_back_by_its_id(
    program: Program,
) -> None:
    sold = await program.run("scan", program.new_picture(), "--charge", "1", "--json")
    (program.home / "journal.sqlite3").unlink()

    back = await program.run("reverse", sold.only["process_id"], "--json")

    assert back.only["reversal"]["outcome"] == "COMPENSATED"


@pytest.mark.parametrize(
    ("hangs", "rpc", "outcome"),
    [
        ("hangs_before", "ResolveCode", "given_up"),
        ("hangs_after", "ResolveCode", "executed"),
        ("hangs_after", "CompleteProcess", "executed"),
    ],
)
async def test_program_killed_in_a_sale_settles_it_at_the_next_start(
    program: Program, hangs: str, rpc: str, outcome: str
) -> None:
    setattr(program.double, hangs, rpc)
    process = await program.start("scan", program.new_picture(), "--charge", "1")
    await program.double.hanging.wait()
    process.send_signal(signal.SIGKILL)
    await program.end(process)
    setattr(program.double, hangs, None)

    ended = await program.run("scan", program.new_picture(), "--charge", "2", "--json")

    assert ended.exit_code == 0
    recovered, sold = ended.objects
    assert (recovered["recovered"], recovered["outcome"]) == (True, outcome)
    assert (sold["recovered"], sold["outcome"]) == (False, "executed")
    amounts = [p.actions[0].action.charge.amount.minor_units for p in _completed(program)]
    assert amounts == ([100, 200] if outcome == "executed" else [200])


async def test_interrupted_sale_is_reported_as_open(program: Program) -> None:
    program.double.hangs_after = "ResolveCode"
    process = await program.start("scan", program.new_picture(), "--charge", "1")
    await program.double.hanging.wait()
    process.send_signal(signal.SIGINT)

    ended = await program.end(process)

    assert ended.exit_code == 3
    assert "recover" in ended.err


async def test_missing_answer_is_waited_for_and_never_shown_as_a_refusal(program: Program) -> None:
    program.double.lost_answers["ResolveCode"] = 2

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert (ended.exit_code, ended.only["outcome"]) == (0, "executed")
    assert ended.err.count("No answer yet while asking what to do. Asking again.") == 2
    assert "REFUSED" not in ended.err
    asked = program.double.requests("ResolveCode")
    assert len({request.request_id for request in asked}) == 1
    assert len(asked) == 3


async def test_second_scan_with_the_same_folder_is_turned_away(program: Program) -> None:
    program.double.hangs_after = "ResolveCode"
    first = await program.start("scan", program.new_picture(), "--charge", "1")
    await program.double.hanging.wait()

    second = await program.run("recover")
    first.kill()
    await program.end(first)

    assert second.exit_code == 2
    assert "--home" in second.err
    assert not program.double.requests("ReverseProcess")


async def test_customer_named_by_telephone_gets_digits_and_confirms(program: Program) -> None:
    program.double.states.extend([AWAITING, INSTRUCTED])
    program.double.confirmation_digits = "42"

    ended = await program.run("scan", "--telephone", "+4930123456", "--charge", "1", "--json")

    assert ended.exit_code == 0
    assert "digits" in ended.err
    assert "█" in ended.err
    journal = (program.home / "journal.sqlite3").read_bytes()
    assert b"4930123456" not in journal


async def test_nothing_secret_is_printed_or_written(program: Program) -> None:
    code = program.double.issue_code()

    key = program.identity().key.to_pem().decode().splitlines()[1]

    ended = await program.run("scan", "--wedge", "--charge", "1", "--json", typed=f"{code}\n")
    listed = await program.run("journal", "--json")
    status = await program.run("status", "--json")

    assert ended.exit_code == 0
    for text in (code, key):
        assert text not in ended.out + ended.err + listed.out + status.out
        places = [
            path.name for path in program.home.iterdir() if text.encode() in path.read_bytes()
        ]
        assert places == (["client.key"] if text is key else [])


async def test_keys_show_epoch_and_clock(program: Program) -> None:
    ended = await program.run("keys", "--json")

    assert ended.only["epoch"] == 7
    assert abs(ended.only["own_clock_ahead_seconds"]) < 5
    assert [key["key_id"] for key in ended.only["keys"]] == [1]


def _completed(program: Program) -> list[process_pb2.Process]:
    return [
        process
        for process in program.double.processes.values()
        if process.state == process_pb2.PROCESS_STATE_COMPLETED
    ]
