"""`tallymark-verify confirmation`: a good receipt, and every way in which one is not."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import action_pb2, checkpoint_pb2, key_pb2, process_pb2
from tallymark.v1.money_pb2 import Money
from tallymark_protocol.certificate_request import public_key_hash
from tallymark_protocol.checkpoint import Checkpoint, sign_checkpoint
from tallymark_protocol.confirmation import Confirmation, Decision, Standing
from tallymark_protocol.device_key import DevicePrivateKey, KeyAlgorithm
from tallymark_protocol.verify_command import main
from tests.unit.protocol.confirmations import EUR_5, PURCHASE

DEVICE: Final = DevicePrivateKey.generate()
STRANGER: Final = DevicePrivateKey.generate()
AUDIT_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNED_AT: Final = 1_790_000_050_000

Document = dict[str, Any]
Change = Callable[[Document], object]


def euro(minor_units: int) -> Money:
    return Money(currency_code="EUR", minor_units=minor_units)


def purchase_document(
    signed: Confirmation = PURCHASE, device: DevicePrivateKey = DEVICE
) -> Document:
    """Return the receipt of the purchase as a phone saves it."""
    public_key = device.public()
    receipt = process_pb2.Receipt(
        receipt_number="00" * 17,
        merchant_id="cafe",
        merchant_name="Corner Café",
        terminal_id="till-1",
        completed_at=Timestamp(seconds=1_790_000_049),
        actions=[
            action_pb2.ActionOutcome(
                action=action_pb2.Action(
                    charge=action_pb2.ChargeAction(remainder=action_pb2.Remainder())
                ),
                instruction=action_pb2.Instruction(
                    charge=action_pb2.ChargeInstruction(
                        amount=euro(1130), card_brand="VISA", card_last_four="4242"
                    )
                ),
                settlement=action_pb2.Settlement.SETTLEMENT_SETTLED,
            ),
            action_pb2.ActionOutcome(
                action=action_pb2.Action(burn_points=action_pb2.BurnPointsAction(points=100)),
                instruction=action_pb2.Instruction(
                    burn_points=action_pb2.BurnPointsInstruction(
                        programme_id="beans", points=100, value=euro(100)
                    )
                ),
                settlement=action_pb2.Settlement.SETTLEMENT_SETTLED,
            ),
        ],
        sale_total=euro(1230),
        card_total=euro(1130),
        confirmed_by_customer=True,
        confirmation=process_pb2.Confirmation(
            statement=signed.to_bytes(),
            signature=device.sign(signed.to_bytes()),
            device_key=key_pb2.PublicKey(
                algorithm=public_key.algorithm.value,  # type: ignore[arg-type]  # the same numbers
                key_bytes=public_key.key_bytes,
            ),
            device_id="01" * 17,
            confirmed_at=Timestamp(seconds=1_790_000_040),
        ),
    )
    return json_format.MessageToDict(receipt, preserving_proto_field_name=True)


def with_checkpoint(document: Document) -> Document:
    """Return the document with the checkpoint that came beside it."""
    checkpoint = Checkpoint(partition=0, sequence=9, chain_hash=bytes(range(32)))
    message = checkpoint_pb2.SignedCheckpoint(
        partition=0,
        sequence=9,
        chain_hash=checkpoint.chain_hash,
        signed_at=Timestamp(seconds=SIGNED_AT // 1000),
        signature=sign_checkpoint(checkpoint, signed_at=SIGNED_AT, private_key=AUDIT_KEY),
        audit_key=key_pb2.PublicKey(
            algorithm=key_pb2.KeyAlgorithm.KEY_ALGORITHM_ED25519,
            key_bytes=AUDIT_KEY.public_key().public_bytes_raw(),
        ),
    )
    told = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return {**document, "checkpoint": told}


def verify(document: object, *options: str) -> Result:
    text = document if isinstance(document, str) else json.dumps(document)
    return CliRunner().invoke(main, ["confirmation", "-", *options], input=text)


def verify_json(document: object, *options: str) -> dict[str, Any]:
    result = verify(document, "--json", *options)
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["good"] is (result.exit_code == 0) is (told["problems"] == [])
    return told


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_good_receipt_is_told_in_words(algorithm: KeyAlgorithm) -> None:
    device = DevicePrivateKey.generate(algorithm)

    result = verify(purchase_document(device=device))

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Good: the device signed this, and the receipt says the same.",
        "decision        APPROVE while AWAITING_CUSTOMER",
        "merchant        Corner Café (cafe)",
        "terminal        till-1",
        "process         " + "00" * 17,
        "action          charge 11.30 EUR",
        "action          spend 100 points of beans, worth 1.00 EUR",
        "sale total      12.30 EUR",
        "card total      11.30 EUR",
        f"device key      {device.public().key_hash()}",
        "                whose it is, no receipt can tell: compare it with the phone's",
        f"answered        2026-09-21T14:14:00Z by device {'01' * 17}, says the server",
    ]


def test_good_receipt_is_told_as_json() -> None:
    told = verify_json(with_checkpoint(purchase_document()))

    assert told["good"]
    assert told["confirmation"]["merchant_name"] == "Corner Café"
    assert told["confirmation"]["actions"][0]["amount"] == {
        "currency_code": "EUR",
        "minor_units": 1130,
    }
    assert told["device_key_hash"] == DEVICE.public().key_hash()
    assert told["device_id"] == "01" * 17
    assert told["checkpoint"] == "tmc1:0:9:000102030405060708090a0b0c0d0e0f"
    assert told["audit_key_hash"] == public_key_hash(AUDIT_KEY.public_key())


def test_checkpoint_of_a_receipt_is_told_with_its_key() -> None:
    result = verify(with_checkpoint(purchase_document()))

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-2:] == [
        "checkpoint      tmc1:0:9:000102030405060708090a0b0c0d0e0f",
        f"audit key       {public_key_hash(AUDIT_KEY.public_key())}",
    ]


def test_receipt_without_money_has_no_totals() -> None:
    (_, spent) = PURCHASE.actions
    document = purchase_document(
        replace(PURCHASE, actions=(spent,), sale_total=None, card_total=None)
    )
    for field in ("sale_total", "card_total"):
        del document[field]
    del document["actions"][0]

    result = verify(document)

    assert result.exit_code == 0
    assert "total" not in result.stdout


def test_receipt_may_have_the_names_of_either_form_of_proto3_json() -> None:
    receipt = json_format.ParseDict(purchase_document(), process_pb2.Receipt())

    assert verify(json_format.MessageToJson(receipt)).exit_code == 0


def test_what_a_newer_server_tells_besides_does_not_matter() -> None:
    assert verify({**purchase_document(), "carbon_grams": 12}).exit_code == 0


def test_expected_device_key_is_demanded() -> None:
    document = purchase_document()
    expected = DEVICE.public().key_hash()

    good = verify(document, "--device-key-hash", expected.upper())
    other = verify(document, "--device-key-hash", STRANGER.public().key_hash())

    assert good.exit_code == 0
    assert "whose it is" not in good.stdout
    assert other.exit_code == 1
    assert "another one than the expected" in other.stdout


CHANGES: Final[dict[str, Change]] = {
    "process": lambda it: it.update(receipt_number="01" * 17),
    "merchant": lambda it: it.update(merchant_id="bar"),
    "name of the merchant": lambda it: it.update(merchant_name="Corner Bar"),
    "terminal": lambda it: it.update(terminal_id="till-2"),
    "amount": lambda it: amount(it).update(minor_units="1131"),
    "currency": lambda it: amount(it).update(currency_code="USD"),
    "no amount": lambda it: it["actions"][0]["instruction"]["charge"].pop("amount"),
    "points": lambda it: burn(it).update(points="101"),
    "programme": lambda it: burn(it).update(programme_id="nuts"),
    "value of the points": lambda it: burn(it)["value"].update(minor_units="99"),
    "order of the actions": lambda it: it["actions"].reverse(),
    "one action less": lambda it: it["actions"].pop(),
    "one action more": lambda it: it["actions"].append(it["actions"][0]),
    "sale total": lambda it: it["sale_total"].update(minor_units="1231"),
    "no sale total": lambda it: it.pop("sale_total"),
    "card total": lambda it: it["card_total"].update(minor_units="1"),
    "no card total": lambda it: it.pop("card_total"),
    "no confirmation": lambda it: it.pop("confirmation"),
    "no statement": lambda it: it["confirmation"].pop("statement"),
    "another statement": lambda it: it["confirmation"].update(statement="AAAA"),
    "no signature": lambda it: it["confirmation"].pop("signature"),
    "another signature": lambda it: it["confirmation"].update(signature="AAAA" * 21 + "AA=="),
    "no key": lambda it: it["confirmation"].pop("device_key"),
    "another algorithm": lambda it: it["confirmation"]["device_key"].update(algorithm=2),
    "a key that is none": lambda it: it["confirmation"]["device_key"].update(key_bytes="AAAA"),
    "a key under which everything verifies": lambda it: it["confirmation"].update(
        device_key={"algorithm": 1, "key_bytes": "AQ" + "A" * 41 + "="},
        signature="AQ" + "A" * 84,
    ),
}


def amount(document: Document) -> Document:
    found: Document = document["actions"][0]["instruction"]["charge"]["amount"]
    return found


def burn(document: Document) -> Document:
    found: Document = document["actions"][1]["instruction"]["burn_points"]
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_receipt_that_was_changed_is_not_good(name: str) -> None:
    document = purchase_document()
    CHANGES[name](document)

    result = verify(document)
    told = verify_json(document)

    assert result.exit_code == 1
    assert result.stdout.startswith("NOT GOOD:\n  - ")
    assert told["problems"]


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param(replace(PURCHASE, decision=Decision.DECLINE), id="a no"),
        pytest.param(replace(PURCHASE, process_id="01" * 17), id="another process"),
        pytest.param(replace(PURCHASE, merchant_name="Corner Bar"), id="another merchant"),
        pytest.param(replace(PURCHASE, card_total=EUR_5), id="another total"),
        pytest.param(
            replace(
                PURCHASE,
                actions=(PURCHASE.actions[0], replace(PURCHASE.actions[1], points=99)),
            ),
            id="fewer points",
        ),
        pytest.param(
            replace(
                PURCHASE,
                actions=(replace(PURCHASE.actions[0], standing=Standing.REFUSED),),
            ),
            id="a refused process",
        ),
    ],
)
def test_good_signature_over_something_else_is_not_good(signed: Confirmation) -> None:
    told = verify_json(purchase_document(signed))

    assert not told["good"]
    assert all("signature" not in problem for problem in told["problems"])


def test_signature_of_a_stranger_under_the_key_of_the_device_is_not_good() -> None:
    document = purchase_document()
    signature = purchase_document(device=STRANGER)["confirmation"]["signature"]
    document["confirmation"]["signature"] = signature

    told = verify_json(document)

    assert told["problems"] == ["the signature does not fit the statement and the device key"]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("sequence", "10", "the signature of the checkpoint does not fit"),
        ("chain_hash", "A" * 43 + "=", "the signature of the checkpoint does not fit"),
        ("chain_hash", "AAAA", "the checkpoint is none"),
        ("signature", "AAAA", "the signature of the checkpoint does not fit"),
        ("audit_key", {"algorithm": 2, "key_bytes": "AAAA"}, "the checkpoint is none"),
        ("audit_key", {"algorithm": 1, "key_bytes": "AAAA"}, "the checkpoint is none"),
    ],
)
def test_checkpoint_that_was_changed_is_not_good(field: str, value: object, problem: str) -> None:
    document = with_checkpoint(purchase_document())
    document["checkpoint"][field] = value

    (told,) = verify_json(document)["problems"]

    assert told.startswith(problem)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "receipt",
        "[]",
        "null",
        "{}",
        '{"receipt_number": 7}',
        '{"receipt_number": "1", "actions": 1}',
        '{"receipt_number": "1", "checkpoint": 1}',
        "[" * 100_000,
        '{"\\ud800": 1}',
        "\x00",
    ],
)
def test_file_that_is_no_receipt_is_wrong_use(text: str) -> None:
    result = verify(text)

    assert result.exit_code == 2
    assert "this is not a receipt in JSON" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("confirmation",),
        ("confirmation", "no-such-file.json"),
        ("confirmation", "-", "--device-key-hash", "4f2a"),
        ("confirmation", "-", "--device-key-hash", "g" * 64),
        ("receipt", "-"),
    ],
)
def test_wrong_use_has_an_exit_code_of_its_own(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(main, arguments, input="{}").exit_code == 2


def test_name_that_plays_tricks_on_a_terminal_is_shown_harmless() -> None:
    name = "Café\x1b[2J\u202e"
    document = purchase_document(replace(PURCHASE, merchant_name=name))
    document["merchant_name"] = name

    result = verify(document)

    assert result.exit_code == 0
    assert "merchant        Café\ufffd[2J\ufffd (cafe)" in result.stdout


def test_command_runs_as_a_program_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(purchase_document()), "utf-8")
    program = Path(sys.executable).with_name("tallymark-verify")

    good = subprocess.run(
        [program, "confirmation", file], check=False, capture_output=True, text=True
    )

    assert good.returncode == 0, good.stderr
    assert good.stdout.startswith("Good: ")
