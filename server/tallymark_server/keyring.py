"""The server's secrets: they live in a folder of their own, never in the database.

    keys/master.key        32 random bytes; every symmetric key but those of cells is derived from
                           it (HKDF, RFC 5869) under a label of its own
    keys/signing-NNN.pem   Ed25519 private keys by number (the one-byte kid), which sign codes
    keys/cells-NNN.key     keys by number, which seal the bodies of rows
    keys/audit.pem         Ed25519 private key that signs checkpoints of the journal
    keys/epoch             number that is signed along with every code; raised after a restore
    keys/mark              how far the database had come, see high_water.py

Whoever has a copy of the database but not this folder can neither make a code, nor read a row that
tells of a person, nor link a hash to a name or a telephone number.
"""

import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tallymark_protocol.code_keys import VerificationKey
from tallymark_server.keys.cells import Cells
from tallymark_server.keys.folder import KeyFolder, KeysRefused
from tallymark_server.keys.private_key import new_private_key, read_private_key
from tallymark_server.keys.signing import SigningRing

__all__ = ["Keyring", "secret_hash"]

MASTER_BYTES: Final = 32

_log = logging.getLogger(__name__)


def secret_hash(secret: str) -> str:
    """Return the SHA-256 of a secret, which is all that is stored of it.

    A secret of 32 random bytes cannot be guessed from its hash.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


class Keyring:
    """Every secret operation of the server. Its repr shows nothing."""

    def __init__(  # noqa: PLR0913 -- one for each kind of secret
        self,
        *,
        master: bytes,
        epoch: int,
        signing: SigningRing,
        cells: Cells,
        audit_key: Ed25519PrivateKey,
        keep_epoch: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Derive the keys; `master` is 32 random bytes."""
        self.epoch = epoch
        self.signing = signing
        self.cells = cells
        self._keep_epoch = keep_epoch
        self._audit_key = audit_key
        self._secrets_key = _derive(master, "secrets of answers")
        self._fingerprints_key = _derive(master, "fingerprints of requests")
        self._numbers_key = _derive(master, "telephone numbers")
        self._logins_key = _derive(master, "login names")
        self._references_key = _derive(master, "customer references")
        self.records_key = _derive(master, "records of terminals")
        self.witness_key = _derive(master, "witnesses")

    @classmethod
    def open(
        cls, path: Path, *, make_missing: bool = True, passphrase: bytes | None = None
    ) -> "Keyring":
        """Read the keys in the folder; make what is missing, if that is wanted (see `KeyFolder`).

        Raises:
            KeysRefused: they are missing, are no keys, or the passphrase is not theirs.

        """
        return cls.read(KeyFolder.open(path, make_missing=make_missing, passphrase=passphrase))

    @classmethod
    def read(cls, folder: KeyFolder) -> "Keyring":
        """Read the keys in an open folder, and make those that it may make.

        Raises:
            KeysRefused: some are missing, or are no keys.

        """
        is_new = not folder.has("master.key")
        master = folder.read_or_make("master.key", lambda: secrets.token_bytes(MASTER_BYTES))
        if len(master) != MASTER_BYTES:  # from an empty file anybody could derive the keys
            message = f"the master key in {folder.path} does not have {MASTER_BYTES} bytes"
            raise KeysRefused(message)
        folder.read_or_make("audit.pem", new_private_key)
        keyring = cls(
            master=master,
            epoch=int(folder.read_or_make("epoch", lambda: b"1\n")),
            keep_epoch=lambda epoch: folder.write("epoch", b"%d\n" % epoch),
            signing=SigningRing(folder),
            cells=Cells(folder),
            audit_key=read_private_key(folder, "audit.pem"),
        )
        if is_new:
            _log.info("made new keys in %s; keep a backup of them, not with the data", folder.path)
        return keyring

    def raise_epoch(self, epoch: int) -> None:
        """Let every code of earlier epochs be dead, durably.

        Raises:
            OSError: it could not be written; the epoch is as it was.

        """
        assert epoch > self.epoch, "an epoch never comes again"
        self._keep_epoch(epoch)
        self.epoch = epoch

    @property
    def audit_public_key(self) -> Ed25519PublicKey:
        """The key that verifies checkpoints. It does not change: others keep it."""
        return self._audit_key.public_key()

    def sign_checkpoint(self, statement: bytes) -> bytes:
        """Return the signature, 64 bytes, of a statement on the journal."""
        return self._audit_key.sign(statement)

    def verification_keys(self) -> list[VerificationKey]:
        """Return the public keys that verify codes, by their numbers."""
        return self.signing.verification_keys()

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
