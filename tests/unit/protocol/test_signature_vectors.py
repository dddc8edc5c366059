"""The library agrees with each published vector of docs/signatures.md."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tallymark_protocol import base45, terminal_tag
from tallymark_protocol.checkpoint import (
    Checkpoint,
    NotACheckpoint,
    parse_checkpoint,
    verify_checkpoint,
)
from tallymark_protocol.code_keys import VerificationKey, VerificationKeys
from tallymark_protocol.confirmation import (
    ActionKind,
    Amount,
    AnsweredState,
    Confirmation,
    ConfirmedAction,
    Decision,
    Direction,
    Funding,
    NotAConfirmation,
    Standing,
    read_confirmation,
)
from tallymark_protocol.device_key import (
    DevicePrivateKey,
    DevicePublicKey,
    KeyAlgorithm,
    NotADeviceKey,
)
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign
from tallymark_protocol.journal_chain import check_journal
from tallymark_protocol.journal_messages import entry_of

ROOT: Final = Path(__file__).parents[3]
VECTORS: Final = json.loads((ROOT / "tests/vectors/signatures.json").read_text("utf-8"))
SPECIFICATION: Final = (ROOT / "docs/signatures.md").read_text("utf-8")
KEYS: Final = VECTORS["device_keys"]
STATEMENTS: Final = VECTORS["confirmations"]
TAGS: Final = VECTORS["terminal_tags"]
CHECKPOINTS: Final = VECTORS["checkpoints"]
JOURNAL: Final = VECTORS["journal"]
TAG_KEYS: Final = VerificationKeys(
    VerificationKey(
        key_id=entry["key_id"],
        public_key=ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(entry["public_key"])),
        valid_from_seconds=entry["valid_from_seconds"],
        valid_until_seconds=entry["valid_until_seconds"],
    )
    for entry in TAGS["keys"]
)

Vector = dict[str, Any]


def names(vectors: list[Vector]) -> list[str]:
    return [vector["name"] for vector in vectors]


def key_of(vector: Vector) -> DevicePublicKey:
    return DevicePublicKey.parse(vector["algorithm"], bytes.fromhex(vector["key_bytes"]))


def private_key_of(vector: Vector) -> DevicePrivateKey:
    secret = bytes.fromhex(vector["private_key"])
    if vector["algorithm"] == KeyAlgorithm.ED25519:
        return DevicePrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(secret))
    number = int.from_bytes(secret, "big")
    return DevicePrivateKey(ec.derive_private_key(number, ec.SECP256R1()))


@pytest.mark.parametrize("vector", KEYS["valid"], ids=names(KEYS["valid"]))
def test_device_key_signs_and_verifies(vector: Vector) -> None:
    private_key = private_key_of(vector)
    message = bytes.fromhex(vector["message"])

    assert private_key.public() == key_of(vector)
    assert private_key.sign(message).hex() == vector["signature"]
    assert key_of(vector).verify(message, bytes.fromhex(vector["signature"]))
    assert key_of(vector).key_hash() == vector["key_hash"]


@pytest.mark.parametrize("vector", KEYS["malformed"], ids=names(KEYS["malformed"]))
def test_malformed_device_key_is_refused(vector: Vector) -> None:
    with pytest.raises(NotADeviceKey):
        key_of(vector)


@pytest.mark.parametrize("vector", KEYS["wrong_signatures"], ids=names(KEYS["wrong_signatures"]))
def test_wrong_signature_is_refused(vector: Vector) -> None:
    message, signature = bytes.fromhex(vector["message"]), bytes.fromhex(vector["signature"])

    assert not key_of(vector).verify(message, signature)


@pytest.mark.parametrize("vector", KEYS["other_signatures"], ids=names(KEYS["other_signatures"]))
def test_other_valid_signature_is_taken(vector: Vector) -> None:
    message, signature = bytes.fromhex(vector["message"]), bytes.fromhex(vector["signature"])

    assert key_of(vector).verify(message, signature)


@pytest.mark.parametrize(
    "vector",
    VECTORS["device_proofs"],
    ids=[f"{each['purpose']} {each['algorithm']}" for each in VECTORS["device_proofs"]],
)
def test_device_proof_is_made_and_verified(vector: Vector) -> None:
    to_sign = proof_to_sign(
        ProofPurpose(vector["purpose"]),
        login_name=vector["login_name"],
        device_id=vector["device_id"],
        request_id=vector["request_id"],
        public_key=key_of(vector),
    )

    assert to_sign.hex() == vector["signed_bytes"]
    assert key_of(vector).verify(to_sign, bytes.fromhex(vector["signature"]))


def confirmation_of(told: Vector) -> Confirmation:
    return Confirmation(
        **{
            **told,
            "decision": Decision(told["decision"]),
            "state": AnsweredState(told["state"]),
            "actions": tuple(
                ConfirmedAction(
                    **{
                        **action,
                        "kind": ActionKind(action["kind"]),
                        "standing": Standing(action["standing"]),
                        "funding": Funding(action["funding"]),
                        "direction": Direction(action["direction"]),
                        "amount": amount_of(action["amount"]),
                    }
                )
                for action in told["actions"]
            ),
            "sale_total": amount_of(told["sale_total"]),
            "card_total": amount_of(told["card_total"]),
        }
    )


def amount_of(told: Vector | None) -> Amount | None:
    return None if told is None else Amount(**told)


@pytest.mark.parametrize("vector", STATEMENTS["valid"], ids=names(STATEMENTS["valid"]))
def test_statement_is_made_read_and_verified(vector: Vector) -> None:
    statement = bytes.fromhex(vector["statement"])
    confirmation = confirmation_of(vector["confirmation"])

    assert confirmation.to_bytes() == statement
    assert read_confirmation(statement) == confirmation
    assert confirmation.authorises is vector["authorises"]
    assert key_of(vector).verify(statement, bytes.fromhex(vector["signature"]))


@pytest.mark.parametrize("vector", STATEMENTS["invalid"], ids=names(STATEMENTS["invalid"]))
def test_bytes_that_are_no_statement_are_refused(vector: Vector) -> None:
    with pytest.raises(NotAConfirmation):
        read_confirmation(bytes.fromhex(vector["statement"]))


@pytest.mark.parametrize("vector", TAGS["valid"], ids=names(TAGS["valid"]))
def test_tag_is_accepted_and_made_again(vector: Vector) -> None:
    told, key_id = vector["claims"], vector["key_id"]
    claims = terminal_tag.TagClaims(
        **{
            **told,
            "kind": terminal_tag.TagKind(told["kind"]),
            "nonce": bytes.fromhex(told["nonce"]),
        }
    )
    (seed,) = (key["private_key"] for key in TAGS["keys"] if key["key_id"] == key_id)
    private_key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))

    parsed = terminal_tag.parse(vector["text"])
    text = terminal_tag.sign(claims, key_id=key_id, private_key=private_key, epoch=TAGS["epoch"])

    assert check_tag(vector) == claims
    assert text == vector["text"]
    assert parsed.payload.hex() == vector["payload"]
    assert base45.decode(text[4:]).hex() == vector["cose"]
    private_key.public_key().verify(parsed.signature, bytes.fromhex(vector["signed_bytes"]))


@pytest.mark.parametrize("vector", TAGS["invalid"], ids=names(TAGS["invalid"]))
def test_invalid_tag_is_refused_by_its_step(vector: Vector) -> None:
    with pytest.raises(terminal_tag.RejectedTag):
        check_tag(vector)

    try:
        terminal_tag.parse(vector["text"])
    except terminal_tag.RejectedTag:
        assert vector["step"] <= 7
    else:
        assert vector["step"] >= 8


def check_tag(vector: Vector) -> terminal_tag.TagClaims:
    return terminal_tag.verify(
        terminal_tag.parse(vector["text"]),
        keys=TAG_KEYS,
        epoch=TAGS["epoch"],
        now_seconds=vector["now_seconds"],
    )


@pytest.mark.parametrize("vector", CHECKPOINTS["valid"], ids=["signed"])
def test_checkpoint_has_its_short_form_and_signature(vector: Vector) -> None:
    public_key = ed25519.Ed25519PublicKey.from_public_bytes(
        bytes.fromhex(CHECKPOINTS["audit_public_key"])
    )
    checkpoint = Checkpoint(
        partition=vector["partition"],
        sequence=vector["sequence"],
        chain_hash=bytes.fromhex(vector["chain_hash"]),
    )

    assert str(checkpoint) == vector["short"]
    assert parse_checkpoint(vector["short"]) == checkpoint.short()
    assert checkpoint.to_sign(signed_at=vector["signed_at"]).hex() == vector["signed_bytes"]
    assert verify_checkpoint(
        checkpoint,
        signed_at=vector["signed_at"],
        signature=bytes.fromhex(vector["signature"]),
        public_key=public_key,
    )


@pytest.mark.parametrize("text", CHECKPOINTS["malformed"])
def test_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NotACheckpoint):
        parse_checkpoint(text)


def findings(entries: list[Vector], checkpoints: list[str]) -> list[tuple[int, str]]:
    read = [entry_of(json.dumps(entry).encode()) for entry in entries]
    held = [parse_checkpoint(text) for text in checkpoints]
    return [(each.sequence, each.fault.value) for each in check_journal(read, held)]


def test_journal_is_sound() -> None:
    assert findings(JOURNAL["entries"], JOURNAL["checkpoints"]) == []


@pytest.mark.parametrize("vector", JOURNAL["changed"], ids=names(JOURNAL["changed"]))
def test_changed_journal_is_found(vector: Vector) -> None:
    first, *_ = findings(vector["entries"], JOURNAL["checkpoints"])

    assert first == (vector["first"]["sequence"], vector["first"]["fault"])


def test_rewritten_journal_is_not_found_without_a_checkpoint() -> None:
    assert findings(JOURNAL["not_found"]["entries"], []) == []


def test_worked_examples_of_the_specification_are_the_first_vectors() -> None:
    spoken = SPECIFICATION.replace("\n", "").replace(" ", "")
    statement, tag, proof = STATEMENTS["valid"][0], TAGS["valid"][0], VECTORS["device_proofs"][0]

    for part in (statement["statement"], statement["signature"], statement["key_bytes"]):
        assert part in spoken
    for part in (proof["signed_bytes"], proof["signature"]):
        assert part in spoken
    for part in (tag["payload"], tag["signed_bytes"]):
        assert part in spoken
    assert tag["text"] in SPECIFICATION
    assert JOURNAL["links"][0] in spoken
    assert CHECKPOINTS["valid"][0]["signed_bytes"] in spoken
    assert CHECKPOINTS["valid"][0]["short"] in SPECIFICATION
