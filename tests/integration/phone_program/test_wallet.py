"""What is registered, what is kept, and what is never printed."""

import json
from datetime import UTC, datetime

import pytest

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import money_pb2, registration_pb2
from tallymark_phone.checkpoint_book import CheckpointBook
from tallymark_phone.main import EXIT_REFUSED, EXIT_UNKNOWN, EXIT_USAGE
from tallymark_protocol.errors import NotDone, Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_facts import CHECKPOINT

from .program import CARD_NUMBER, PROCESS_ID, PhoneProgram


async def test_a_refusal_prints_its_reason_and_fields_and_exits_with_1(
    phone: PhoneProgram,
) -> None:
    result = await phone.run("remove-card", "not-an-id")

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
        ["invite"],
        ["devices"],
        ["checkpoints"],
        ["change-password"],
        ["receipt", PROCESS_ID],
        ["register"],
        ["confirm", PROCESS_ID, "--yes", "--decline"],
        ["confirm", PROCESS_ID, "--digits", "4"],
        ["add-card", "--expires", "2031-05", CARD_NUMBER[:-1]],
    ],
)
async def test_wrong_usage_exits_with_2(nobodys: PhoneProgram, arguments: list[str]) -> None:
    assert (await nobodys.run(*arguments)).exit_code == EXIT_USAGE


async def test_a_command_whose_answer_was_lost_is_repeated_by_running_it_again(
    phone: PhoneProgram,
) -> None:
    add_card = ("add-card", "--expires", "2031-05", "--number-file", "-")
    phone.double.lose_answers = 5

    first = await phone.run(*add_card, stdin=CARD_NUMBER)
    second = await phone.run(*add_card, stdin=CARD_NUMBER)

    assert (first.exit_code, second.exit_code) == (EXIT_UNKNOWN, 0)
    assert len(phone.double.calls) == 5 + 1
    assert len({getattr(call, "request_id", "") for call in phone.double.calls}) == 1
    assert len(phone.double.wallet.cards) == 1


async def test_a_card_number_is_taken_with_spaces_and_never_printed_or_kept(
    phone: PhoneProgram,
) -> None:
    result = await phone.run(
        "add-card", "--expires", "2031-05", "--number-file", "-", stdin="4111 1111-1111 1111\n"
    )

    assert result.exit_code == 0
    assert "VISA 1111 is registered" in result.output
    (call,) = phone.double.calls
    assert isinstance(call, pb.RegisterCardRequest)
    assert call.card_number == CARD_NUMBER
    assert CARD_NUMBER.encode() not in phone.everything_kept()


async def test_the_wallet_is_listed_as_tables_and_as_json(phone: PhoneProgram) -> None:
    phone.double.wallet.bills.append(
        registration_pb2.Bill(
            merchant_id="water",
            bill_reference="R-17",
            amount=money_pb2.Money(currency_code="EUR", minor_units=3000),
            state=registration_pb2.BILL_STATE_OPEN,
        )
    )

    tables = await phone.run("wallet")
    listed = await phone.run("wallet", "--json")

    assert "30.00 EUR" in tables.output
    assert "\x1b" not in tables.output
    assert json.loads(listed.output)["bills"][0]["bill_reference"] == "R-17"


async def test_the_servers_checkpoints_are_kept_and_listed(phone: PhoneProgram) -> None:
    phone.double.checkpoint = CHECKPOINT.replace(":17:", ":18:")
    await phone.run("wallet")

    table = await phone.run("checkpoints")
    listed = await phone.run("checkpoints", "--json")

    assert phone.double.checkpoint in table.output
    assert [entry["checkpoint"] for entry in json.loads(listed.output)] == [phone.double.checkpoint]
    assert (phone.home / "checkpoints.json").stat().st_mode & 0o777 == 0o600


async def test_a_journal_whose_past_was_changed_is_told(phone: PhoneProgram) -> None:
    yesterday = CHECKPOINT.replace(":17:", ":20:")
    book = CheckpointBook(phone.home / "checkpoints.json")
    book.forget()
    book.note(yesterday, seen_at=datetime(2020, 5, 1, tzinfo=UTC))
    await phone.run("wallet")

    listed = await phone.run("checkpoints")

    assert f"at {yesterday} and later at {CHECKPOINT}" in " ".join(listed.output.split())


async def test_notes_that_cannot_be_kept_hold_up_no_call_and_are_told_when_asked_for(
    phone: PhoneProgram,
) -> None:
    (phone.home / "checkpoints.json").write_text("{", "utf-8")

    wallet = await phone.run("wallet")
    listed = await phone.run("checkpoints")

    assert wallet.exit_code == 0
    assert listed.exit_code == EXIT_USAGE
    assert "checkpoints.json is damaged" in " ".join(listed.output.split())


async def test_no_command_leaves_a_secret_in_its_output(phone: PhoneProgram) -> None:
    # PhoneProgram.run looks for the secrets.
    errors = [NotDone(Reason.STORE_FAILED), Refused(Reason.CREDENTIALS_INVALID)]
    for error in errors:
        phone.double.fail_next_with = [error] * 50
        phone.double.pushback_milliseconds = -1
        for arguments in (
            ["sign-in"],
            ["wallet"],
            ["show", "--once"],
            ["revoke"],
            ["invite", "--json"],
            ["verify-number"],
            ["add-card", "--expires", "2031-05", "--number-file", "-"],
        ):
            result = await phone.run(*arguments, stdin=CARD_NUMBER)
            assert result.exit_code in {EXIT_UNKNOWN, EXIT_REFUSED}
