"""The tag as customers see it in the terminal's window: black on white, whole, under its name."""

from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from tallymark_terminal.identity import Identity
from tallymark_terminal.instruction_words import plain
from tallymark_terminal.qr_picture import QrPicture
from tallymark_terminal.tag_screen import TagFrame

__all__ = ["tag_on_screen"]

# The two of the 256 colours that no colour scheme changes: black on white, whatever is around it.
_QR_STYLE: Final = "color(16) on color(231)"

_TEXT_ROWS: Final = 3
"""Lines around the picture."""


def tag_on_screen(
    console: Console, frame: TagFrame, *, identity: Identity, warning: str
) -> RenderableType:
    """Return the whole screen for a moment; `warning` is what else there is to tell."""
    picture = frame.picture
    name = f"{identity.merchant_name}, {identity.terminal_id}"
    lines: list[RenderableType] = [Text(plain(name), style="bold")]
    if picture is None:
        lines.append(Text("There is no tag that is good just now.", style="bold yellow"))
    elif console.height < picture.rows + _TEXT_ROWS or console.width < picture.columns:
        rows = picture.rows + _TEXT_ROWS
        too_small = (
            "The window is too small for the tag: make it at least "
            f"{picture.columns} columns wide and {rows} rows high."
        )
        lines.append(Text(too_small, style="bold yellow"))
    else:
        lines.append(_picture_text(console, picture))
        lines.append(Text(f"good for {frame.seconds_left} s, renews itself"))
    if frame.trouble:
        lines.append(Text(f"no new tag: {plain(frame.trouble)}", style="yellow"))
    if warning:
        lines.append(Text(plain(warning), style="bold red"))
    lines.append(Text("Ctrl-C ends", style="dim"))
    return Group(*lines)


def _picture_text(console: Console, picture: QrPicture) -> Text:
    if console.no_color:
        # Most windows have light text on a dark ground; scanners read it the other way too.
        return Text("\n".join(picture.lines(is_ink_light=True)), no_wrap=True)
    return Text("\n".join(picture.lines()), style=_QR_STYLE, no_wrap=True)
