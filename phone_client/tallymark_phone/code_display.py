"""The code as the customer sees it on a terminal: black on white, and whole."""

from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from tallymark_phone.display import plain
from tallymark_phone.qr_picture import QrPicture
from tallymark_phone.qr_screen import Frame

__all__ = ["WindowTooSmall", "code_screen", "picture_text"]

# The two of the 256 colours that no colour scheme changes: black on white, whatever is around it.
_QR_STYLE: Final = "color(16) on color(231)"

_TEXT_ROWS: Final = 3
"""Lines below the picture on the whole screen."""


class WindowTooSmall(Exception):
    """A scanner could not read what the window has room for."""

    def __init__(self, picture: QrPicture, *, extra_rows: int = 0) -> None:
        """Say how large it must be."""
        super().__init__(
            f"The window is too small for the code: make it at least {picture.columns} columns"
            f" wide and {picture.rows + extra_rows} rows high."
        )


def picture_text(console: Console, picture: QrPicture) -> Text:
    """Return the picture to print once; raises WindowTooSmall."""
    if not console.is_terminal or console.no_color:
        # Most terminals have light text on a dark ground; scanners read it the other way too.
        return Text("\n".join(picture.lines(is_ink_light=True)), no_wrap=True)
    if console.width < picture.columns:
        raise WindowTooSmall(picture)
    return Text("\n".join(picture.lines()), style=_QR_STYLE, no_wrap=True)


def code_screen(console: Console, frame: Frame) -> RenderableType:
    """Return the whole screen for a moment: the code, its countdown, and trouble if there is."""
    lines: list[RenderableType] = []
    if frame.picture is None:
        lines.append(Text("There is no code that is good just now.", style="bold"))
    elif console.height < frame.picture.rows + _TEXT_ROWS or console.width < frame.picture.columns:
        too_small = WindowTooSmall(frame.picture, extra_rows=_TEXT_ROWS)
        lines.append(Text(str(too_small), style="bold yellow"))
    else:
        lines.append(picture_text(console, frame.picture))
        lines.append(Text(f"good for {frame.seconds_left} s, renews itself"))
    if frame.trouble:
        lines.append(Text(f"no new code: {plain(frame.trouble)}", style="yellow"))
    lines.append(Text("Ctrl-C ends", style="dim"))
    return Group(*lines)
