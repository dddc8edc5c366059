"""Read the one Tallymark code that a picture shows, or say why there is none to use.

What can go wrong, and whose turn it is:

    ScanRefused              this showing gives no code; show it again, the scanner goes on
    ├── NoCodeFound          nothing readable was seen
    ├── ForeignCode          a code was read, but not a Tallymark code
    │   └── GarbledCode      a hand scanner typed a Tallymark code with wrong characters
    ├── SeveralCodes         more than one customer's code was seen
    └── PictureUnreadable    the file is not a picture, damaged, or too large
    ScannerUnavailable       the device or folder cannot be used; the scanner stops

A code is worth money while it lives, so neither these exceptions nor the repr of a scanned
code ever contain its text.
"""

from dataclasses import dataclass, field
from typing import Final

import zxingcpp
from PIL import Image

from tallymark_protocol.code_format import CODE_PREFIX

__all__ = [
    "ForeignCode",
    "GarbledCode",
    "NoCodeFound",
    "PictureUnreadable",
    "ScanRefused",
    "ScannedCode",
    "ScannerUnavailable",
    "SeveralCodes",
    "read_code",
    "read_texts",
]

DOUBLED_PIXELS_MAX: Final = 1920 * 1080
"""Larger pictures are not also searched at twice their size: at this size it takes 30 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedCode:
    """The text of one code as it was shown, not yet checked in any way."""

    text: str = field(repr=False)
    source: str
    """Where it was read, in words for the cashier and the log: "picture till.png"."""


class ScanRefused(Exception):
    """One showing gave no code to use; the message says why and what to do."""

    def __init__(self, source: str, happened: str, advice: str) -> None:
        """Name the source, what happened there, and what the cashier or customer can do."""
        super().__init__(f"{source}: {happened}. {advice}.")
        self.source = source


class NoCodeFound(ScanRefused):
    """No QR code could be read in the picture."""

    def __init__(
        self,
        source: str,
        happened: str = "no code could be read",
        advice: str = "Show the whole code, flat, close and in focus, and scan again",
    ) -> None:
        """Ask for another showing."""
        super().__init__(source, happened, advice)


class ForeignCode(ScanRefused):
    """Something was read, but it is not a Tallymark code."""

    def __init__(
        self,
        source: str,
        happened: str = "a code was read, but it is not a Tallymark code",
        advice: str = "Open Tallymark on the phone and show its code",
    ) -> None:
        """Ask for the right code."""
        super().__init__(source, happened, advice)


class GarbledCode(ForeignCode):
    """A hand scanner typed a Tallymark code in another keyboard layout."""

    def __init__(self, source: str) -> None:
        """Name the setting to change."""
        super().__init__(
            source,
            "a Tallymark code arrived with wrong characters",
            "Set the hand scanner and this computer to the same keyboard layout",
        )


class SeveralCodes(ScanRefused):
    """Different Tallymark codes are in one picture; guessing could charge the wrong customer."""

    def __init__(self, source: str) -> None:
        """Ask for one code only."""
        super().__init__(
            source, "more than one Tallymark code is in view", "Show one phone only and scan again"
        )


class PictureUnreadable(ScanRefused):
    """The file is missing, not a picture, damaged, or larger than the limits."""

    def __init__(self, source: str, happened: str) -> None:
        """Say which of these it is."""
        super().__init__(source, happened, "Give a whole PNG, JPEG, WebP, BMP or GIF picture")


class ScannerUnavailable(Exception):
    """The camera, hand scanner or folder cannot be used, now or any more."""

    def __init__(self, source: str, happened: str, advice: str) -> None:
        """Name the source, what happened there, and what the operator can do."""
        super().__init__(f"{source}: {happened}. {advice}.")
        self.source = source


def read_code(picture: Image.Image, *, source: str, thorough: bool = True) -> ScannedCode:
    """Return the only Tallymark code in the picture; other QR codes beside it are ignored.

    `thorough=False` gives up early when a quick look shows nothing: for camera frames, of which
    many more will come.

    Raises NoCodeFound, ForeignCode or SeveralCodes.
    """
    texts = read_texts(picture, thorough=thorough)
    codes = [text for text in texts if text.startswith(CODE_PREFIX)]
    if len(codes) > 1:
        raise SeveralCodes(source)
    if codes:
        return ScannedCode(text=codes[0], source=source)
    if texts:
        raise ForeignCode(source)
    raise NoCodeFound(source)


def read_texts(picture: Image.Image, *, thorough: bool) -> set[str]:
    """Return the text of each QR code in the picture, whatever it is of.

    What the quick look finds is never taken alone: it overlooks codes in poor light, and a
    second customer's code must not be overlooked. Twice the size, small, distant and noisy codes
    become readable, see docs/pictures.md.
    """
    found = _look(picture, zxingcpp.Binarizer.GlobalHistogram, patient=False)
    if found or thorough:
        found |= _look(picture, zxingcpp.Binarizer.LocalAverage, patient=True)
    if thorough and not found and picture.width * picture.height <= DOUBLED_PIXELS_MAX:
        doubled = picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.BICUBIC)
        found |= _look(doubled, zxingcpp.Binarizer.LocalAverage, patient=True)
    return found


def _look(picture: Image.Image, binarizer: zxingcpp.Binarizer, *, patient: bool) -> set[str]:
    barcodes = zxingcpp.read_barcodes(
        picture,
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2),
        binarizer=binarizer,
        text_mode=zxingcpp.TextMode.Plain,
        try_rotate=patient,
        try_invert=patient,
        try_downscale=patient,
    )
    return {barcode.text for barcode in barcodes}
