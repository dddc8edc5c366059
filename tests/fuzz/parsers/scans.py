"""What a terminal's scanner is given: pictures of anything, and what hand scanners type."""

import io
from collections.abc import Sequence
from functools import cache

import segno
from PIL import Image

from tallymark_terminal.hand_scanner import scan_lines
from tallymark_terminal.picture_files import decode_picture
from tallymark_terminal.presentations import Scan
from tallymark_terminal.scanner import ScannedCode, ScanRefused, read_code
from tests.fuzz.parser import Budget, Parser
from tests.fuzz.parsers.event_loop import run
from tests.fuzz.parsers.signed_texts import vectors

__all__ = ["PARSERS"]


@cache
def _code() -> str:
    return str(vectors("code_format")["valid"][0]["text"])


def _scan_picture(data: bytes) -> ScannedCode:
    return read_code(decode_picture(data, source="picture"), source="picture")


@cache
def _pictures() -> Sequence[bytes]:
    """Return a code in every format that the scanner takes, drawn as small as can be read."""
    drawn = io.BytesIO()
    segno.make(_code(), error="m", micro=False).save(drawn, kind="png", scale=2)
    picture = Image.open(drawn).convert("L")
    pictures = [drawn.getvalue()]
    for form in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        file = io.BytesIO()
        picture.save(file, form)
        pictures.append(file.getvalue())
    seen_through = io.BytesIO()
    picture.convert("RGBA").save(seen_through, "PNG")
    return [*pictures, seen_through.getvalue()]


class _Typed:
    """Bytes as a keyboard gives them: some at a time, then no more."""

    def __init__(self, data: bytes) -> None:
        self._pieces = [data[begin : begin + 700] for begin in range(0, len(data), 700)]

    def read_some(self) -> bytes:
        if not self._pieces:
            raise EOFError
        return self._pieces.pop(0)


def _scan_typed(data: bytes) -> list[Scan]:
    async def scans() -> list[Scan]:
        clock = iter(range(1_000_000)).__next__
        return [scan async for scan in scan_lines(_Typed(data), source="till", clock=clock)]

    return run(scans())


PARSERS = (
    Parser(
        name="picture",
        read=_scan_picture,
        refusals=(ScanRefused,),
        seeds=_pictures,
        # Up to 50 million pixels may be decoded and searched, whatever the size of the file.
        budget=Budget(milliseconds=5_000, kibibytes=16_384),
        size_max=65_536,
    ),
    Parser(
        name="hand_scanner",
        read=_scan_typed,
        refusals=(),
        seeds=lambda: [_code().encode() + b"\r\n", b"\x02]Q1" + _code().lower().encode() + b"\r"],
        budget=Budget(milliseconds=50, kibibytes=1024),
    ),
)
