"""How the story is told: headings, what programs print, the code on the screen, the summary."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Result", "Teller"]

_QUIET_MODULES: Final = 4
_HALVES: Final = {(0, 0): " ", (0, 1): "▄", (1, 0): "▀", (1, 1): "█"}


class Result(NamedTuple):
    """What a scene should have come to, and what it came to."""

    scene: str
    expected: str
    got: str

    @property
    def is_good(self) -> bool:
        """Whether they are the same."""
        return self.expected == self.got


class Teller:
    """Prints the story; in colour on a terminal only."""

    def __init__(self) -> None:
        """Print to standard output."""
        self._console = Console(highlight=False, width=100)

    def scene(self, number: int, title: str) -> None:
        """Begin a scene."""
        self._console.print()
        self._console.rule(f"[bold]{number}. {title}", align="left")

    def say(self, text: str) -> None:
        """Tell what happens."""
        self._console.print(text)

    def show(self, who: str, text: str) -> None:
        """Show what somebody sees, behind their name."""
        for line in text.splitlines():
            self._console.print(Text(f"{who:>8} | ", style="dim"), Text(line), sep="", end="\n")

    def picture(self, path: Path) -> None:
        """Show the picture of a code, black on white."""
        for line in _lines(path):
            self._console.print(Text("           "), Text(line, style="black on white"), sep="")

    def summary(self, results: Sequence[Result], seconds: float) -> None:
        """Show what every scene came to."""
        table = Table(title="What was expected, and what happened", title_justify="left")
        for heading in ("", "Scene", "Expected", "Got"):
            table.add_column(heading)
        for result in results:
            mark = "[green]ok[/]" if result.is_good else "[red]WRONG[/]"
            table.add_row(mark, result.scene, result.expected, result.got)
        self._console.print()
        self._console.print(table)
        good = sum(result.is_good for result in results)
        self._console.print(f"{good} of {len(results)} as expected, in {seconds:.0f} s.")


def _lines(path: Path) -> list[str]:
    """Return a picture of a code as lines of half blocks, one module wide."""
    picture = Image.open(path).convert("L")
    width = picture.width
    first_dark = next(x for x in range(width) if picture.getpixel((x, x)) == 0)
    size = first_dark // _QUIET_MODULES
    count = width // size
    dark = [
        [
            int(picture.getpixel((x * size + size // 2, y * size + size // 2)) == 0)
            for x in range(count)
        ]
        for y in range(count)
    ]
    dark.append([0] * count)
    return [
        "".join(_HALVES[pair] for pair in zip(dark[y], dark[y + 1], strict=True))
        for y in range(0, count, 2)
    ]
