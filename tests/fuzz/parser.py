"""What every reader of foreign bytes promises, and the check of one input against it.

1. It returns, or raises what it documents, and nothing else.
2. It needs no more time and memory than its budget for an input of this length.
3. What it refuses, it refuses in a few words, and none of them from the input, which may be secret.
4. What it accepts, written again, are the same bytes; or, where a format has several forms of the
   same content, bytes that are read as the same content.
"""

import re
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Broken", "Budget", "Parser", "Tried"]

REFUSAL_CHARACTERS_MAX: Final = 1_000
"""A refusal is for people; one that repeats its input is longer."""

SAMPLE_BYTES: Final = 10
"""So much of an input stands in no sentence by chance."""

SHOWN_BYTES_MAX: Final = 16_384

_WORDS: Final = re.compile(rb"[A-Za-z_ ,.;:()]*")

LOOKS_TO_BE_SURE: Final = 3
"""How often a slow input is read again before it counts: it may have met the collector."""


class Broken(AssertionError):
    """A parser broke its promise; the message tells which, and the input in hexadecimal digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What reading may cost."""

    milliseconds: float = 20.0
    microseconds_per_byte: float = 20.0
    kibibytes: float = 256.0
    bytes_per_byte: float = 200.0
    """Of memory for each byte of input, as Python's allocator counts it."""

    def seconds_for(self, size: int) -> float:
        """Return how much of a processor's time an input of this many bytes may take."""
        return self.milliseconds / 1e3 + self.microseconds_per_byte / 1e6 * size

    def bytes_for(self, size: int) -> float:
        """Return how much memory an input of this many bytes may take at its peak."""
        return self.kibibytes * 1024 + self.bytes_per_byte * size


@dataclass(frozen=True, kw_only=True, slots=True)
class Parser:
    """One reader of foreign bytes."""

    name: str

    read: Callable[[bytes], Any]
    """Returns what it understood."""

    refusals: tuple[type[Exception], ...]
    """What it documents to raise."""

    seeds: Callable[[], Sequence[bytes]]
    """Makes inputs from which mutation starts; all of them are accepted."""

    write: Callable[[Any], bytes] | None = None
    """Writes again what was understood; None for what only reads."""

    is_canonical: bool = True
    """Whether there is one form only, so that what is written again is the input itself."""

    may_quote: bool = False
    """Whether a refusal may show a piece of the input, because that is no secret."""

    budget: Budget = field(default_factory=Budget)

    size_max: int = 4096
    """Longest input to make, in bytes: above the longest good one."""


@dataclass(kw_only=True, slots=True)
class Tried:
    """What came of many inputs of one parser."""

    inputs: int = 0
    accepted: int = 0
    weighed: int = 0
    """Inputs whose memory was measured."""

    slowest_milliseconds: float = 0.0
    most_kibibytes: float = 0.0

    def feed(self, parser: Parser, data: bytes, *, weigh: bool = False) -> bool:
        """Give one input to the parser, and say whether it was accepted; raises Broken."""
        self.inputs += 1
        begun = time.process_time()
        is_accepted = _read(parser, data)
        seconds = time.process_time() - begun
        if seconds > parser.budget.seconds_for(len(data)):
            seconds = min(_seconds(parser, data) for _ in range(LOOKS_TO_BE_SURE))
            if seconds > parser.budget.seconds_for(len(data)):
                raise _broken(parser, data, f"took {seconds * 1e3:.0f} ms")
        self.slowest_milliseconds = max(self.slowest_milliseconds, seconds * 1e3)
        if weigh:
            self._weigh(parser, data)
        self.accepted += is_accepted
        return is_accepted

    def _weigh(self, parser: Parser, data: bytes) -> None:
        self.weighed += 1
        tracemalloc.start()
        try:
            _read(parser, data)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.most_kibibytes = max(self.most_kibibytes, peak_bytes / 1024)
        if peak_bytes > parser.budget.bytes_for(len(data)):
            raise _broken(parser, data, f"took {peak_bytes} bytes of memory")


def _read(parser: Parser, data: bytes) -> bool:
    try:
        understood = parser.read(data)
    except parser.refusals as refusal:
        told = str(refusal)
        if len(told) > REFUSAL_CHARACTERS_MAX:
            raise _broken(parser, data, "refused at great length") from refusal
        if not parser.may_quote and _quotes(told, data):
            raise _broken(parser, data, "repeated the input in its refusal") from refusal
        return False
    except Exception as error:
        raise _broken(parser, data, f"let {type(error).__name__} through") from error
    if parser.write is None:
        return True
    written = parser.write(understood)
    if parser.is_canonical and written != data:
        raise _broken(parser, data, f"took for the same as {written.hex()}")
    if not parser.is_canonical and parser.write(parser.read(written)) != written:
        raise _broken(parser, data, "was read as something else when it was written again")
    return True


def _quotes(told: str, data: bytes) -> bool:
    """Say whether a sentence has a piece of the input in it, as it came or in digits.

    Letters and commas prove nothing: formats have words in them that sentences have too.
    """
    places = (0, len(data) // 3, len(data) // 2, len(data) - SAMPLE_BYTES)
    samples = {data[place : place + SAMPLE_BYTES] for place in places if place >= 0}
    return any(
        sample.decode("latin-1") in told or sample.hex() in told
        for sample in samples
        if len(sample) == SAMPLE_BYTES and not _WORDS.fullmatch(sample)
    )


def _seconds(parser: Parser, data: bytes) -> float:
    begun = time.process_time()
    _read(parser, data)
    return time.process_time() - begun


def _broken(parser: Parser, data: bytes, what: str) -> Broken:
    shown = data[:SHOWN_BYTES_MAX].hex()
    if len(data) > SHOWN_BYTES_MAX:
        shown = f"{shown}... ({len(data)} bytes)"
    return Broken(f"{parser.name}: {what}: {shown}")
