"""What terminals do with the codes: watched, answered with a signature, looked back at."""

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message

from tallymark.v1 import checkpoint_pb2, key_pb2, money_pb2, process_pb2
from tallymark.v1 import customer_service_pb2 as pb
from tallymark_phone.main import EXIT_REFUSED, EXIT_UNKNOWN, EXIT_USAGE
from tallymark_protocol.checkpoint import Checkpoint, sign_checkpoint
from tallymark_protocol.confirmation import Decision
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.timestamps import to_milliseconds
from tallymark_protocol.verified_receipt import verify_receipt
from tests.doubles.customer_facts import DEVICE_ID, NOW, stamp
from tests.doubles.customer_service import CustomerServiceDouble

from .program import PROCESS_ID, PhoneProgram, awaiting

OTHER_ID = "00" + "a2" * 16


def answers(double: CustomerServiceDouble) -> list[pb.ConfirmProcessRequest]:
    return [call for call in double.calls if isinstance(call, pb.ConfirmProcessRequest)]


async def test_watching_answers_as_it_was_told_and_ends(phone: PhoneProgram) -> None:
    phone.double.processes = [awaiting()]
    await phone.double.happen(awaiting())

    result = await phone.run("watch", "--answer", "approve", "--once")

    assert result.exit_code == 0
    assert "charge 9.90 EUR" in result.output
    assert "Café at terminal till-1" in result.output
    assert phone.double.done["ConfirmProcessRequest"] == 1


async def test_an_answer_that_comes_too_late_is_said_and_watching_goes_on(
    phone: PhoneProgram,
) -> None:
    ended = awaiting(process_id=OTHER_ID)
    ended.state = process_pb2.PROCESS_STATE_EXPIRED
    phone.double.processes = [ended, awaiting()]
    await phone.double.happen(awaiting(process_id=OTHER_ID))
    await phone.double.happen(awaiting())

    result = await phone.run("watch", "--answer", "decline", "--once", "--json")

    assert result.exit_code == 0
    states = [json.loads(line)["state"] for line in result.stdout.splitlines()]
    assert states == ["AWAITING_CUSTOMER", "AWAITING_CUSTOMER", "DECLINED"]
    assert "does not wait for an answer" in result.stderr


async def test_what_waits_for_an_answer_is_heard_of_again_in_the_next_run(
    phone: PhoneProgram,
) -> None:
    done = awaiting(process_id=OTHER_ID)
    done.state = process_pb2.PROCESS_STATE_COMPLETED
    phone.double.processes = [awaiting()]
    await phone.double.happen(done)
    await phone.double.happen(awaiting())

    await phone.run("watch", "--answer", "approve", "--once")
    third = "00" + "a3" * 16
    await phone.double.happen(awaiting(version=2, process_id=third))
    phone.double.processes.append(awaiting(version=2, process_id=third))
    await phone.run("watch", "--answer", "approve", "--once")

    # Event 1 needs nothing. Event 2 waited when the first run ended with its answer.
    assert phone.double.watched_from == [0, 1]


@pytest.mark.parametrize("named", [[PROCESS_ID], []], ids=["named", "the only one that waits"])
async def test_confirming_shows_what_is_confirmed_and_signs_it(
    phone: PhoneProgram, named: list[str]
) -> None:
    ended = awaiting(process_id=OTHER_ID)
    ended.state = process_pb2.PROCESS_STATE_DECLINED
    phone.double.processes = [ended, awaiting(is_digits_needed=True)]

    without = await phone.run("confirm", *named)
    confirmed = await phone.run("confirm", *named, "--digits", "42")

    assert without.exit_code == EXIT_USAGE
    for part in ("Café at terminal till-1", "charge 9.90 EUR", "your card pays 9.90 EUR"):
        assert part in without.output
    assert confirmed.exit_code == 0
    (answer,) = answers(phone.double)
    shown = confirmation_of(awaiting(is_digits_needed=True), Decision.APPROVE, "42")
    device_key = phone.double.devices.keys[DEVICE_ID]
    assert answer.confirmation_digits == "42"
    assert device_key.verify(shown.to_bytes(), answer.signature)


