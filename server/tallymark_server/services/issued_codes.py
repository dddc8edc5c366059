"""The newest codes in memory: a genuine one is known by its text, an altered one by its id.

The MAC of a code cannot cover its signature, which covers the MAC. So a thief can change the
signature of a genuine code, and only the hash of the whole text tells. Codes that were issued since
the start are compared here; for one from before a restart the store is asked, as for a genuine one.
"""

from collections import OrderedDict
from typing import Final

from tallymark_server.domain.value import Value

__all__ = ["IssuedCode", "IssuedCodes"]

REMEMBERED_MAX: Final = 100_000
"""Codes of a minute and a half at a thousand a second; 48 MB (measured)."""


class IssuedCode(Value, frozen=True, kw_only=True):
    """Where a code is stored: partition, expiry second, and hashes; and the key that signed it."""

    partition: int
    expires_at_seconds: int
    cti_hash: str
    text_hash: str
    key_id: int


class IssuedCodes:
    """The newest codes."""

    def __init__(self, *, remembered_max: int = REMEMBERED_MAX) -> None:
        """Start knowing none."""
        self._by_text: OrderedDict[str, IssuedCode] = OrderedDict()
        self._text_hashes: dict[str, str] = {}
        self._remembered_max = remembered_max

    def remember(self, code: IssuedCode) -> None:
        """Keep a code that was issued; the oldest makes place for it."""
        self._by_text[code.text_hash] = code
        self._text_hashes[code.cti_hash] = code.text_hash
        if len(self._by_text) > self._remembered_max:
            _, oldest = self._by_text.popitem(last=False)
            del self._text_hashes[oldest.cti_hash]

    def find(self, text_hash: str) -> IssuedCode | None:
        """Return the code with this text."""
        return self._by_text.get(text_hash)

    def is_altered(self, cti_hash: str, text_hash: str) -> bool:
        """Say whether the code with this id is known to have another text."""
        return self._text_hashes.get(cti_hash, text_hash) != text_hash
