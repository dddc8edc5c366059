"""The newest codes in memory, so that an altered one is refused without asking the store.

The MAC of a code cannot cover its signature, which covers the MAC. So a thief can change the
signature of a genuine code, and only the hash of the whole text tells. Codes that were issued since
the start are compared here; for one from before a restart the store is asked, as for a genuine one.
"""

from collections import OrderedDict
from typing import Final

__all__ = ["IssuedCodes"]

REMEMBERED_MAX: Final = 100_000
"""Codes of a minute and a half at a thousand a second; some 25 MB."""


class IssuedCodes:
    """Hashes of the texts of the newest codes, by the hashes of their ids."""

    def __init__(self, *, remembered_max: int = REMEMBERED_MAX) -> None:
        """Start knowing none."""
        self._text_hashes: OrderedDict[str, str] = OrderedDict()
        self._remembered_max = remembered_max

    def remember(self, cti_hash: str, text_hash: str) -> None:
        """Keep a code that was issued; the oldest makes place for it."""
        self._text_hashes[cti_hash] = text_hash
        if len(self._text_hashes) > self._remembered_max:
            self._text_hashes.popitem(last=False)

    def is_altered(self, cti_hash: str, text_hash: str) -> bool:
        """Say whether the code with this id is known to have another text."""
        return self._text_hashes.get(cti_hash, text_hash) != text_hash
