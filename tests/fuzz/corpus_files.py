"""The kept corpus: a file for each parser, one input a line in hexadecimal digits.

They are what a guided campaign found to reach different code, and inputs that once did harm.
"""

from pathlib import Path
from typing import Final

__all__ = ["keep_inputs", "kept_inputs"]

FOLDER: Final = Path(__file__).parent / "corpus"


def kept_inputs(name: str) -> list[bytes]:
    """Return the kept inputs of a parser."""
    file = FOLDER / f"{name}.txt"
    return [bytes.fromhex(line) for line in file.read_text().split()] if file.exists() else []


def keep_inputs(name: str, inputs: list[bytes]) -> None:
    """Keep these inputs of a parser, the shortest first."""
    lines = sorted({data.hex() for data in inputs if data}, key=lambda line: (len(line), line))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
