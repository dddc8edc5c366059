"""The key of a customer's phone: what it signs, the phone's owner said.

Two algorithms, because those are what the secure hardware of phones has:

    Ed25519    RFC 8032; key: 32 bytes; signature: 64 bytes
    ES256      ECDSA on P-256 with SHA-256 (RFC 9053, section 2.1); key: the uncompressed point, 65
               bytes (SEC 1, section 2.3.3); signature: r and s, 32 bytes each

The algorithm belongs to the key, not to a signature. A signature of ES256 can be turned into a
second valid one over the same message (s into the group's order minus s), and that is no forgery:
so a signature proves, and never identifies.

docs/signatures.md specifies this for other languages.
"""

from enum import IntEnum
from typing import Final

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from tallymark_protocol.certificate_request import public_key_hash
from tallymark_protocol.ed25519_point import is_point_of_large_order

__all__ = [
    "SIGNATURE_BYTES",
    "DevicePrivateKey",
    "DevicePublicKey",
    "KeyAlgorithm",
    "NotADeviceKey",
]

SIGNATURE_BYTES: Final = 64
"""Length of a signature of either algorithm."""

_POINT_BYTES: Final = 65
_UNCOMPRESSED: Final = 4
_SCALAR_BYTES: Final = 32

# The nonce comes from the message (RFC 6979), so that no weak source of randomness can leak a key.
_SIGN_ES256: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_VERIFY_ES256: Final = ec.ECDSA(hashes.SHA256())


class KeyAlgorithm(IntEnum):
    """How a key is used; numbers as in the contract."""

    ED25519 = 1
    ES256 = 2


class NotADeviceKey(ValueError):
    """The bytes are no key that a device may have; the message repeats none of them."""


class DevicePublicKey:
    """A public key and the only algorithm that it verifies by; equal keys are equal values."""

    __slots__ = ("_key", "algorithm", "key_bytes")

    def __init__(self, key: Ed25519PublicKey | ec.EllipticCurvePublicKey) -> None:
        """Take a key that is known to be good; bytes from outside go through `parse`."""
        self._key = key
        if isinstance(key, Ed25519PublicKey):
            self.algorithm = KeyAlgorithm.ED25519
            self.key_bytes = key.public_bytes_raw()
        else:
            self.algorithm = KeyAlgorithm.ES256
            self.key_bytes = key.public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )

    def __repr__(self) -> str:
        """Tell the key by its hash."""
        return f"DevicePublicKey({self.algorithm.name}, {self.key_hash()})"

    def __eq__(self, other: object) -> bool:
        """Say whether it is the same key with the same algorithm."""
        if not isinstance(other, DevicePublicKey):
            return NotImplemented
        return (self.algorithm, self.key_bytes) == (other.algorithm, other.key_bytes)

    def __hash__(self) -> int:
        """Return the same for equal keys."""
        return hash((self.algorithm, self.key_bytes))

    @classmethod
    def parse(cls, algorithm: int, key_bytes: bytes) -> "DevicePublicKey":
        """Return the key of an algorithm's number in the contract and the key's bytes.

        Refused is also what a signature proves nothing with: a point that is not on the curve, and
        for Ed25519 one of small order, under which one signature fits every message.

        Raises:
            NotADeviceKey: an algorithm that no device has, or bytes that are no key of it.

        """
        match algorithm:
            case KeyAlgorithm.ED25519:
                return cls(_parse_ed25519(key_bytes))
            case KeyAlgorithm.ES256:
                return cls(_parse_es256(key_bytes))
        message = "a device's key is one of Ed25519 or ES256"
        raise NotADeviceKey(message)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Say whether the holder of the private key signed these bytes; any length is taken."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                r, s = signature[:_SCALAR_BYTES], signature[_SCALAR_BYTES:]
                der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
                self._key.verify(der, message, _VERIFY_ES256)
        except InvalidSignature:
            return False
        return True

    def key_hash(self) -> str:
        """Return what the key is known by: see certificate_request.public_key_hash."""
        return public_key_hash(self._key)


class DevicePrivateKey:
    """A phone's private key; its repr shows nothing."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        """Take the key.

        Raises:
            NotADeviceKey: the key is on another curve than P-256.

        """
        if isinstance(key, ec.EllipticCurvePrivateKey) and not isinstance(key.curve, ec.SECP256R1):
            message = "the private key is not on the curve P-256; register the device again"
            raise NotADeviceKey(message)
        self._key = key

    def __repr__(self) -> str:
        """Show nothing."""
        return "DevicePrivateKey()"

    @classmethod
    def generate(cls, algorithm: KeyAlgorithm = KeyAlgorithm.ED25519) -> "DevicePrivateKey":
        """Make a new key from the system's randomness."""
        if algorithm is KeyAlgorithm.ED25519:
            return cls(Ed25519PrivateKey.generate())
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "DevicePrivateKey":
        """Return the key of a PEM text without password.

        Raises:
            NotADeviceKey: no such text, or a key of another kind.

        """
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
            # Without its cause, which may repeat what it read.
            key = None
        if not isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
            message = "this is not the PEM of a device's private key; register the device again"
            raise NotADeviceKey(message)
        return cls(key)

    def to_pem(self) -> bytes:
        """Return the key as PEM (PKCS#8, no password). A secret."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def public(self) -> DevicePublicKey:
        """Return the public half."""
        return DevicePublicKey(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature over the bytes, the same for the same bytes."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = decode_dss_signature(self._key.sign(message, _SIGN_ES256))
        return r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big")


def _parse_ed25519(key_bytes: bytes) -> Ed25519PublicKey:
    if not is_point_of_large_order(key_bytes):
        message = "a key for Ed25519 is 32 bytes: a point on the curve, in its one encoding"
        raise NotADeviceKey(message)
    return Ed25519PublicKey.from_public_bytes(key_bytes)


def _parse_es256(key_bytes: bytes) -> ec.EllipticCurvePublicKey:
    try:
        if len(key_bytes) == _POINT_BYTES and key_bytes[0] == _UNCOMPRESSED:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key_bytes)
    except ValueError:
        pass
    message = "a key for ES256 is 65 bytes: an uncompressed point on the curve P-256"
    raise NotADeviceKey(message)
