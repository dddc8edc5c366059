"""Inputs that are almost right: what CI tries, and a campaign where no guided fuzzer can be had."""

import random
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["Mutator"]

CHANGES_MAX: Final = 4
PIECE_BYTES_MAX: Final = 32

# Where lengths, signs and types turn: of CBOR, DER, protobuf, JSON and integers.
_EDGES: Final = bytes.fromhex("00 01 17 18 1f 20 3f 40 5f 60 7f 80 9f a0 bf c0 d8 f6 f9 fb ff")
_TOKENS: Final = (
    *(
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"NaN",
        b"Infinity",
        b"[]",
        b"{}",
        b'""',
        b'"',
        b"\\ud800",
    ),
    *(
        b"9" * 20,
        b"9" * 5_000,
        b"[" * 2_000,
        b'{"a":' * 2_000,
        b"\x00",
        b"\n",
        b"\r\n",
        b"\xed\xa0\x80",
    ),
    *(b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x80" + b"\x00" * 7, b"\xbb" + b"\xff" * 8),
    *(
        b"\x9f",
        b"\xbf",
        b"\x5f\x41\x00\xff",
        b"\xc1\xf9\x7e\x00",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
    ),
)


class Mutator:
    """Makes inputs from good ones; the same seed makes the same ones."""

    def __init__(self, corpus: Sequence[bytes], *, seed: str, size_max: int) -> None:
        """Take what to start from, and how long an input may be."""
        self._corpus = corpus
        self._size_max = size_max
        self._random = random.Random(seed)  # noqa: S311 -- repeatable is what it is for
        self._changes: tuple[Callable[[bytearray], None], ...] = (
            *(self._flip, self._overwrite, self._count, self._insert, self._plant),
            *(self._remove, self._repeat, self._cut, self._splice),
        )

    def next(self) -> bytes:
        """Return the next input: a good one with one to four changes, sometimes mere noise."""
        chance = self._random
        if chance.random() < 0.01:
            return chance.randbytes(chance.randrange(64))
        data = bytearray(chance.choice(self._corpus))
        for _ in range(chance.randint(1, CHANGES_MAX)):
            chance.choice(self._changes)(data)
        return bytes(data[: self._size_max])

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _overwrite(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] = self._random.choice(_EDGES)

    def _count(self, data: bytearray) -> None:
        if data:
            place = self._random.randrange(len(data))
            data[place] = (data[place] + self._random.choice((1, -1))) % 256

    def _insert(self, data: bytearray) -> None:
        piece = self._random.randbytes(self._random.randint(1, 4))
        place = self._random.randint(0, len(data))
        data[place:place] = piece

    def _plant(self, data: bytearray) -> None:
        begin, end = self._piece(data)
        data[begin : self._random.choice((begin, end))] = self._random.choice(_TOKENS)

    def _remove(self, data: bytearray) -> None:
        begin, end = self._piece(data)
        del data[begin:end]

    def _repeat(self, data: bytearray) -> None:
        begin, end = self._piece(data)
        data[end:end] = data[begin:end] * self._random.choice((1, 1, 2, 50))

    def _cut(self, data: bytearray) -> None:
        del data[self._random.randint(0, len(data)) :]

    def _splice(self, data: bytearray) -> None:
        other = self._random.choice(self._corpus)
        begin, end = self._piece(other)
        place = self._random.randint(0, len(data))
        data[place : place + self._random.choice((0, end - begin))] = other[begin:end]

    def _piece(self, data: bytes | bytearray) -> tuple[int, int]:
        begin = self._random.randint(0, len(data))
        return begin, min(len(data), begin + self._random.randint(1, PIECE_BYTES_MAX))
