"""The caller's table of keys that codes may be signed with; the table, not the code, is trusted."""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tallymark_protocol.code_errors import CodeKeyUnknown

__all__ = ["VerificationKey", "VerificationKeys"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationKey:
    """One key, which verifies by Ed25519 and nothing else, whatever a code says."""

    key_id: int
    """Number that a code's header carries (COSE kid), 0 to 255."""

    public_key: Ed25519PublicKey

    valid_from_seconds: int
    """First second since 1970 at which the key is valid."""

    valid_until_seconds: int
    """Second from which the key is refused, whatever the expiry of the code."""

    def is_valid_at(self, now_seconds: float) -> bool:
        """Say whether the key may verify a code now."""
        return self.valid_from_seconds <= now_seconds < self.valid_until_seconds


class VerificationKeys:
    """A table of keys by their number; a key is looked up, never tried.

    Raises:
        ValueError: two keys with the same number, or a number that is not one byte.

    """

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        """Take the keys, in any order."""
        self._key_of_id: dict[int, VerificationKey] = {}
        for key in keys:
            if not 0 <= key.key_id <= 255:  # noqa: PLR2004 - one byte
                message = f"key number {key.key_id} is not one byte"
                raise ValueError(message)
            if key.key_id in self._key_of_id:
                message = f"two keys have the number {key.key_id}"
                raise ValueError(message)
            self._key_of_id[key.key_id] = key

    def valid_key(self, key_id: int, now_seconds: float) -> VerificationKey:
        """Return the key with this number.

        Raises:
            CodeKeyUnknown: there is none, or it is not valid now.

        """
        key = self._key_of_id.get(key_id)
        if key is None:
            message = f"key {key_id} is not in the table; fetch the verification keys again"
            raise CodeKeyUnknown(message)
        if not key.is_valid_at(now_seconds):
            message = f"key {key_id} is not valid at this time; ask the phone for a new code"
            raise CodeKeyUnknown(message)
        return key
