"""Letters and figures five lines high, to be read across a counter."""

from typing import Final

__all__ = ["FIGURE_ROWS", "enlarge"]

FIGURE_ROWS: Final = 5

# Each character row by row, from the top; "#" is a block.
_SHAPES: Final = {
    "0": "### #.# #.# #.# ###",
    "1": ".#. ##. .#. .#. ###",
    "2": "### ..# ### #.. ###",
    "3": "### ..# ### ..# ###",
    "4": "#.# #.# ### ..# ..#",
    "5": "### #.. ### ..# ###",
    "6": "### #.. ### #.# ###",
    "7": "### ..# ..# ..# ..#",
    "8": "### #.# ### #.# ###",
    "9": "### #.# ### ..# ###",
    "A": ".#. #.# ### #.# #.#",
    "B": "##. #.# ##. #.# ##.",
    "C": "### #.. #.. #.. ###",
    "D": "##. #.# #.# #.# ##.",
    "E": "### #.. ##. #.. ###",
    "F": "### #.. ##. #.. #..",
    "G": "### #.. #.# #.# ###",
    "H": "#.# #.# ### #.# #.#",
    "I": "### .#. .#. .#. ###",
    "J": "..# ..# ..# #.# ###",
    "K": "#.# #.# ##. #.# #.#",
    "L": "#.. #.. #.. #.. ###",
    "M": "#...# ##.## #.#.# #...# #...#",
    "N": "#..# ##.# #.## #..# #..#",
    "O": "### #.# #.# #.# ###",
    "P": "### #.# ### #.. #..",
    "Q": "###. #.#. #.#. #.#. ####",
    "R": "### #.# ##. #.# #.#",
    "S": "### #.. ### ..# ###",
    "T": "### .#. .#. .#. .#.",
    "U": "#.# #.# #.# #.# ###",
    "V": "#.# #.# #.# #.# .#.",
    "W": "#...# #...# #.#.# ##.## #...#",
    "X": "#.# #.# .#. #.# #.#",
    "Y": "#.# #.# .#. .#. .#.",
    "Z": "### ..# .#. #.. ###",
    ".": ". . . . #",
    " ": ".. .. .. .. ..",
}
_UNKNOWN_SHAPE: Final = "### ..# .#. ... .#."


def enlarge(text: str, *, width_max: int) -> list[str]:
    """Return the lines of the text in large, or the text itself if they would be too wide.

    Blocks are two columns wide, because a terminal's columns are half as wide as its lines are
    high; one column if two do not fit.
    """
    shapes = [_SHAPES.get(character, _UNKNOWN_SHAPE).split() for character in text.upper()]
    rows = [".".join(shape[row] for shape in shapes) for row in range(FIGURE_ROWS)]
    for columns in (2, 1):
        if len(rows[0]) * columns <= width_max:
            return [
                row.replace("#", "█" * columns).replace(".", " " * columns).rstrip() for row in rows
            ]
    return [text]
