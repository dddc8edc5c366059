import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tallymark_terminal.picture_files import (
    PICTURE_BYTES_MAX,
    PICTURE_PIXELS_MAX,
    SIGNATURE_BYTES,
    decode_picture,
    is_picture,
    load_picture,
)
from tallymark_terminal.scanner import NoCodeFound, PictureUnreadable, read_code

from .codes import code_text
from .photographs import encoded, symbol

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MUTANTS_PER_FORMAT = 150


EXIF_TURNED = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


def saved(kind: str = "PNG") -> bytes:
    """Return a picture of a code as the bytes of a file."""
    return encoded(symbol(code_text(1), pixels_per_module=3), kind)


def png_claiming(width: int, height: int) -> bytes:
    """Return a small PNG whose header claims this size: what a decompression bomb looks like."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def text_in(data: bytes) -> str:
    """Read the code in a picture's bytes."""
    return read_code(decode_picture(data, source="file"), source="file").text


@pytest.mark.parametrize("kind", FORMATS)
def test_code_is_read_from_each_format(kind: str) -> None:
    assert is_picture(saved(kind)[:SIGNATURE_BYTES])
    assert text_in(saved(kind)) == code_text(1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_code_is_read_in_each_way_that_png_keeps_colours(mode: str) -> None:
    assert text_in(encoded(symbol(code_text(1), pixels_per_module=3).convert(mode))) == code_text(1)


def test_picture_in_print_colours_is_read() -> None:
    picture = symbol(code_text(1), pixels_per_module=3).convert("CMYK")

    assert text_in(encoded(picture, "JPEG")) == code_text(1)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_black_code_on_nothing_is_read_as_on_white_paper(mode: str) -> None:
    drawn = symbol(code_text(1), pixels_per_module=3)
    transparent = Image.new(mode, drawn.size)
    transparent.putalpha(drawn.point(lambda grey: 255 - grey))

    assert text_in(encoded(transparent)) == code_text(1)


def test_picture_with_a_transparent_colour_is_read() -> None:
    white = 255

    data = encoded(symbol(code_text(1), pixels_per_module=3), transparency=white)

    assert text_in(data) == code_text(1)


@pytest.mark.parametrize(
    "size", [(PICTURE_PIXELS_MAX, 1), (12_000, 12_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)]
)
def test_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    width, height = size

    with pytest.raises(PictureUnreadable, match=r"more than \d+ pixels|damaged"):
        decode_picture(png_claiming(width + 1, height), source="file")


@pytest.mark.parametrize(
    ("size", "excess"),
    [
        ((5_000, 5_000), "more than 16777216 pixels"),
        ((70_000, 10), "a side of it has more than 32767 pixels"),
        ((10, 40_000), "a side of it has more than 32767 pixels"),
    ],
)
def test_whole_picture_that_would_cost_too_much_is_refused(
    size: tuple[int, int], excess: str
) -> None:
    """The reader of codes raises on long sides; unpacked WebP and transparency cost most."""
    picture = encoded(Image.new("L", size, 255))

    with pytest.raises(PictureUnreadable, match=excess):
        decode_picture(picture, source="file")


def test_longest_picture_is_searched_at_twice_its_size() -> None:
    picture = decode_picture(encoded(Image.new("L", (32_767, 60), 255)), source="file")

    with pytest.raises(NoCodeFound):
        read_code(picture, source="file")


def test_photograph_may_be_larger_than_what_is_drawn() -> None:
    picture = decode_picture(encoded(Image.new("L", (5_000, 5_000), 255), "JPEG"), source="file")

    assert picture.size == (5_000, 5_000)


def test_small_png_that_claims_more_rows_than_it_has_is_refused() -> None:
    with pytest.raises(PictureUnreadable, match="damaged or not whole"):
        decode_picture(png_claiming(4000, 4000), source="file")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("kept_percent", [1, 10, 50, 90])
def test_truncated_picture_is_refused(kind: str, kept_percent: int) -> None:
    whole = saved(kind)

    with pytest.raises(PictureUnreadable):
        decode_picture(whole[: len(whole) * kept_percent // 100], source="file")


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_picture_is_read_or_refused_and_never_fails_otherwise(kind: str) -> None:
    options = {"exif": EXIF_TURNED} if kind == "JPEG" else {}
    whole = encoded(symbol(code_text(1), pixels_per_module=1), kind, **options)
    randomness = np.random.default_rng(7)
    outcomes = set()

    for _ in range(MUTANTS_PER_FORMAT):
        mutant = np.frombuffer(whole, dtype=np.uint8).copy()
        # Headers are where decoders trip, so half of the damage goes to the first 64 bytes.
        reach = len(mutant) if randomness.random() < 0.5 else min(64, len(mutant))
        places = randomness.integers(0, reach, size=randomness.integers(1, 5))
        mutant[places] = randomness.integers(0, 256, size=places.size)
        try:
            picture = decode_picture(mutant.tobytes(), source="file")
        except PictureUnreadable:
            outcomes.add("refused")
        else:
            assert picture.mode == "L"
            outcomes.add("read")

    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"TM1: is text", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "damaged or not whole|not a picture"),
        (bytes(PICTURE_BYTES_MAX + 1), "more than 33554432 bytes"),
    ],
    ids=["empty", "text", "postscript", "only a signature", "too large"],
)
def test_what_is_no_picture_is_refused_with_the_reason(data: bytes, words: str) -> None:
    with pytest.raises(PictureUnreadable, match=words) as caught:
        decode_picture(data, source="picture a.png")

    assert str(caught.value).startswith("picture a.png: ")


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_file_that_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureUnreadable, match="cannot be opened"):
        load_picture(tmp_path / name, source="picture")


def test_endless_file_is_refused() -> None:
    with pytest.raises(PictureUnreadable, match="bytes"):
        load_picture(Path("/dev/zero"), source="picture")


@pytest.mark.parametrize(
    "text", [b"TM1:ABC\r\n", b"GIFT 2024-12\n", b"BMW 12345678", b"RIFF RAFF 12", b"", b"\xff\xfe"]
)
def test_typed_text_is_not_taken_for_a_picture(text: bytes) -> None:
    assert not is_picture(text[:SIGNATURE_BYTES])
