"""Draw a tag as a QR symbol: in a terminal's window, as PNG, as SVG."""

import io
from collections.abc import Iterator
from typing import Final

import segno

__all__ = ["QrPicture"]

QUIET_MODULES: Final = 4
"""Light border that the QR standard asks for."""

PIXELS_PER_MODULE: Final = 8
"""Scale of the pictures; printed at 300 dots per inch a module is 0.7 mm."""

_INK_BY_HALVES: Final = {(0, 0): " ", (0, 1): "▄", (1, 0): "▀", (1, 1): "█"}


class QrPicture:
    """The QR symbol of one text, in alphanumeric mode at level M."""

    def __init__(self, text: str) -> None:
        """Take the text; raises ValueError if no symbol can hold it."""
        self._symbol = segno.make_qr(text, error="m", mode="alphanumeric", boost_error=False)
        self.columns = len(self._symbol.matrix) + 2 * QUIET_MODULES
        self.rows = (self.columns + 1) // 2

    def lines(self, *, is_ink_light: bool = False) -> Iterator[str]:
        """Yield the lines for a window, two rows of modules each, to be shown in black on white.

        Where colours are not to be had and the text is light on a dark ground, the light modules
        are the inked ones.
        """
        ink = 0 if is_ink_light else 1
        modules = [
            [int(module == ink) for module in row]
            for row in self._symbol.matrix_iter(border=QUIET_MODULES)
        ]
        # One more light row where their number is odd.
        modules.append([1 - ink] * self.columns)
        for row in range(self.rows):
            halves = zip(modules[2 * row], modules[2 * row + 1], strict=True)
            yield "".join(_INK_BY_HALVES[pair] for pair in halves)

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        return self._saved("png")

    def svg(self) -> bytes:
        """Return the picture as an SVG file with a white ground, for dark pages too."""
        return self._saved("svg")

    def _saved(self, kind: str) -> bytes:
        file = io.BytesIO()
        self._symbol.save(
            file, kind=kind, scale=PIXELS_PER_MODULE, border=QUIET_MODULES, light="white"
        )
        return file.getvalue()
