"""The server's secrets: they live in a folder of their own, never in the database.

    keys/master.key        32 random bytes; every symmetric key is derived from it (HKDF, RFC 5869)
                           under a label of its own
    keys/signing-NNN.pem   Ed25519 private key number NNN (the one-byte kid), which signs codes
    keys/epoch             number that is signed along with every code

The folder is 0700, the files are 0600. Whoever has a copy of the database but not this folder can
neither make a code nor link a hash to a telephone number.
"""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tallymark_protocol.code_keys import VerificationKey

__all__ = ["Keyring", "secret_hash"]

_FOREVER: Final = 2**32 - 1
"""Second at which codes cannot express a later expiry; keys without an end are valid until then."""

_FIRST_KEY_ID: Final = 1

MASTER_BYTES: Final = 32


def secret_hash(secret: str) -> str:
    """Return the SHA-256 of a secret, which is all that is stored of it.

    A secret of 32 random bytes cannot be guessed from its hash.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


class Keyring:
    """Every secret operation of the server. Its repr shows nothing."""

    def __init__(self, *, master: bytes, signing_key: Ed25519PrivateKey, epoch: int) -> None:
        """Derive the keys; `master` is 32 random bytes."""
        self.epoch = epoch
        self.signing_key = signing_key
        self.signing_key_id = _FIRST_KEY_ID
        self.code_mac_key = _derive(master, "code mac")
        self._secrets_key = _derive(master, "secrets of answers")
        self._fingerprints_key = _derive(master, "fingerprints of requests")
        self._numbers_key = _derive(master, "telephone numbers")
        self._logins_key = _derive(master, "login names")
        self._references_key = _derive(master, "customer references")

    @classmethod
    def open(cls, folder: Path, *, make_missing: bool = True) -> "Keyring":
        """Read the keys in the folder; make what is missing, if that is wanted.

        Beside an existing database new keys would be worse than none: numbers and requests in it
        could never be found again.
        """
        if not make_missing and not (folder / "master.key").exists():
            message = f"the keys in {folder} are missing; put them back from your backup"
            raise RuntimeError(message)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(folder.parent)
        signing = _read_or_make(folder / f"signing-{_FIRST_KEY_ID:03d}.pem", _new_signing_key)
        private_key = serialization.load_pem_private_key(signing, password=None)
        if not isinstance(private_key, Ed25519PrivateKey):
            message = f"the signing key in {folder} is not an Ed25519 key"
            raise TypeError(message)
        master = _read_or_make(folder / "master.key", lambda: secrets.token_bytes(MASTER_BYTES))
        if len(master) != MASTER_BYTES:  # from an empty file anybody could derive the keys
            message = f"the master key in {folder} does not have {MASTER_BYTES} bytes"
            raise RuntimeError(message)
        return cls(
            master=master,
            signing_key=private_key,
            epoch=int(_read_or_make(folder / "epoch", lambda: b"1\n")),
        )

    def verification_keys(self) -> list[VerificationKey]:
        """Return the public keys that verify codes."""
        return [
            VerificationKey(
                key_id=self.signing_key_id,
                public_key=self.signing_key.public_key(),
                valid_from_seconds=0,
                valid_until_seconds=_FOREVER,
            )
        ]

    def derive_secret(self, label: str, *names: str) -> str:
        """Return the secret of 32 bytes that belongs to these names, always the same.

        It is text, with the label before it.
        """
        digest = _mac(self._secrets_key, label, *names)
        return f"{label}_{urlsafe_b64encode(digest).decode().rstrip('=')}"

    def derive_bytes(self, length: int, *names: str) -> bytes:
        """Return up to 32 unguessable bytes that belong to these names, always the same."""
        return _mac(self._secrets_key, *names)[:length]

    def derive_digits(self, count: int, *names: str) -> str:
        """Return decimal digits that belong to these names, always the same."""
        number = int.from_bytes(_mac(self._secrets_key, *names), "big")
        return f"{number % 10**count:0{count}d}"

    def fingerprint(self, body: bytes) -> str:
        """Return a keyed hash of a request's body, from which a thief cannot guess the body."""
        return hmac.digest(self._fingerprints_key, body, "sha256").hex()

    def login_hash(self, login_name: str) -> str:
        """Return the keyed hash under which the directory keeps a login name."""
        return _mac(self._logins_key, login_name).hex()

    def number_hash(self, telephone_number: str) -> str:
        """Return the keyed hash under which the directory keeps a number."""
        return _mac(self._numbers_key, telephone_number).hex()

    def number_code_hash(self, number_code: str) -> str:
        """Return what is stored of a verification code, whose six digits any other hash would tell.

        It is empty for no code.
        """
        return _mac(self._numbers_key, "code", number_code).hex() if number_code else ""

    def customer_reference(self, merchant_id: str, customer_id: str) -> str:
        """Return the reference of a customer that only this merchant knows."""
        return _mac(self._references_key, merchant_id, customer_id)[:12].hex()


def _mac(key: bytes, *names: str) -> bytes:
    """Return the HMAC of a list of names, each after its length so that no two lists collide."""
    parts = [name.encode() for name in names]
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(key, framed, "sha256")


def _derive(master: bytes, label: str) -> bytes:
    info = b"tallymark " + label.encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master)


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the file's content, after writing it durably if it was not there."""
    if not path.exists():
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        _sync_folder(path.parent)
    return path.read_bytes()


def _sync_folder(folder: Path) -> None:
    """Have the names in the folder survive a power cut, as the database does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
