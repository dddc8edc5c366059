"""Keys of devices, their signatures, and the proofs that they sign.

Everything is put together by hand: nothing comes from the library that the vectors are to test.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

__all__ = ["ED25519", "ES256", "Device", "device_keys", "device_proofs"]

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
MESSAGE: Final = b"tallymark"
DEVICE_ID: Final = "00018f3c2a7b5d4e6f8091a2b3c4d5e6f7"
REQUEST_ID: Final = "0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"


@dataclass(frozen=True, kw_only=True)
class Device:
    """A key, and what its holder can do with it."""

    algorithm: int
    secret: bytes
    key_bytes: bytes

    def sign(self, message: bytes) -> bytes:
        """Return the only signature of Ed25519, or that of ES256 with the nonce of RFC 6979."""
        if self.algorithm == 1:
            return ed25519.Ed25519PrivateKey.from_private_bytes(self.secret).sign(message)
        key = ec.derive_private_key(int.from_bytes(self.secret, "big"), ec.SECP256R1())
        der = key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def key_hash(self) -> str:
        """Return the SHA-256 of the SubjectPublicKeyInfo (RFC 8410, RFC 5480)."""
        before = {
            1: "302a300506032b6570032100",
            2: "3059301306072a8648ce3d020106082a8648ce3d030107034200",
        }[self.algorithm]
        return hashlib.sha256(bytes.fromhex(before) + self.key_bytes).hexdigest()


def _ed25519_device(name: str) -> Device:
    secret = hashlib.sha256(name.encode()).digest()
    key = ed25519.Ed25519PrivateKey.from_private_bytes(secret).public_key()
    return Device(algorithm=1, secret=secret, key_bytes=key.public_bytes_raw())


def _es256_device(name: str) -> Device:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % P256_ORDER
    key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    point = key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return Device(algorithm=2, secret=number.to_bytes(32, "big"), key_bytes=point)


ED25519: Final = _ed25519_device("tallymark test vector device Ed25519")
ES256: Final = _es256_device("tallymark test vector device ES256")


def device_keys() -> dict[str, Any]:
    """Return keys with a signature each, bytes that are no key, and signatures to refuse."""
    return {
        "valid": [
            {
                "name": name,
                "algorithm": device.algorithm,
                "private_key": device.secret.hex(),
                "key_bytes": device.key_bytes.hex(),
                "key_hash": device.key_hash(),
                "message": MESSAGE.hex(),
                "signature": device.sign(MESSAGE).hex(),
            }
            for name, device in (("Ed25519", ED25519), ("ES256", ES256))
        ],
        "malformed": [
            {"name": name, "algorithm": algorithm, "key_bytes": key_bytes.hex()}
            for name, algorithm, key_bytes in _malformed()
        ],
        "wrong_signatures": [
            {
                "name": name,
                "algorithm": device.algorithm,
                "key_bytes": device.key_bytes.hex(),
                "message": MESSAGE.hex(),
                "signature": signature.hex(),
            }
            for name, device, signature in _wrong_signatures()
        ],
        "other_signatures": [
            {
                "name": "ES256: the second form of a signature is valid too",
                "algorithm": 2,
                "key_bytes": ES256.key_bytes.hex(),
                "message": MESSAGE.hex(),
                "signature": _second_form(ES256.sign(MESSAGE)).hex(),
            }
        ],
    }


def device_proofs() -> list[dict[str, Any]]:
    """Return one proof of each purpose."""
    return [
        _proof("register", ED25519, device_id=""),
        _proof("add", ES256, device_id=""),
        _proof("sign-in", ED25519, device_id=DEVICE_ID),
        _proof("sign-in", ES256, device_id=DEVICE_ID),
    ]


def _proof(purpose: str, device: Device, *, device_id: str) -> dict[str, Any]:
    parts = ["tallymark device proof", 1, purpose, "ana", device_id, REQUEST_ID]
    to_sign = cbor2.dumps([*parts, device.algorithm, device.key_bytes])
    return {
        "purpose": purpose,
        "login_name": "ana",
        "device_id": device_id,
        "request_id": REQUEST_ID,
        "algorithm": device.algorithm,
        "key_bytes": device.key_bytes.hex(),
        "signed_bytes": to_sign.hex(),
        "signature": device.sign(to_sign).hex(),
    }


def _malformed() -> list[tuple[str, int, bytes]]:
    one, point = ED25519.key_bytes, ES256.key_bytes
    small_order = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    return [
        ("no algorithm", 0, one),
        ("an algorithm that no device has", 3, one),
        ("Ed25519: 31 bytes", 1, one[:31]),
        ("Ed25519: 33 bytes", 1, one + b"\x00"),
        ("Ed25519: not on the curve", 1, b"\x02" + bytes(31)),
        ("Ed25519: y not reduced", 1, b"\xee" + b"\xff" * 30 + b"\x7f"),
        ("Ed25519: the neutral element", 1, b"\x01" + bytes(31)),
        ("Ed25519: order 2", 1, b"\xec" + b"\xff" * 30 + b"\x7f"),
        ("Ed25519: order 4", 1, bytes(32)),
        ("Ed25519: order 8", 1, bytes.fromhex(small_order)),
        ("Ed25519: a key of ES256", 1, point),
        ("ES256: infinity", 2, b"\x00"),
        ("ES256: compressed", 2, b"\x02" + point[1:33]),
        ("ES256: hybrid", 2, bytes([6 | point[64] & 1]) + point[1:]),
        ("ES256: 64 bytes", 2, point[1:]),
        ("ES256: 66 bytes", 2, point + b"\x00"),
        ("ES256: not on the curve", 2, point[:64] + bytes([point[64] ^ 1])),
        ("ES256: x not reduced", 2, b"\x04" + P256_PRIME.to_bytes(32, "big") + point[33:]),
        ("ES256: a key of Ed25519", 2, one),
    ]


def _wrong_signatures() -> list[tuple[str, Device, bytes]]:
    good, other = ED25519.sign(MESSAGE), ES256.sign(MESSAGE)
    beyond = int.from_bytes(good[32:], "little") + ED25519_ORDER
    return [
        ("Ed25519: one bit changed", ED25519, good[:63] + bytes([good[63] ^ 1])),
        ("Ed25519: cut off", ED25519, good[:63]),
        ("Ed25519: empty", ED25519, b""),
        ("Ed25519: over another message", ED25519, ED25519.sign(MESSAGE + b".")),
        ("Ed25519: a scalar beyond the order", ED25519, good[:32] + beyond.to_bytes(32, "little")),
        ("Ed25519: of the key for ES256", ED25519, other),
        ("ES256: one bit changed", ES256, other[:63] + bytes([other[63] ^ 1])),
        ("ES256: a byte more", ES256, other + b"\x00"),
        ("ES256: zeros", ES256, bytes(64)),
        ("ES256: r of the order", ES256, P256_ORDER.to_bytes(32, "big") + other[32:]),
        ("ES256: over another message", ES256, ES256.sign(MESSAGE + b".")),
        ("ES256: in DER", ES256, _in_der(other)),
    ]


def _second_form(signature: bytes) -> bytes:
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    return signature[:32] + s.to_bytes(32, "big")


def _in_der(signature: bytes) -> bytes:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return utils.encode_dss_signature(r, s)
