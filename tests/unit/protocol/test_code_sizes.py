"""The sizes that docs/code-format.md states."""

from pathlib import Path
from typing import Final

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol import base45
from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_format import sign

SPECIFICATION: Final = Path(__file__).parents[3] / "docs" / "code-format.md"

# kind, audience, event, ticket, bytes, characters, QR version at error correction level M
SIZES = (
    ("general", 0, 0, 0, 106, 163, 7),
    ("audience of 8 characters", 8, 0, 0, 116, 178, 7),
    ("audience of 9 characters", 9, 0, 0, 117, 180, 8),
    ("audience of 34 characters", 34, 0, 0, 143, 219, 8),
    ("audience of 36 characters", 36, 0, 0, 145, 222, 9),
    ("ticket, event 12 and ticket 6 characters", 0, 12, 6, 132, 202, 8),
    ("the same with an audience of 8 characters", 8, 12, 6, 142, 217, 8),
    ("ticket, event 34 and ticket 32 characters", 0, 34, 32, 182, 277, 10),
    ("everything, 63 characters each", 63, 63, 63, 308, 466, 13),
)


@pytest.mark.parametrize("row", SIZES, ids=[row[0] for row in SIZES])
def test_code_has_the_size_of_the_specification(
    private_key: Ed25519PrivateKey, row: tuple[str, int, int, int, int, int, int]
) -> None:
    kind, audience, event, ticket, message_bytes, characters, version = row
    claims = CodeClaims(
        expires_at=1_790_000_060,
        cti=bytes(20),
        audience="a" * audience or None,
        event_id="e" * event or None,
        ticket_id="t" * ticket or None,
    )

    text = sign(claims, key_id=1, private_key=private_key, epoch=7)
    symbol = segno.make_qr(text, error="m", boost_error=False)

    assert len(base45.decode(text[4:])) == message_bytes
    assert len(text) == characters
    assert (symbol.version, symbol.error, symbol.mode) == (version, "M", "alphanumeric")
    line = f"| {kind} | {message_bytes} | {characters} | {version} |"
    assert line in SPECIFICATION.read_text("utf-8")
