"""The other side of crosstest_cwt.py: the package `cwt` reads and writes codes, without Tallymark.

Reads one JSON document from the standard input and answers with one. It uses the COSE layer of
cwt, because its CWT layer adds iat and nbf by itself and has no external data, and the claims
check of its CWT layer on top.
"""

import json
import sys
from typing import Any

import cbor2
from cwt import (  # type: ignore[import-not-found] # installed only in build/crosstest-venv
    COSE,
    COSEKey,
)
from cwt.claims import Claims  # type: ignore[import-not-found] # as above

SIGN1_TAG = 18  # cwt needs the tag that a code, whose prefix says what it is, leaves out
EDDSA = -8


def main() -> None:
    """Answer the document."""
    asked = json.load(sys.stdin)
    aad = bytes.fromhex(asked["external_aad"])
    keys = [_public_key(entry) for entry in asked["keys"]]
    private_key = _private_key(asked["keys"][0])
    answer = {
        "read": [_read(bytes.fromhex(cose), keys, aad) for cose in asked["to_read"]],
        "written": [_write(payload, private_key, aad).hex() for payload in asked["to_write"]],
    }
    json.dump(answer, sys.stdout)


def _read(cose: bytes, keys: list[Any], aad: bytes) -> str | None:
    """Return the claims in CBOR, or None if cwt refuses the code."""
    message = cbor2.CBORTag(SIGN1_TAG, cbor2.loads(cose))
    try:
        payload: bytes = COSE.new().decode(message, keys, external_aad=aad)
    except Exception:  # noqa: BLE001 - cwt raises what cryptography raises
        return None
    claims = cbor2.loads(payload)
    Claims.validate(claims)
    return cbor2.dumps(claims, canonical=True).hex()


def _write(payload: str, key: Any, aad: bytes) -> bytes:  # noqa: ANN401 - cwt has no types here
    """Return the message that cwt makes of the same claims, encoded by itself."""
    claims = cbor2.loads(bytes.fromhex(payload))
    Claims.validate(claims)
    message: bytes = COSE.new().encode_and_sign(
        cbor2.dumps(claims, canonical=True),
        key,
        protected={1: EDDSA, 4: key.kid},
        unprotected={},
        external_aad=aad,
    )
    return message


def _public_key(entry: dict[str, Any]) -> Any:  # noqa: ANN401 - cwt has no types here
    return _key(entry, {-2: bytes.fromhex(entry["public_key"])})


def _private_key(entry: dict[str, Any]) -> Any:  # noqa: ANN401 - cwt has no types here
    return _key(
        entry,
        {-2: bytes.fromhex(entry["public_key"]), -4: bytes.fromhex(entry["private_key"])},
    )


def _key(entry: dict[str, Any], coordinates: dict[int, bytes]) -> Any:  # noqa: ANN401
    """Return the COSE_Key: OKP, curve Ed25519, algorithm EdDSA, one-byte kid."""
    return COSEKey.new({1: 1, -1: 6, 3: EDDSA, 2: bytes([entry["key_id"]]), **coordinates})


if __name__ == "__main__":
    main()
