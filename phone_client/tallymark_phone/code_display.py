"""The code as the customer sees it on a terminal: black on white, and whole."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from tallymark_phone.display import plain
from tallymark_phone.qr_picture import QrPicture
from tallymark_phone.qr_screen import Frame

__all__ = ["WindowTooSmall", "bound_line", "code_screen", "picture_text"]

# The two of the 256 colours that no colour scheme changes: black on white, whatever is around it.
_QR_STYLE: Final = "color(16) on color(231)"

_MORE_ROWS: Final = 2
"""Room for what is less important than the picture."""


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


def bound_line(bound_to: str) -> Text:
    """Return the line that the customer compares with where they stand."""
    return Text(f"Only for {plain(bound_to)} - is that where you are?", style="bold")


def code_screen(console: Console, frame: Frame, *, news: Text | None = None) -> RenderableType:
    """Return the whole screen for a moment: the code, its countdown, and trouble if there is.

    `news` is a line about what an earlier code has done.
    """
    more = list(_less_important(frame, news))
    if frame.picture is None:
        return Group(Text("There is no code that is good just now.", style="bold"), *more)
    needed = [Text(f"good for {frame.seconds_left} s, renews itself")]
    if frame.bound_to:
        needed.insert(0, bound_line(frame.bound_to))
    needed_rows = sum(len(line.wrap(console, console.width)) for line in needed)
    if console.height < frame.picture.rows + needed_rows or console.width < frame.picture.columns:
        too_small = WindowTooSmall(frame.picture, extra_rows=needed_rows + _MORE_ROWS)
        return Group(Text(str(too_small), style="bold yellow"), *needed, *more)
    return Group(picture_text(console, frame.picture), *needed, *more)


def _less_important(frame: Frame, news: Text | None) -> Iterator[Text]:
    """Yield the lines that a small window may cut off rather than the picture."""
    if frame.trouble:
        yield Text(f"no new code: {plain(frame.trouble)}", style="yellow")
    if news:
        yield news
    yield Text("Ctrl-C ends", style="dim")
