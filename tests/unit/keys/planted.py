"""Cells with a planted bug, to show that the tests of the real ones would find it."""

from base64 import b64decode
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallymark_server.keys.cells import Cells
from tallymark_server.keys.folder import KeyFolder

__all__ = ["PLANTED_BUGS", "Planted"]


class _AnyPlace:
    """A cipher that authenticates no place."""

    def __init__(self, cipher: AESGCM) -> None:
        self._cipher = cipher

    def encrypt(self, nonce: bytes, body: bytes, _: bytes) -> bytes:
        return self._cipher.encrypt(nonce, body, b"")

    def decrypt(self, nonce: bytes, body: bytes, _: bytes) -> bytes:
        return self._cipher.decrypt(nonce, body, b"")


class Planted(Cells):
    """Cells with a bug, and the misuse that it allows."""

    @staticmethod
    def misuse(cells: Cells, cell: str) -> bytes:
        """Open a cell of customers/000ana, sealed with key 1, as nobody should be able to."""
        raise NotImplementedError


class PlaceLeftOut(Planted):
    """The associated data is left out: a body opens in any row."""

    def __init__(self, folder: KeyFolder) -> None:
        super().__init__(folder)
        for key in self._keys.values():
            key.cipher = _AnyPlace(key.cipher)  # type: ignore[assignment]  # the bug

    @staticmethod
    def misuse(cells: Cells, cell: str) -> bytes:
        return cells.open("customers", "000bob", cell)


class TriesAllKeys(Planted):
    """The number of the key does not choose it: each one is tried, and none is bound to it."""

    def seal(self, table: str, row_key: str, body: bytes) -> str:
        place, self._current.place = self._current.place, _unnumbered  # type: ignore[method-assign]
        try:
            return super().seal(table, row_key, body)
        finally:
            self._current.place = place  # type: ignore[method-assign]

    def open(self, table: str, row_key: str, text: str) -> bytes:
        sealed = b64decode(text.partition(".")[2])
        for key in self._keys.values():
            with suppress(InvalidTag):
                return key.cipher.decrypt(sealed[:12], sealed[12:], _unnumbered(table, row_key))
        return super().open(table, row_key, text)

    @staticmethod
    def misuse(cells: Cells, cell: str) -> bytes:
        return cells.open("customers", "000ana", f"2.{cell.removeprefix('1.')}")


def _unnumbered(table: str, row_key: str) -> bytes:
    return f"{table}/{row_key}".encode()


PLANTED_BUGS = (PlaceLeftOut, TriesAllKeys)
