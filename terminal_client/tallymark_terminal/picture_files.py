"""Open picture files that may be anything: bounded, in a few formats, without surprises."""

import io
import struct
import zlib
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from tallymark_terminal.scanner import PictureUnreadable

__all__ = [
    "DRAWN_PIXELS_MAX",
    "PICTURE_BYTES_MAX",
    "PICTURE_PIXELS_MAX",
    "PICTURE_SUFFIXES",
    "SIDE_PIXELS_MAX",
    "decode_picture",
    "is_picture",
    "load_picture",
]

PICTURE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Above any phone's photograph; a larger file is refused after reading this much of it."""

PICTURE_PIXELS_MAX: Final = 50_000_000
"""A 50-megapixel photograph: 150 MB decoded, half a second to search on a small computer."""

DRAWN_PIXELS_MAX: Final = 16_777_216
"""Above any screen's: what is not JPEG was drawn, and is unpacked at several times the cost.

Two kilobytes of WebP with 50 million pixels took 6 seconds and 700 MB.
"""

SIDE_PIXELS_MAX: Final = 32_767
"""So that also twice a side is within the 65,535 that the reader of codes takes."""

PICTURE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"})
"""What a picture in a watched folder is called, in lower case."""

SIGNATURE_BYTES: Final = 12
"""How many first bytes `is_picture` needs."""

_PHOTOGRAPHS: Final = ("JPEG", "MPO")
"""MPO is what some phones write: a JPEG with a second one behind it."""

_FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "GIF")

# What Pillow's decoders raise on damaged files, or could: their code is not ours to trust. Some
# damage only makes them warn, which is an exception where warnings are errors.
_DAMAGED: Final = (
    OSError,
    SyntaxError,
    ValueError,
    ArithmeticError,
    LookupError,
    EOFError,
    MemoryError,
    TypeError,
    AttributeError,
    struct.error,
    zlib.error,
    Warning,
)


def load_picture(path: Path, *, source: str) -> Image.Image:
    """Return the picture in a file, in shades of grey; raises PictureUnreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(PICTURE_BYTES_MAX + 1)
    except OSError as error:
        raise PictureUnreadable(source, f"it cannot be opened ({error.strerror})") from error
    return decode_picture(data, source=source)


def decode_picture(data: bytes, *, source: str) -> Image.Image:
    """Return the picture in these bytes, in shades of grey; raises PictureUnreadable.

    The size is read from the header and judged before any pixel is decoded, because a few
    kilobytes can unpack to gigabytes.
    """
    if not data:
        raise PictureUnreadable(source, "it is empty")
    if len(data) > PICTURE_BYTES_MAX:
        raise PictureUnreadable(source, f"it has more than {PICTURE_BYTES_MAX} bytes")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            excess = _excess_of(picture)
            if not excess:
                return _in_grey(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Pillow's own limit lies above ours.
        excess = f"it has more than {PICTURE_PIXELS_MAX} pixels"
    except UnidentifiedImageError as error:
        raise PictureUnreadable(source, "it is not a picture of a known format") from error
    except _DAMAGED as error:
        raise PictureUnreadable(source, "the picture is damaged or not whole") from error
    raise PictureUnreadable(source, excess)


def is_picture(first_bytes: bytes) -> bool:
    """Tell a picture from typed text by its first 12 bytes, as each format's standard has them."""
    return (
        first_bytes.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"))
        or (first_bytes.startswith(b"RIFF") and first_bytes[8:12] == b"WEBP")
        or (first_bytes.startswith(b"BM") and first_bytes[6:10] == bytes(4))
    )


def _excess_of(picture: Image.Image) -> str:
    """Say what of a picture is too large, from its header; nothing if all is well."""
    pixels_max = PICTURE_PIXELS_MAX if picture.format in _PHOTOGRAPHS else DRAWN_PIXELS_MAX
    if picture.width * picture.height > pixels_max:
        return f"it has more than {pixels_max} pixels"
    if max(picture.size) > SIDE_PIXELS_MAX:
        return f"a side of it has more than {SIDE_PIXELS_MAX} pixels"
    return ""


def _in_grey(picture: Image.Image) -> Image.Image:
    """Decode, and put what is transparent on white paper, as every viewer does."""
    if not picture.has_transparency_data:
        return picture.convert("L")
    drawn = picture.convert("RGBA").convert("LA")
    paper = Image.new("L", drawn.size, "white")
    paper.paste(drawn.getchannel("L"), mask=drawn.getchannel("A"))
    return paper
