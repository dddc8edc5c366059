"""What the server signs for a QR symbol to show: the text, the envelope and the signature of it.

A signed text is a prefix and the Base45 text of an untagged COSE_Sign1 (RFC 9052), signed with
Ed25519. Codes (code_format.py) and terminals' tags (terminal_tag.py) are such texts. They share the
keys, so each kind has a prefix that is read and a context that is signed: none can be taken for
another, not even by a reader that forgets the prefix.

The steps of the check are numbered as in code_format.py. Those about claims and time, 6 and 10, are
for each kind to do; steps 1 to 5, 7 and 9 are here.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tallymark_protocol import base45, strict_cbor

__all__ = ["Envelope", "SignedTextKind"]

_SIGNATURE_BYTES: Final = 64

# {1: -8, 4: h'..'}: algorithm EdDSA and the key's number. It has one encoding, so it is compared.
_HEADER_START: Final = bytes.fromhex("a2 01 27 04 41")


class Envelope(NamedTuple):
    """The parts of a signed text; nothing in them is proved yet."""

    key_id: int
    payload: bytes
    signature: bytes
    message: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedTextKind:
    """One kind of signed text."""

    prefix: str
    """Name and version of the format; another version has another prefix."""

    characters_max: int
    """Length of the longest text."""

    context: bytes
    """What is signed besides the text, before the epoch: external_aad of COSE."""

    malformed: type[Exception]
    """Raised for a text that is not of this kind, in its only allowed form."""

    name: str
    """What people call it."""

    advice: str
    """What to do about one that is malformed."""

    def open(self, text: str) -> Envelope:
        """Take the envelope out of a text, steps 1 to 5. It may still be in a form not allowed."""
        # 1. Size, before any work that grows with it.
        if len(text) > self.characters_max:
            self._refuse(f"the text is longer than any {self.name}")

        # 2. Prefix.
        if not text.startswith(self.prefix):
            self._refuse(f"the text is not a Tallymark {self.name} of version 1")

        # 3. Base45.
        try:
            message = base45.decode(text.removeprefix(self.prefix))
        except base45.NotBase45:
            self._refuse(f"the text of the {self.name} is not Base45")

        # 4. COSE envelope.
        parts = _open_message(message)
        if parts is None:
            self._refuse(f"the {self.name} is not a COSE_Sign1 message")
        header, payload, signature = parts

        # 5. Header: the algorithm is not looked up but must be the only one.
        if header[:-1] != _HEADER_START:
            self._refuse(f"the header is not that of an EdDSA {self.name}")
        return Envelope(header[-1], payload, signature, message)

    def check_canonical(self, envelope: Envelope) -> None:
        """Demand the canonical form, step 7, after the payload was understood."""
        # 7. What was understood, encoded again, is what came, to the last byte.
        key_id, payload, signature, message = envelope
        if _seal_message(key_id, payload, signature) != message:
            self._refuse(f"the {self.name} is not in its canonical form")

    def is_signed(
        self,
        public_key: Ed25519PublicKey,
        *,
        key_id: int,
        payload: bytes,
        signature: bytes,
        epoch: int,
    ) -> bool:
        """Say whether the key's holder signed this payload as this kind of text, step 9."""
        try:
            public_key.verify(signature, self._signed_bytes(key_id, payload, epoch=epoch))
        except InvalidSignature:
            return False
        return True

    def sign(
        self, payload: bytes, *, key_id: int, private_key: Ed25519PrivateKey, epoch: int
    ) -> str:
        """Return the text that carries the payload."""
        signature = private_key.sign(self._signed_bytes(key_id, payload, epoch=epoch))
        return self.prefix + base45.encode(_seal_message(key_id, payload, signature))

    def _signed_bytes(self, key_id: int, payload: bytes, *, epoch: int) -> bytes:
        """Return the Sig_structure of RFC 9052, section 4.4."""
        external_aad = self.context + epoch.to_bytes(8, "big")
        return strict_cbor.encode(["Signature1", _header(key_id), external_aad, payload])

    def _refuse(self, what: str) -> NoReturn:
        """Raise without what was raised before, which may repeat the text."""
        message = f"{what}; {self.advice}"
        raise self.malformed(message) from None


def _open_message(message: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return header, payload, signature; the unprotected map is left to the canonical check."""
    try:
        parts = strict_cbor.decode(message, depth_max=2)
    except strict_cbor.NotStrictCbor:
        return None
    match parts:
        case [bytes(header), dict(), bytes(payload), bytes(signature)] if (
            len(signature) == _SIGNATURE_BYTES
        ):
            return header, payload, signature
    return None


def _seal_message(key_id: int, payload: bytes, signature: bytes) -> bytes:
    return strict_cbor.encode([_header(key_id), {}, payload, signature])


def _header(key_id: int) -> bytes:
    return _HEADER_START + bytes([key_id])
