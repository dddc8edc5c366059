"""The command `tallymark-terminal tag`: show, print or hand on the terminal's tag."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import click
from rich.live import Live

from tallymark_protocol.errors import TallymarkError
from tallymark_terminal.app import Terminal, build_console, open_terminal
from tallymark_terminal.command_line import home_option, json_option, run
from tallymark_terminal.home import Home
from tallymark_terminal.json_view import as_line, value_view
from tallymark_terminal.plain_words import Words
from tallymark_terminal.qr_picture import QrPicture
from tallymark_terminal.sale_results import EXIT_CODE_OF, ExitCode
from tallymark_terminal.tag import Tag
from tallymark_terminal.tag_display import tag_on_screen
from tallymark_terminal.tag_screen import TagFrame, TagScreen

__all__ = ["tag"]

_file = click.Path(dir_okay=False, writable=True, path_type=Path)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Output:
    """Where one tag goes; nowhere means onto the screen, again and again."""

    png: Path | None
    svg: Path | None
    as_text: bool
    as_json: bool

    @property
    def is_live(self) -> bool:
        return not (self.png or self.svg or self.as_text or self.as_json)


@click.command()
@click.option("--printed", is_flag=True, help="Get one that is good for long, to be printed.")
@click.option("--png", type=_file, help="Write one tag to this file and end.")
@click.option("--svg", type=_file, help="Write one tag to this file and end.")
@click.option("--text", "as_text", is_flag=True, help="Print the text of one tag and end.")
@home_option
@json_option
def tag(  # noqa: PLR0913 - one for each option
    home: Home,
    *,
    printed: bool,
    png: Path | None,
    svg: Path | None,
    as_text: bool,
    as_json: bool,
) -> None:
    """Show this terminal's tag, which renews itself, until Ctrl-C.

    A phone that reads it gets codes that are good at this terminal alone. Print one only where
    there is no screen, because a sticker can be swapped for another terminal's.
    """
    output = _Output(png=png, svg=svg, as_text=as_text, as_json=as_json)
    if output.is_live and printed:
        message = "a printed tag goes into a file: add --png or --svg"
        raise click.UsageError(message)
    if output.is_live and not build_console().is_terminal:
        message = "showing the tag needs a screen; use --png, --svg, --text or --json"
        raise click.UsageError(message)
    run(_tag(home, output, printed=printed))


async def _tag(home: Home, output: _Output, *, printed: bool) -> ExitCode:
    async with open_terminal(home, as_json=output.as_json) as terminal:
        try:
            await terminal.upkeep.start()
            if output.is_live:
                await _show(terminal)
            else:
                _put_out(terminal, await terminal.server.get_tag(printed=printed), output)
        except TallymarkError as error:
            result = terminal.scanning.not_sent(error)
            terminal.display.result(result)
            return EXIT_CODE_OF[result.outcome]
        return ExitCode.DONE


async def _show(terminal: Terminal) -> None:
    """Show tags until cancelled."""
    console = build_console()

    with Live(console=console, screen=True, auto_refresh=False) as live:

        def draw(frame: TagFrame) -> None:
            view = tag_on_screen(
                console,
                frame,
                identity=terminal.identity,
                warning=terminal.display.last_warning,
            )
            live.update(view, refresh=True)

        screen = TagScreen(
            fetch=lambda: terminal.server.get_tag(printed=False),
            draw=draw,
            clock=terminal.clock,
            sleep=asyncio.sleep,
        )
        async with terminal.upkeep.in_background():
            await screen.run()


def _put_out(terminal: Terminal, one: Tag, output: _Output) -> None:
    picture = QrPicture(one.text)
    try:
        if output.png:
            output.png.write_bytes(picture.png())
        if output.svg:
            output.svg.write_bytes(picture.svg())
    except OSError as error:
        message = f"{error.filename} cannot be written ({error.strerror})"
        raise click.UsageError(message) from error
    if output.as_json:
        view = {
            "terminal_id": terminal.identity.terminal_id,
            "merchant_id": terminal.identity.merchant_id,
            "tag": one.text,
            "expires_at": value_view(one.expires_at),
            "next_at": value_view(one.next_at),
        }
        terminal.display.text_line(as_line(view))
    elif output.as_text:
        terminal.display.text_line(one.text)
    else:
        terminal.display.line(f"Good until {Words().time(one.expires_at)}.")