@pytest.mark.parametrize(("waiting", "words"), [(0, "Nothing waits"), (2, "Name one of them")])
async def test_confirming_without_a_name_needs_exactly_one_that_waits(
    phone: PhoneProgram, waiting: int, words: str
) -> None:
    phone.double.processes = [awaiting(process_id=f"{number:034x}") for number in range(waiting)]

    result = await phone.run("confirm")

    assert result.exit_code == EXIT_USAGE
    assert words in result.output
    assert not answers(phone.double)


async def test_what_was_changed_on_the_way_is_refused_shown_again_and_not_signed_again(
    phone: PhoneProgram,
) -> None:
    phone.double.processes = [awaiting()]

    def raise_price(request: Message) -> None:
        if isinstance(request, pb.ConfirmProcessRequest):
            dear = money_pb2.Money(currency_code="EUR", minor_units=9990)
            phone.double.processes[0].card_total.CopyFrom(dear)

    phone.double.on_call = raise_price

    result = await phone.run("confirm", PROCESS_ID, "--yes")

    assert result.exit_code == EXIT_REFUSED
    assert result.output.index("card pays 9.90 EUR") < result.output.index("card pays 99.90 EUR")
    assert "CONFIRMATION_SIGNATURE_WRONG" in result.output
    assert len(answers(phone.double)) == 1
    assert phone.double.processes[0].state == process_pb2.PROCESS_STATE_AWAITING_CUSTOMER


async def test_an_answer_that_was_lost_is_repeated_as_it_was_signed(phone: PhoneProgram) -> None:
    phone.double.processes = [awaiting()]
    phone.double.lose_answers = 0

    def lose_answers_to_confirmations(request: Message) -> None:
        if isinstance(request, pb.ConfirmProcessRequest):
            phone.double.lose_answers = 1

    phone.double.on_call = lose_answers_to_confirmations
    lost = await phone.run("confirm", PROCESS_ID)
    phone.double.on_call = lambda _: None
    assert phone.double.processes[0].state == process_pb2.PROCESS_STATE_INSTRUCTED
    other_answer = await phone.run("confirm", PROCESS_ID, "--decline")
    repeated = await phone.run("confirm", PROCESS_ID)

    assert (lost.exit_code, repeated.exit_code) == (EXIT_UNKNOWN, 0)
    assert other_answer.exit_code == EXIT_REFUSED
    sent = answers(phone.double)
    assert len(sent) == 5 + 1
    assert all(answer == sent[0] for answer in sent)
    assert phone.double.done["ConfirmProcessRequest"] == 1


async def test_what_waits_for_nothing_or_is_unknown_is_refused(phone: PhoneProgram) -> None:
    ended = awaiting()
    ended.state = process_pb2.PROCESS_STATE_DECLINED
    phone.double.processes = [ended]

    too_late = await phone.run("confirm", PROCESS_ID)
    unknown = await phone.run("confirm", "00" * 17)

    assert (too_late.exit_code, unknown.exit_code) == (EXIT_REFUSED, EXIT_REFUSED)
    assert "PROCESS_NOT_AWAITING" in too_late.output
    assert "PROCESS_NOT_FOUND" in unknown.output


async def test_declining_and_disputing_say_how_it_ended(phone: PhoneProgram) -> None:
    phone.double.processes = [awaiting()]

    declined = await phone.run("confirm", PROCESS_ID, "--decline")
    disputed = await phone.run("dispute", PROCESS_ID, "--statement", "not me")
    unknown = await phone.run("dispute", "00" * 17)

    assert "declined" in declined.output
    assert disputed.exit_code == 0
    assert "you dispute it" in disputed.output
    assert unknown.exit_code == EXIT_REFUSED


async def test_processes_are_listed_as_text_and_as_json(phone: PhoneProgram) -> None:
    phone.double.processes = [awaiting(process_id=f"{number:034x}") for number in range(3)]

    table = await phone.run("processes")
    listed = await phone.run("processes", "--json", "--limit", "2")

    assert "awaiting customer" in table.output
    assert len(json.loads(listed.output)) == 2
    assert "answer_form" not in listed.output


