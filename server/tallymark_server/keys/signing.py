"""The keys that sign codes: one signs, those before it are still good until their codes have ended.

    signing.json       the numbers in the ring, from when to when each is good, which one signs, and
                       the MAC keys of those that are gone
    signing-NNN.pem    Ed25519 private key number NNN, the one-byte kid in the header of a code

A code's kid alone chooses the key; a number that is not in the ring is refused. The MAC key of
codes is derived from the signing key of the same number, so the two are replaced together.
"""

import threading
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tallymark_protocol.code_keys import VerificationKey
from tallymark_server.keys.folder import KeyFolder
from tallymark_server.keys.private_key import new_private_key, read_private_key
from tallymark_server.keys.ring import KeyFacts, KeyNotFound, NoNumberFree

__all__ = ["CODE_LIFE_SECONDS_MAX", "MARGIN_SECONDS", "SigningKey", "SigningRing"]

CODE_LIFE_SECONDS_MAX: Final = 3_600
"""The longest life that the policy can give a code: so long the key before is good for them."""

MARGIN_SECONDS: Final = 60
"""How much longer than needed a key is good, at both of its ends.

A code may be in the making while the key changes, and a terminal's clock may be behind.
"""

FOREVER: Final = 2**32 - 1
"""Second at which codes cannot express a later expiry; keys without an end are valid until then."""

_IDS: Final = range(1, 256)
_INDEX: Final = "signing.json"
_KIND: Final = "signing"


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A key of the ring, with the MAC key of its number."""

    key_id: int
    private_key: Ed25519PrivateKey = field(repr=False)
    mac_key: bytes = field(repr=False)
    made_at: int
    """Time since which it signs, in milliseconds; 0: since before there was a ring."""

    valid_until_seconds: int
    """Second from which nothing that it signed is accepted."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    key_id: int
    made_at: int
    valid_until_seconds: int


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    signs: int
    keys: tuple[_Entry, ...]
    gone: dict[int, str] = {}


class _Ring(NamedTuple):
    """The keys by their numbers, and the number of the one that signs: replaced as a whole."""

    keys: dict[int, SigningKey]
    signs: int
    gone: dict[int, bytes]
    """MAC keys of numbers that no key has any more."""


