"""The cards that tokens stand for, sealed with a key that is not in the journal.

The host wants the number in every message, so the gateway has to keep it. Number and date are
sealed with AES-256-GCM under a key of 32 bytes in a file of its own; the place of a card in the
journal is a hash of its token, to which the seal is bound. So the journal alone is worth nothing:
it has neither numbers, nor tokens that could be charged.
"""

import hashlib
import hmac
import os
import stat
from pathlib import Path
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Card", "CardVault", "KeyUnusable", "card_key"]

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
"""96 bits at random: after 2^32 cards under one key two would share one with a chance of 2^-33."""


class KeyUnusable(Exception):
    """The key cannot be used, or is not the one that cards were sealed with."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What the host wants of a card."""

    number: str
    expires_on: str
    """Last month of validity, "YYYY-MM"."""

    def __repr__(self) -> str:
        """Show what receipts show."""
        return f"Card(...{self.number[-4:]})"


class CardVault:
    """Seals and opens cards, and has the key that makes their tokens."""

    def __init__(self, key: bytes) -> None:
        """Take the key, 32 bytes."""
        self._cipher = AESGCM(_derived(key, b"card vault"))
        self.token_key = _derived(key, b"card tokens")

    @classmethod
    def open(cls, path: Path, *, may_make: bool) -> Self:
        """Read the key file, or make it. Blocks. Raises KeyUnusable."""
        try:
            if may_make and not path.exists():
                _make_key(path)
            mode = stat.S_IMODE(path.stat().st_mode)
            key = path.read_bytes()
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}. Put the key of the cards back."
            raise KeyUnusable(message) from error
        if mode & 0o077:
            message = f"{path} may be read by others. Run: chmod 600 {path}"
            raise KeyUnusable(message)
        if len(key) != _KEY_BYTES:
            message = f"{path} is not a key of {_KEY_BYTES} bytes. Put it back from your backup."
            raise KeyUnusable(message)
        return cls(key)

    def seal(self, place: str, card: Card) -> bytes:
        """Return a card as it is kept in this place."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.json.encode(card), place.encode())

    def unseal(self, place: str, sealed: bytes) -> Card:
        """Return a card that is kept in this place. Raises KeyUnusable."""
        try:
            opened = self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode()
            )
        except InvalidTag:
            message = "A card was sealed with another key. Put the key of the cards back."
            raise KeyUnusable(message) from None
        return msgspec.json.decode(opened, type=Card)


def card_key(token: str) -> str:
    """Return the place of a card in the journal; tokens have 160 bits, so no hash is undone."""
    return hashlib.sha256(token.encode()).hexdigest()


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, purpose, "sha256")


def _make_key(path: Path) -> None:
    """Write a new key, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
