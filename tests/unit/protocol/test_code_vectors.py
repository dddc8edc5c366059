"""The published vectors are fresh, and the library agrees with each of them."""

import hmac
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tallymark_protocol import base45
from tallymark_protocol.code_claims import CodeClaims, claims_to_cbor
from tallymark_protocol.code_errors import RejectedCode
from tallymark_protocol.code_format import parse, sign, verify
from tallymark_protocol.code_identifier import check_cti_mac, cti_hash, text_hash
from tallymark_protocol.code_keys import VerificationKey, VerificationKeys

ROOT: Final = Path(__file__).parents[3]
VECTORS: Final = json.loads((ROOT / "tests/vectors/code_format.json").read_text("utf-8"))
EPOCH: Final[int] = VECTORS["epoch"]
MAC_KEY: Final = bytes.fromhex(VECTORS["mac_key"])
PRIVATE_KEYS: Final = {
    entry["key_id"]: Ed25519PrivateKey.from_private_bytes(bytes.fromhex(entry["private_key"]))
    for entry in VECTORS["keys"]
}
KEYS: Final = VerificationKeys(
    VerificationKey(
        key_id=entry["key_id"],
        public_key=Ed25519PublicKey.from_public_bytes(bytes.fromhex(entry["public_key"])),
        valid_from_seconds=entry["valid_from_seconds"],
        valid_until_seconds=entry["valid_until_seconds"],
    )
    for entry in VECTORS["keys"]
)


def names(kind: str) -> list[str]:
    return [vector["name"] for vector in VECTORS[kind]]


def test_the_file_is_what_the_script_writes() -> None:
    script = ROOT / "scripts" / "make_vectors.py"

    made = subprocess.run([sys.executable, script, "--check"], check=False)

    assert made.returncode == 0, "run python scripts/make_vectors.py and look at the difference"


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=names("valid"))
def test_valid_code_is_accepted(vector: dict[str, Any]) -> None:
    parsed = parse(vector["text"])
    claims = verify(parsed, keys=KEYS, epoch=EPOCH, now_seconds=vector["now_seconds"])

    assert claims == claims_of(vector)
    assert parsed.key_id == vector["key_id"]
    assert check_cti_mac(claims, mac_key=MAC_KEY, epoch=EPOCH)


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=names("valid"))
def test_valid_code_is_made_again_byte_by_byte(vector: dict[str, Any]) -> None:
    claims, key_id = claims_of(vector), vector["key_id"]

    text = sign(claims, key_id=key_id, private_key=PRIVATE_KEYS[key_id], epoch=EPOCH)

    assert text == vector["text"]
    assert claims_to_cbor(claims).hex() == vector["payload"]
    assert base45.decode(text[4:]).hex() == vector["cose"]
    assert cti_hash(claims.cti).hex() == vector["cti_hash"]
    assert text_hash(text).hex() == vector["text_hash"]


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=names("valid"))
def test_signed_bytes_are_what_the_signature_is_over(vector: dict[str, Any]) -> None:
    public_key = PRIVATE_KEYS[vector["key_id"]].public_key()

    public_key.verify(bytes.fromhex(vector["cose"])[-64:], bytes.fromhex(vector["signed_bytes"]))


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=names("valid"))
def test_mac_input_is_what_the_mac_is_over(vector: dict[str, Any]) -> None:
    mac = hmac.digest(MAC_KEY, bytes.fromhex(vector["mac_input"]), "sha256")

    assert vector["claims"]["cti"][30:] == mac[:5].hex()


def test_worked_example_of_the_specification_is_the_first_vector() -> None:
    specification = (ROOT / "docs" / "code-format.md").read_text("utf-8")
    spoken = specification.replace("\n", "").replace(" ", "")
    example, key = VECTORS["valid"][0], VECTORS["keys"][0]

    assert example["text"] in specification
    for part in ("mac_input", "payload", "signed_bytes", "cose", "cti_hash"):
        assert example[part] in spoken
    for part in (VECTORS["mac_key"], key["private_key"], key["public_key"]):
        assert part in spoken


@pytest.mark.parametrize("vector", VECTORS["wrong_mac"], ids=names("wrong_mac"))
def test_wrong_mac_is_found_under_a_good_signature(vector: dict[str, Any]) -> None:
    now_seconds = VECTORS["valid"][0]["now_seconds"]

    claims = verify(parse(vector["text"]), keys=KEYS, epoch=EPOCH, now_seconds=now_seconds)

    assert not check_cti_mac(claims, mac_key=MAC_KEY, epoch=EPOCH)


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=names("invalid"))
def test_invalid_code_is_refused_with_its_reason(vector: dict[str, Any]) -> None:
    with pytest.raises(RejectedCode) as caught:
        verify(parse(vector["text"]), keys=KEYS, epoch=EPOCH, now_seconds=vector["now_seconds"])

    assert caught.value.reason == vector["reason"]


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=names("invalid"))
def test_form_is_refused_without_a_key_and_only_form(vector: dict[str, Any]) -> None:
    try:
        parse(vector["text"])
    except RejectedCode:
        assert vector["step"] <= 7
    else:
        assert vector["step"] >= 8


@pytest.mark.parametrize("vector", [each for each in VECTORS["invalid"] if each["step"] == 5])
def test_wrong_header_is_refused_as_such(vector: dict[str, Any]) -> None:
    with pytest.raises(RejectedCode, match="header"):
        parse(vector["text"])


def test_no_two_invalid_vectors_are_the_same() -> None:
    told_apart = {(vector["text"], vector["now_seconds"]) for vector in VECTORS["invalid"]}

    assert len(told_apart) == len(VECTORS["invalid"]) >= 40


def claims_of(vector: dict[str, Any]) -> CodeClaims:
    return CodeClaims(**{**vector["claims"], "cti": bytes.fromhex(vector["claims"]["cti"])})