class SigningRing:
    """The keys by their numbers. It may be read from any thread while another one changes it."""

    def __init__(self, folder: KeyFolder) -> None:
        """Read the ring in the folder; make its first key in a new one.

        Raises:
            KeysRefused: a key is missing or is no key.

        """
        self._folder = folder
        self._changing = threading.Lock()
        if not folder.names("signing-", ".pem"):
            with folder.making(_KIND):
                folder.write(_file_of(_IDS[0]), new_private_key())
        index = msgspec.json.decode(folder.read_or_make(_INDEX, _first_index), type=_Index)
        keys = {entry.key_id: _read(folder, entry) for entry in index.keys}
        gone = {key_id: bytes.fromhex(mac_key) for key_id, mac_key in index.gone.items()}
        self._ring = _Ring(keys, index.signs, gone)
        self._remove_other_files()

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        ring = self._ring
        return ring.keys[ring.signs]

    def find(self, key_id: int) -> SigningKey | None:
        """Return the key with this number, whether its time is over or not."""
        return self._ring.keys.get(key_id)

    def find_valid(self, key_id: int, now: int) -> SigningKey | None:
        """Return the key with this number if a code that it signed may be accepted now."""
        key = self._ring.keys.get(key_id)
        return key if key is not None and now < key.valid_until_seconds * 1000 else None

    def gone_mac_key(self, key_id: int) -> bytes | None:
        """Return the MAC key of a key that is gone.

        With it a code of that key is recognised without looking a row up, and refused all the same;
        only what was decided about it before is still told.
        """
        return self._ring.gone.get(key_id)

    def verification_keys(self) -> list[VerificationKey]:
        """Return the public keys, by their numbers."""
        return [
            VerificationKey(
                key_id=key.key_id,
                public_key=key.private_key.public_key(),
                valid_from_seconds=max(0, key.made_at // 1000 - MARGIN_SECONDS),
                valid_until_seconds=key.valid_until_seconds,
            )
            for key in _in_order(self._ring)
        ]

    def facts(self) -> list[KeyFacts]:
        """Return what may be told of the keys, by their numbers."""
        ring = self._ring
        return [
            KeyFacts(
                key_id=key.key_id,
                is_in_use=key.key_id == ring.signs,
                made_at=key.made_at,
                ends_at=0 if key.valid_until_seconds == FOREVER else key.valid_until_seconds * 1000,
            )
            for key in _in_order(ring)
        ]

    def rotate(self, now: int) -> SigningKey:
        """Make the next key and sign with it; the one before it ends after the longest code life.

        Raises:
            NoNumberFree: all 255 numbers are still good.
            OSError: the key could not be written; the ring is as it was.

        """
        with self._changing:
            self._drop_ended(now)
            ends_at_seconds = now // 1000 + CODE_LIFE_SECONDS_MAX + MARGIN_SECONDS
            ending = replace(self.current, valid_until_seconds=ends_at_seconds)
            return self._sign_with_next({**self._ring.keys, ending.key_id: ending}, now)

    def revoke(self, key_id: int, now: int) -> SigningKey:
        """Refuse whatever this key has signed, from now on, and return the key that signs.

        If it was the one that signs, another one is made first.

        Raises:
            KeyNotFound: the ring has no such key.
            NoNumberFree: all 255 numbers are still good.
            OSError: a file could not be written, and the ring is as it was; or the file of the key
                could not be removed.

        """
        with self._changing:
            keys, signs, _ = self._ring
            if key_id not in keys:
                raise KeyNotFound
            left = {number: key for number, key in keys.items() if number != key_id}
            if key_id == signs:
                return self._sign_with_next(left, now)
            self._keep(left, signs)
            return self.current

    def drop_ended(self, now: int) -> None:
        """Forget the keys whose time is over, and remove their files."""
        with self._changing:
            self._drop_ended(now)

    def _drop_ended(self, now: int) -> None:
        keys, signs, _ = self._ring
        valid = {
            number: key for number, key in keys.items() if now < key.valid_until_seconds * 1000
        }
        if len(valid) < len(keys):
            self._keep(valid, signs)

    def _sign_with_next(self, kept: dict[int, SigningKey], now: int) -> SigningKey:
        """Write a new key, then the index that lets it sign, and only then sign with it."""
        following = (*range(self._ring.signs + 1, _IDS.stop), *_IDS)
        free = [number for number in following if number not in self._ring.keys]
        if not free:
            raise NoNumberFree
        entry = _Entry(key_id=free[0], made_at=now, valid_until_seconds=FOREVER)
        self._folder.write(_file_of(entry.key_id), new_private_key())
        key = _read(self._folder, entry)
        self._keep({**kept, key.key_id: key}, key.key_id)
        return key

    def _keep(self, keys: dict[int, SigningKey], signs: int) -> None:
        """Keep these keys and no others, in the index first: it decides what a restart finds."""
        known = {**self._ring.gone, **{key.key_id: key.mac_key for key in self._ring.keys.values()}}
        gone = {key_id: mac_key for key_id, mac_key in known.items() if key_id not in keys}
        ring = _Ring(keys, signs, gone)
        entries = tuple(
            _Entry(
                key_id=key.key_id,
                made_at=key.made_at,
                valid_until_seconds=key.valid_until_seconds,
            )
            for key in ring.keys.values()
        )
        index = _Index(
            signs=signs,
            keys=entries,
            gone={key_id: mac_key.hex() for key_id, mac_key in gone.items()},
        )
        self._folder.write(_INDEX, msgspec.json.encode(index))
        self._ring = ring
        self._remove_other_files()

    def _remove_other_files(self) -> None:
        files = {_file_of(number) for number in self._ring.keys}
        for name in self._folder.names("signing-", ".pem"):
            if name not in files:
                self._folder.remove(name)


def _in_order(ring: _Ring) -> list[SigningKey]:
    return sorted(ring.keys.values(), key=lambda key: key.key_id)


def _first_index() -> bytes:
    first = _Entry(key_id=_IDS[0], made_at=0, valid_until_seconds=FOREVER)
    return msgspec.json.encode(_Index(signs=first.key_id, keys=(first,)))


def _read(folder: KeyFolder, entry: _Entry) -> SigningKey:
    private_key = read_private_key(folder, _file_of(entry.key_id))
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tallymark code mac")
    return SigningKey(
        key_id=entry.key_id,
        private_key=private_key,
        mac_key=hkdf.derive(private_key.private_bytes_raw()),
        made_at=entry.made_at,
        valid_until_seconds=entry.valid_until_seconds,
    )


def _file_of(key_id: int) -> str:
    return f"signing-{key_id:03d}.pem"