async def test_a_receipt_tells_who_confirmed_it_and_its_json_can_be_verified(
    phone: PhoneProgram,
) -> None:
    phone.double.receipts[PROCESS_ID] = confirmed_receipt(phone)

    printed = await phone.run("receipt", PROCESS_ID)
    written = await phone.run("receipt", PROCESS_ID, "--json")
    missing = await phone.run("receipt", "00" * 17)

    assert f"Receipt {PROCESS_ID}" in printed.output
    assert "confirmed by this phone on 20" in printed.output
    verified = verify_receipt(written.output)
    assert verified.device_key_hash == phone.double.devices.keys[DEVICE_ID].key_hash()
    assert json.loads(written.output)["checkpoint"]["sequence"] == "17"
    assert missing.exit_code == EXIT_REFUSED


FAULTS: dict[str, Callable[[pb.GetReceiptResponse], None]] = {
    "another amount": lambda response: setattr(response.receipt.card_total, "minor_units", 991),
    "another signature": lambda response: setattr(
        response.receipt.confirmation, "signature", bytes(64)
    ),
    "no confirmation": lambda response: response.receipt.ClearField("confirmation"),
    "another checkpoint": lambda response: setattr(response.checkpoint, "sequence", 18),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_receipt_that_tells_something_else_than_was_signed_is_not_good(
    phone: PhoneProgram, fault: str
) -> None:
    phone.double.receipts[PROCESS_ID] = confirmed_receipt(phone)
    good = await phone.run("receipt", PROCESS_ID)
    FAULTS[fault](phone.double.receipts[PROCESS_ID])
    bad = await phone.run("receipt", PROCESS_ID)

    assert "NOT GOOD" not in good.output
    assert "NOT GOOD" in bad.output


async def test_a_receipt_that_nobody_had_to_confirm_lacks_nothing(phone: PhoneProgram) -> None:
    response = confirmed_receipt(phone)
    response.receipt.ClearField("confirmation")
    response.receipt.confirmed_by_customer = False
    phone.double.receipts[PROCESS_ID] = response
    good = await phone.run("receipt", PROCESS_ID)
    response.checkpoint.sequence += 1
    bad = await phone.run("receipt", PROCESS_ID)

    assert "NOT GOOD" not in good.output
    assert "confirmed" not in good.output
    assert "NOT GOOD: the checkpoint" in bad.output


def confirmed_receipt(phone: PhoneProgram) -> pb.GetReceiptResponse:
    """Return a receipt that this phone has confirmed, with a checkpoint of the journal."""
    process = awaiting()
    device_key = DevicePrivateKey.from_pem((phone.home / "device-key.pem").read_bytes())
    statement = confirmation_of(process, Decision.APPROVE).to_bytes()
    receipt = process_pb2.Receipt(
        receipt_number=process.process_id,
        merchant_id=process.merchant_id,
        merchant_name=process.merchant_name,
        terminal_id=process.terminal_id,
        actions=process.actions,
        card_total=process.card_total,
        confirmed_by_customer=True,
        confirmation=process_pb2.Confirmation(
            statement=statement,
            signature=device_key.sign(statement),
            device_key=key_pb2.PublicKey(
                algorithm=key_pb2.KEY_ALGORITHM_ED25519, key_bytes=device_key.public().key_bytes
            ),
            device_id=DEVICE_ID,
            confirmed_at=stamp(NOW),
        ),
    )
    return pb.GetReceiptResponse(receipt=receipt, checkpoint=signed_checkpoint())


def signed_checkpoint() -> checkpoint_pb2.SignedCheckpoint:
    audit_key = Ed25519PrivateKey.generate()
    checkpoint = Checkpoint(partition=0, sequence=17, chain_hash=b"\xab" * 32)
    signed_at = to_milliseconds(stamp(NOW))
    return checkpoint_pb2.SignedCheckpoint(
        partition=checkpoint.partition,
        sequence=checkpoint.sequence,
        chain_hash=checkpoint.chain_hash,
        signed_at=stamp(NOW),
        signature=sign_checkpoint(checkpoint, signed_at=signed_at, private_key=audit_key),
        audit_key=key_pb2.PublicKey(
            algorithm=key_pb2.KEY_ALGORITHM_ED25519,
            key_bytes=audit_key.public_key().public_bytes_raw(),
        ),
    )
