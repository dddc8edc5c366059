"""Write the published vectors, or check that they are fresh.

    python scripts/make_vectors.py            write tests/vectors/code_format.json, signatures.json
    python scripts/make_vectors.py --check    exit 1 if they are not what would be written

The same input gives the same files: keys and random bytes are hashes of names, Ed25519 is
deterministic, the nonces of ES256 are those of RFC 6979, and no clock is read.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import cbor2
from code_vectors.forge import (
    EPOCH,
    EXPIRES_AT,
    HEADER_START,
    KEY_1_ENDS,
    KEY_2_BEGINS,
    MAC_KEY,
    NOW,
    SEED_1,
    SEED_2,
    external_aad,
    key,
)
from code_vectors.malformed import malformed_codes
from code_vectors.refused import refused_codes
from signature_vectors.devices import device_keys, device_proofs
from signature_vectors.journals import checkpoints, journal
from signature_vectors.statements import confirmations
from signature_vectors.tags import terminal_tags

from tallymark_protocol import base45
from tallymark_protocol.code_claims import CodeClaims, claims_to_cbor
from tallymark_protocol.code_format import sign
from tallymark_protocol.code_identifier import cti_hash, make_claims, text_hash

VECTORS: Final = Path(__file__).parent.parent / "tests" / "vectors"
LONGEST: Final = "longest-reference-" + "0123456789" * 4 + "01234"


def main() -> int:
    """Write or check, as the command line says."""
    parser = argparse.ArgumentParser(description="Write the published vectors.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if not fresh")
    is_check = parser.parse_args().check
    stale = 0
    for name, vectors in (("code_format", code_vectors()), ("signatures", signature_vectors())):
        file = VECTORS / f"{name}.json"
        wanted = json.dumps(vectors, indent=1) + "\n"
        if not is_check:
            file.write_text(wanted, encoding="utf-8")
        elif file.read_text(encoding="utf-8") != wanted:
            sys.stderr.write(f"{file.name} is not fresh; run python scripts/make_vectors.py\n")
            stale = 1
    return stale


def code_vectors() -> dict[str, object]:
    """Return what shows docs/code-format.md."""
    good_text = _signed(_claims("general"))
    invalid = (*malformed_codes(good_text), *refused_codes(good_text))
    return {
        "format": "TM1",
        "epoch": EPOCH,
        "mac_key": MAC_KEY.hex(),
        "keys": _keys(),
        "valid": _valid(),
        "wrong_mac": _wrong_mac(),
        "invalid": [asdict(code) for code in invalid],
    }


def signature_vectors() -> dict[str, object]:
    """Return what shows docs/signatures.md."""
    return {
        "device_keys": device_keys(),
        "device_proofs": device_proofs(),
        "confirmations": confirmations(),
        "terminal_tags": {"epoch": EPOCH, "keys": _keys(), **terminal_tags()},
        "checkpoints": checkpoints(),
        "journal": journal(),
    }


def _keys() -> list[dict[str, object]]:
    return [
        _key_entry(1, SEED_1, NOW - 86_400, KEY_1_ENDS),
        _key_entry(2, SEED_2, KEY_2_BEGINS, KEY_1_ENDS + 86_400),
    ]


def _valid() -> list[dict[str, object]]:
    plain = _claims("general")
    bound = _claims("bound", audience="lane-7")
    ticket = _claims("ticket", event_id="concert-2026", ticket_id="A-1042")
    both = _claims("both", audience="gate-2", event_id="concert-2026", ticket_id="A-1042")
    longest = _claims("longest", audience=LONGEST, event_id=LONGEST, ticket_id=LONGEST)
    return [
        _valid_entry("general: good at every terminal", plain, now=NOW),
        _valid_entry("one second before the expiry", plain, now=EXPIRES_AT - 1),
        _valid_entry("bound to one terminal", bound, now=NOW),
        _valid_entry("for a ticket", ticket, now=NOW),
        _valid_entry("for a ticket, bound to one terminal", both, now=NOW),
        _valid_entry("the longest code", longest, now=NOW),
        _valid_entry("signed with the second key", plain, now=NOW, key_id=2),
        _valid_entry("second key at its first second", plain, now=KEY_2_BEGINS, key_id=2),
    ]


def _wrong_mac() -> list[dict[str, object]]:
    """Codes that a terminal accepts and the server, which checks the MAC, refuses."""
    plain = _claims("general")
    bound = _claims("bound", audience="lane-7")
    ticket = _claims("ticket", event_id="concert-2026", ticket_id="A-1042")
    other_mac = make_claims(
        partition=0, random=bytes(14), expires_at=EXPIRES_AT, mac_key=bytes(32), epoch=EPOCH
    )
    other_epoch = make_claims(
        partition=0, random=bytes(14), expires_at=EXPIRES_AT, mac_key=MAC_KEY, epoch=EPOCH + 1
    )
    wrong = (
        ("one bit of the MAC changed", _with_cti(plain, bytes(19) + b"\x01")),
        ("one bit of the random bytes changed", _with_cti(plain, bytes(14) + b"\x01" + bytes(5))),
        ("another partition", _with_cti(plain, b"\x01" + bytes(19))),
        ("expiry put off by an hour", replace(plain, expires_at=EXPIRES_AT + 3600)),
        ("audience added", replace(plain, audience="lane-7")),
        ("audience taken away", replace(bound, audience=None)),
        ("another audience", replace(bound, audience="lane-8")),
        ("another ticket", replace(ticket, ticket_id="A-1043")),
        ("another event", replace(ticket, event_id="concert-2027")),
        ("another MAC key", other_mac),
        ("another epoch", other_epoch),
    )
    return [{"name": name, "text": _signed(claims)} for name, claims in wrong]


def _valid_entry(name: str, claims: CodeClaims, *, now: int, key_id: int = 1) -> dict[str, object]:
    payload = claims_to_cbor(claims)
    without_mac = cbor2.loads(payload) | {7: claims.cti[:15]}
    header = bytes.fromhex(HEADER_START) + bytes([key_id])
    text = _signed(claims, key_id)
    return {
        "name": name,
        "now_seconds": now,
        "key_id": key_id,
        "claims": {**asdict(claims), "cti": claims.cti.hex()},
        "mac_input": cbor2.dumps(["tallymark cti", EPOCH, without_mac]).hex(),
        "payload": payload.hex(),
        "signed_bytes": cbor2.dumps(["Signature1", header, external_aad(EPOCH), payload]).hex(),
        "cose": base45.decode(text[4:]).hex(),
        "text": text,
        "cti_hash": cti_hash(claims.cti).hex(),
        "text_hash": text_hash(text).hex(),
    }


def _key_entry(key_id: int, seed: bytes, begins: int, ends: int) -> dict[str, object]:
    return {
        "key_id": key_id,
        "private_key": seed.hex(),
        "public_key": key(seed).public_key().public_bytes_raw().hex(),
        "valid_from_seconds": begins,
        "valid_until_seconds": ends,
    }


def _claims(
    name: str,
    audience: str | None = None,
    event_id: str | None = None,
    ticket_id: str | None = None,
) -> CodeClaims:
    return make_claims(
        partition=0,
        random=hashlib.sha256(name.encode()).digest()[:14],
        expires_at=EXPIRES_AT,
        audience=audience,
        event_id=event_id,
        ticket_id=ticket_id,
        mac_key=MAC_KEY,
        epoch=EPOCH,
    )


def _signed(claims: CodeClaims, key_id: int = 1) -> str:
    seed = {1: SEED_1, 2: SEED_2}[key_id]
    return sign(claims, key_id=key_id, private_key=key(seed), epoch=EPOCH)


def _with_cti(claims: CodeClaims, change: bytes) -> CodeClaims:
    cti = bytes(before ^ changed for before, changed in zip(claims.cti, change, strict=True))
    return replace(claims, cti=cti)


if __name__ == "__main__":
    sys.exit(main())
