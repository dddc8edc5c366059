"""The phone's commands, each with click's runner, against a double of the server."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zxingcpp
from click.testing import CliRunner, Result
from PIL import Image

from tallymark.v1 import action_pb2, money_pb2, process_pb2, registration_pb2
from tallymark.v1 import customer_service_pb2 as pb
from tallymark_phone.app import Phone
from tallymark_phone.main import EXIT_REFUSED, EXIT_UNKNOWN, EXIT_USAGE, commands
from tallymark_phone.repetition import Repetition
from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_service import (
    DEVICE_ID,
    PASSWORD,
    TOKEN,
    CustomerServiceDouble,
    code_text,
)

PROCESS_ID = "00" + "a1" * 16
CARD_NUMBER = "4111111111111111"

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def double() -> CustomerServiceDouble:
    return CustomerServiceDouble()


@pytest.fixture
async def address(double: CustomerServiceDouble) -> AsyncIterator[str]:
    async with double.served() as address:
        yield address


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "phone"


@pytest.fixture
def run(home: Path) -> Run:
    """Run a command in a thread of its own, beside the double, without pauses between repeats."""

    async def no_pause(seconds: float) -> None:
        pass

    async def run(*arguments: str, stdin: str = "", **environment: str | None) -> Result:
        phone = replace(Phone.build(home), repetition=Repetition(sleep=no_pause))
        variables = {"TALLYMARK_PASSWORD": PASSWORD, "COLUMNS": "160", **environment}
        return await asyncio.to_thread(
            CliRunner().invoke, commands, arguments, obj=phone, input=stdin, env=variables
        )

    return run


@pytest.fixture
async def phone(run: Run, address: str, double: CustomerServiceDouble) -> Run:
    """Run a command on a phone that is registered."""
    result = await run("register", "ana", "--server", address)
    assert result.exit_code == 0, result.output
    double.calls.clear()
    return run


def awaiting(
    *, version: int = 1, is_digits_needed: bool = False, process_id: str = PROCESS_ID
) -> process_pb2.Process:
    amount = money_pb2.Money(currency_code="EUR", minor_units=990)
    return process_pb2.Process(
        process_id=process_id,
        state=process_pb2.PROCESS_STATE_AWAITING_CUSTOMER,
        version=version,
        merchant_name="Café",
        terminal_id="till-1",
        actions=[
            action_pb2.ActionOutcome(
                action=action_pb2.Action(charge=action_pb2.ChargeAction(amount=amount))
            )
        ],
        digits_needed=is_digits_needed,
    )


async def test_a_phone_registers_and_keeps_what_it_was_given(
    run: Run, address: str, home: Path, double: CustomerServiceDouble
) -> None:
    result = await run("register", "ana", "--server", address, "--telephone-number", "+4930123456")

    assert result.exit_code == 0
    assert "verify-number" in result.output
    account = json.loads((home / "account.json").read_bytes())
    assert (account["server"], account["device_id"]) == (address, DEVICE_ID)
    assert json.loads((home / "session.json").read_bytes())["token"] == TOKEN
    assert not list((home / "pending").iterdir())
    assert double.done["RegisterCustomerRequest"] == 1


async def test_the_password_may_come_from_a_file_or_standard_input(
    run: Run, address: str, tmp_path: Path, double: CustomerServiceDouble
) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n", "utf-8")

    await run("register", "ana", "--server", address, "--password-file", str(file))
    await run("sign-in", "--password-file", "-", stdin="from standard input\n")

    passwords = [getattr(call, "password", "") for call in double.calls]
    assert passwords == ["from the file", "from standard input"]


async def test_a_phone_that_belongs_to_somebody_cannot_be_registered_again(
    phone: Run, address: str, double: CustomerServiceDouble
) -> None:
    for command in ("register", "add-device"):
        result = await phone(command, "ben", "--server", address)
        assert result.exit_code == EXIT_USAGE
        assert "ana's" in result.output

    assert not double.calls


async def test_without_a_password_and_a_terminal_the_ways_to_give_one_are_named(
    run: Run, address: str
) -> None:
    result = await run("register", "ana", "--server", address, TALLYMARK_PASSWORD=None)

    assert result.exit_code == EXIT_USAGE
    assert "--password-file" in result.output


async def test_a_refusal_prints_its_reason_and_fields_and_exits_with_1(phone: Run) -> None:
    result = await phone("remove-card", "not-an-id")

    assert result.exit_code == EXIT_REFUSED
    assert "REQUEST_INVALID" in result.output
    assert "card_id: does not match" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["wallet"],
        ["show", "--once"],
        ["watch"],
        ["sign-in"],
        ["receipt", PROCESS_ID],
        ["register"],
        ["add-card", "--expires", "2031-05", "4111111111111111"],
    ],
)
async def test_wrong_usage_exits_with_2(run: Run, arguments: list[str]) -> None:
    assert (await run(*arguments)).exit_code == EXIT_USAGE


async def test_a_server_that_is_away_exits_with_3(run: Run) -> None:
    result = await run("register", "ana", "--server", "127.0.0.1:1")

    assert result.exit_code == EXIT_UNKNOWN
    assert "same command again" in result.output


async def test_a_command_whose_answer_was_lost_is_repeated_by_running_it_again(
    phone: Run, double: CustomerServiceDouble
) -> None:
    add_card = ("add-card", "--expires", "2031-05", "--number-file", "-")
    double.lose_answers = 5

    first = await phone(*add_card, stdin=CARD_NUMBER)
    second = await phone(*add_card, stdin=CARD_NUMBER)

    assert (first.exit_code, second.exit_code) == (EXIT_UNKNOWN, 0)
    assert len(double.calls) == 5 + 1
    assert len({getattr(call, "request_id", "") for call in double.calls}) == 1
    assert len(double.wallet.cards) == 1


async def test_a_card_number_is_taken_with_spaces_and_never_printed_or_kept(
    phone: Run, home: Path, double: CustomerServiceDouble
) -> None:
    result = await phone(
        "add-card", "--expires", "2031-05", "--number-file", "-", stdin="4111 1111-1111 1111\n"
    )

    assert result.exit_code == 0
    assert "VISA 1111 is registered" in result.output
    (call,) = double.calls
    assert isinstance(call, pb.RegisterCardRequest)
    assert call.card_number == CARD_NUMBER
    assert CARD_NUMBER.encode() not in everything_in(home)
    assert CARD_NUMBER not in result.output


async def test_signing_in_opens_a_new_session(phone: Run, home: Path) -> None:
    result = await phone("sign-in")

    assert result.exit_code == 0
    assert json.loads((home / "session.json").read_bytes())["token"] == f"{TOKEN}-2"


async def test_a_second_phone_is_added(run: Run, address: str, home: Path) -> None:
    result = await run("add-device", "ana", "--server", address, "--device-name", "Tablet")

    assert result.exit_code == 0
    assert json.loads((home / "account.json").read_bytes())["device_name"] == "Tablet"


async def test_removing_this_phone_makes_it_nobodys(phone: Run, home: Path) -> None:
    await phone("remove-device", "00" * 17)
    assert (home / "account.json").exists()

    await phone("remove-device", DEVICE_ID)

    assert not (home / "account.json").exists()
    assert not (home / "session.json").exists()


async def test_a_number_is_verified_by_the_code_that_was_sent(phone: Run) -> None:
    result = await phone("verify-number", TALLYMARK_NUMBER_CODE="123456")

    assert (result.exit_code, result.output) == (0, "+4930123456 is verified.\n")


async def test_the_wallet_is_listed_as_tables_and_as_json(
    phone: Run, double: CustomerServiceDouble
) -> None:
    double.wallet.bills.append(
        registration_pb2.Bill(
            merchant_id="water",
            bill_reference="R-17",
            amount=money_pb2.Money(currency_code="EUR", minor_units=3000),
            state=registration_pb2.BILL_STATE_OPEN,
        )
    )

    tables = await phone("wallet")
    listed = await phone("wallet", "--json")

    assert "30.00 EUR" in tables.output
    assert "\x1b" not in tables.output
    assert json.loads(listed.output)["bills"][0]["bill_reference"] == "R-17"


async def test_one_code_is_written_as_pictures_only_its_owner_can_read(
    phone: Run, tmp_path: Path
) -> None:
    png, svg = tmp_path / "code.png", tmp_path / "code.svg"

    result = await phone("show", "--png", str(png), "--svg", str(svg))

    assert result.exit_code == 0
    assert "Good until" in result.output
    assert "(60 s)" in result.output
    assert "TM1:" not in result.output
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png.read_bytes())))
    assert found.text == code_text(0)
    assert {path.stat().st_mode & 0o777 for path in (png, svg)} == {0o600}


async def test_one_code_is_printed_without_its_text(phone: Run) -> None:
    result = await phone("show", "--once")

    assert result.exit_code == 0
    assert "▀" in result.output
    assert "TM1:" not in result.output


async def test_showing_without_a_terminal_is_wrong_usage(phone: Run) -> None:
    assert (await phone("show")).exit_code == EXIT_USAGE


async def test_the_password_is_sent_only_when_the_server_asks_for_it(
    phone: Run, double: CustomerServiceDouble
) -> None:
    await phone("show", "--once")
    double.is_password_needed = True
    result = await phone("show", "--once")

    assert result.exit_code == 0
    assert [getattr(call, "password", None) for call in double.calls] == ["", "", PASSWORD]


async def test_the_only_ticket_of_an_event_is_found(
    phone: Run, double: CustomerServiceDouble
) -> None:
    for ticket_id in ("T1", "T2"):
        double.wallet.tickets.append(
            registration_pb2.Ticket(event_id=f"event-{ticket_id.lower()}", ticket_id=ticket_id)
        )

    result = await phone("show", "--event", "event-t2", "--once")
    unknown = await phone("show", "--event", "other", "--once")

    assert result.exit_code == 0
    assert unknown.exit_code == EXIT_USAGE
    issued = [call for call in double.calls if isinstance(call, pb.IssueCodeRequest)]
    assert [call.ticket.ticket_id for call in issued] == ["T2"]


@pytest.mark.parametrize(
    "arguments",
    [["--purpose", "ticket"], ["--purpose", "points", "--event", "x"], ["--bill", "R-17"]],
)
async def test_choices_that_do_not_fit_are_wrong_usage(phone: Run, arguments: list[str]) -> None:
    assert (await phone("show", "--once", *arguments)).exit_code == EXIT_USAGE


async def test_codes_are_taken_back(phone: Run) -> None:
    assert (await phone("revoke")).output == "Codes taken back: 2\n"


async def test_watching_answers_as_it_was_told_and_ends(
    phone: Run, double: CustomerServiceDouble
) -> None:
    double.processes = [awaiting()]
    await double.happen(awaiting())

    result = await phone("watch", "--answer", "approve", "--once")

    assert result.exit_code == 0
    assert "charge 9.90 EUR" in result.output
    assert "Café at terminal till-1" in result.output
    assert double.done["ConfirmProcessRequest"] == 1


async def test_an_answer_that_comes_too_late_is_said_and_watching_goes_on(
    phone: Run, double: CustomerServiceDouble
) -> None:
    late = awaiting(process_id="00" + "a2" * 16)
    ended = awaiting(process_id="00" + "a2" * 16)
    ended.state = process_pb2.PROCESS_STATE_EXPIRED
    double.processes = [ended, awaiting()]
    await double.happen(late)
    await double.happen(awaiting())

    result = await phone("watch", "--answer", "decline", "--once", "--json")

    assert result.exit_code == 0
    states = [json.loads(line)["state"] for line in result.stdout.splitlines()]
    assert states == ["AWAITING_CUSTOMER", "AWAITING_CUSTOMER", "DECLINED"]
    assert "does not wait for an answer" in result.stderr


async def test_what_waits_for_an_answer_is_heard_of_again_in_the_next_run(
    phone: Run, double: CustomerServiceDouble
) -> None:
    done = awaiting(process_id="00" + "a2" * 16)
    done.state = process_pb2.PROCESS_STATE_COMPLETED
    double.processes = [awaiting()]
    await double.happen(done)
    await double.happen(awaiting())

    await phone("watch", "--answer", "approve", "--once")
    await double.happen(awaiting(version=2, process_id="00" + "a3" * 16))
    double.processes.append(awaiting(process_id="00" + "a3" * 16))
    await phone("watch", "--answer", "approve", "--once")

    # Event 1 needs nothing. Event 2 waited when the first run ended with its answer.
    assert double.watched_from == [0, 1]


async def test_confirming_shows_what_is_confirmed(
    phone: Run, double: CustomerServiceDouble
) -> None:
    double.processes = [awaiting(is_digits_needed=True)]

    without = await phone("confirm", PROCESS_ID)
    confirmed = await phone("confirm", PROCESS_ID, "--digits", "42")

    assert without.exit_code == EXIT_USAGE
    assert "9.90 EUR" in without.output
    assert confirmed.exit_code == 0
    answers = [call for call in double.calls if isinstance(call, pb.ConfirmProcessRequest)]
    assert [call.confirmation_digits for call in answers] == ["42"]


async def test_declining_and_disputing_say_how_it_ended(
    phone: Run, double: CustomerServiceDouble
) -> None:
    double.processes = [awaiting()]

    declined = await phone("confirm", PROCESS_ID, "--decline")
    disputed = await phone("dispute", PROCESS_ID, "--statement", "not me")
    unknown = await phone("dispute", "00" * 17)

    assert "declined" in declined.output
    assert disputed.exit_code == 0
    assert unknown.exit_code == EXIT_REFUSED


async def test_processes_and_receipts_are_listed_as_text_and_as_json(
    phone: Run, double: CustomerServiceDouble
) -> None:
    double.processes = [awaiting(process_id=f"{number:034x}") for number in range(3)]
    double.receipts[PROCESS_ID] = process_pb2.Receipt(
        receipt_number=PROCESS_ID, merchant_name="Café"
    )

    table = await phone("processes")
    listed = await phone("processes", "--json", "--limit", "2")
    receipt = await phone("receipt", PROCESS_ID)
    receipt_json = await phone("receipt", PROCESS_ID, "--json")
    missing = await phone("receipt", "00" * 17)

    assert "awaiting customer" in table.output
    assert len(json.loads(listed.output)) == 2
    assert f"Receipt {PROCESS_ID}" in receipt.output
    assert json.loads(receipt_json.output)["merchant_name"] == "Café"
    assert missing.exit_code == EXIT_REFUSED


async def test_no_command_leaves_a_secret_in_its_output(
    phone: Run, double: CustomerServiceDouble
) -> None:
    double.fail_next_with = [NotDone(Reason.STORE_FAILED)] * 50
    double.pushback_milliseconds = -1

    for arguments in (["sign-in"], ["wallet"], ["show", "--once"], ["revoke"]):
        result = await phone(*arguments)
        assert result.exit_code == EXIT_UNKNOWN
        assert TOKEN not in result.output
        assert PASSWORD not in result.output


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
