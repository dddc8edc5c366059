"""Tags of terminals, and texts that are none, put together by hand."""

from collections.abc import Iterator
from typing import Any, Final

import cbor2
from code_vectors.forge import (
    EPOCH,
    EXPIRES_AT,
    HEADER_START,
    KEY_1_ENDS,
    NOW,
    SEED_1,
    SEED_2,
    SEED_UNKNOWN,
    envelope,
    external_aad,
    sign,
)

from tallymark_protocol import base45

__all__ = ["terminal_tags"]

HEADER_1: Final = bytes.fromhex(HEADER_START + "01")
NONCE: Final = bytes.fromhex("0123456789abcdef")
LONGEST: Final = "longest-id-" + "0123456789" * 5 + "01"
PLACE: Final = -65538
GOOD: Final = {2: "till-1", 4: EXPIRES_AT, 7: NONCE, PLACE: ["cafe", 1]}


def terminal_tags() -> dict[str, Any]:
    """Return tags with what they say, and texts to refuse."""
    printed = {**GOOD, 4: NOW + 365 * 86_400, PLACE: ["cafe", 2]}
    longest = {**GOOD, 2: LONGEST, PLACE: [LONGEST, 1]}
    return {
        "valid": [
            _valid("shown on a display", GOOD, now=NOW),
            _valid("one second before the expiry", GOOD, now=EXPIRES_AT - 1),
            _valid("printed", printed, now=NOW),
            _valid("the longest ids", longest, now=NOW),
            _valid("signed with the second key", GOOD, now=NOW, key_id=2),
        ],
        "invalid": [
            {"step": step, "name": name, "text": text, "now_seconds": now}
            for step, name, text, now in _invalid()
        ],
    }


def tag_aad(epoch: int) -> bytes:
    """Return what is signed besides the tag: another context than that of codes."""
    return b"tallymark tag" + epoch.to_bytes(8, "big")


def _valid(name: str, entries: dict[int, Any], *, now: int, key_id: int = 1) -> dict[str, Any]:
    payload = cbor2.dumps(entries)
    header = bytes.fromhex(HEADER_START) + bytes([key_id])
    text = _text(payload, header=header, seed={1: SEED_1, 2: SEED_2}[key_id])
    merchant_id, kind = entries[PLACE]
    return {
        "name": name,
        "now_seconds": now,
        "key_id": key_id,
        "claims": {
            "terminal_id": entries[2],
            "merchant_id": merchant_id,
            "expires_at": entries[4],
            "kind": kind,
            "nonce": entries[7].hex(),
        },
        "payload": payload.hex(),
        "signed_bytes": cbor2.dumps(["Signature1", header, tag_aad(EPOCH), payload]).hex(),
        "cose": base45.decode(text[4:]).hex(),
        "text": text,
    }


def _text(
    payload: bytes,
    *,
    header: bytes = HEADER_1,
    seed: bytes = SEED_1,
    aad: bytes = tag_aad(EPOCH),
    prefix: str = "TT1:",
) -> str:
    signature = sign(header, payload, seed, aad=aad)
    return prefix + base45.encode(envelope(header, payload, signature))


def _invalid() -> Iterator[tuple[int, str, str, int]]:
    payload = cbor2.dumps(GOOD)
    good = _text(payload)
    cose = base45.decode(good[4:])
    bent = cose[:-1] + bytes([cose[-1] ^ 1])
    for step, name, text in (
        (1, "longer than any tag", good + "0" * (353 - len(good))),
        (2, "a code, by its prefix", "TM1:" + good[4:]),
        (2, "prefix in lower case", "tt1:" + good[4:]),
        (2, "no prefix", good[4:]),
        (3, "in lower case", "TT1:" + good[4:].lower()),
        (3, "newline at the end", good + "\n"),
        (4, "prefix only", "TT1:"),
        (4, "tagged as COSE_Sign1 (18)", "TT1:" + base45.encode(b"\xd2" + cose)),
        (5, "algorithm ES256 (-7)", _text(payload, header=bytes.fromhex("a2012604410" + "1"))),
        (7, "byte after the end", "TT1:" + base45.encode(cose + b"\x00")),
        (7, "array head not the shortest", "TT1:" + base45.encode(b"\x98\x04" + cose[1:])),
        (8, "key not in the table", _text(payload, header=HEADER_1[:-1] + b"\x63")),
        (9, "signed by a stranger", _text(payload, seed=SEED_UNKNOWN)),
        (9, "signed by another valid key", _text(payload, seed=SEED_2)),
        (9, "signed as a code is", _text(payload, aad=external_aad(EPOCH))),
        (9, "signed in the next epoch", _text(payload, aad=tag_aad(EPOCH + 1))),
        (9, "one bit of the signature changed", "TT1:" + base45.encode(bent)),
    ):
        yield step, name, text, NOW
    for name, entries in _WRONG_CLAIMS:
        yield 6, name, _text(cbor2.dumps(entries)), NOW
    yield 6, "claims of a code", _text(cbor2.dumps({4: EXPIRES_AT, 7: bytes(20)})), NOW
    yield 6, "claims in another order", _text(cbor2.dumps(dict(reversed(GOOD.items())))), NOW
    yield 6, "claims with a byte after them", _text(payload + b"\x00"), NOW
    yield 8, "key over", good, KEY_1_ENDS
    yield 10, "at the expiry second", good, EXPIRES_AT
    yield 10, "an hour after the expiry", good, EXPIRES_AT + 3600


_WRONG_CLAIMS: Final = (
    ("no terminal", {key: GOOD[key] for key in (4, 7, PLACE)}),
    ("no expiry", {key: GOOD[key] for key in (2, 7, PLACE)}),
    ("no nonce", {key: GOOD[key] for key in (2, 4, PLACE)}),
    ("no merchant", {key: GOOD[key] for key in (2, 4, 7)}),
    ("terminal in capital letters", {**GOOD, 2: "Till-1"}),
    ("terminal of 64 letters", {**GOOD, 2: "t" * 64}),
    ("merchant empty", {**GOOD, PLACE: ["", 1]}),
    ("kind 0", {**GOOD, PLACE: ["cafe", 0]}),
    ("kind 3", {**GOOD, PLACE: ["cafe", 3]}),
    ("kind true", {**GOOD, PLACE: ["cafe", True]}),
    ("no kind", {**GOOD, PLACE: ["cafe"]}),
    ("expiry zero", {**GOOD, 4: 0}),
    ("expiry 4294967296", {**GOOD, 4: 2**32}),
    ("nonce of 7 bytes", {**GOOD, 7: NONCE[:7]}),
    ("an unknown claim", {2: "till-1", 3: "till-1", 4: EXPIRES_AT, 7: NONCE, PLACE: ["cafe", 1]}),
)
