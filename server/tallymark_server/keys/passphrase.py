"""What a passphrase protects: files encrypted under a key that only the passphrase gives."""

import os
from pathlib import Path
from typing import Final

from argon2.low_level import Type, hash_secret_raw
from argon2.profiles import RFC_9106_LOW_MEMORY
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["SALT_BYTES", "DoesNotOpen", "FileCipher", "KeysRefused", "passphrase_in"]

SALT_BYTES: Final = 16
"""RFC 9106, section 4: 128 bits are sufficient for all applications."""

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class KeysRefused(RuntimeError):
    """The keys cannot be used; the message says why and what to do."""


class DoesNotOpen(Exception):
    """The content was encrypted under another passphrase or name, or was changed."""


class FileCipher:
    """AES-256-GCM under a key that Argon2id makes of a passphrase and a random salt.

    The parameters are the second recommended ones of RFC 9106 (3 passes, 64 MiB, 4 lanes): each
    guess takes some 60 ms of this machine's two cores.
    """

    def __init__(self, passphrase: bytes, salt: bytes) -> None:
        """Derive the key."""
        key = hash_secret_raw(
            secret=passphrase,
            salt=salt,
            time_cost=RFC_9106_LOW_MEMORY.time_cost,
            memory_cost=RFC_9106_LOW_MEMORY.memory_cost,
            parallelism=RFC_9106_LOW_MEMORY.parallelism,
            hash_len=_KEY_BYTES,
            type=Type.ID,
        )
        self._cipher = AESGCM(key)

    def encrypt(self, name: str, content: bytes) -> bytes:
        """Return the content of the file with this name, encrypted under a random nonce."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, name.encode())

    def decrypt(self, name: str, encrypted: bytes) -> bytes:
        """Return what was encrypted for the file with this name.

        Raises:
            DoesNotOpen: it was not encrypted so.

        """
        nonce, rest = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, name.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short for a nonce
            raise DoesNotOpen from error


def passphrase_in(file: Path) -> bytes:
    """Return the passphrase in a file, without line breaks at its end.

    Others may be able to read the file: where secrets are mounted, they are mounted as they are.

    Raises:
        KeysRefused: it is empty.
        OSError: the file cannot be read.

    """
    passphrase = file.read_bytes().rstrip(b"\r\n")
    if not passphrase:
        message = f"the passphrase in {file} is empty"
        raise KeysRefused(message)
    return passphrase
