"""The file that a cast is kept in: JSON, for its owner's eyes only.

Whoever reads it can call as every member of the cast. The form is told by `format`; the members are
the fields of `members.py`, by name.
"""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tallymark_load.cast.members import Cast, Customer, Merchant, Operator, Server, Terminal

__all__ = ["CastFile", "UnusableCast"]

_FORMAT: Final = "tallymark cast 1"
_GROUP_AND_OTHERS: Final = 0o077


class UnusableCast(Exception):
    """The file is not there, is no cast, or is open to others. The message says what to do."""


class CastFile:
    """Reads and writes a cast."""

    def __init__(self, path: Path) -> None:
        """Take the path."""
        self.path = path

    def exists(self) -> bool:
        """Say whether there is such a file."""
        return self.path.exists()

    def read(self) -> Cast:
        """Return the cast.

        Raises:
            UnusableCast: as its message says; it repeats nothing of the file.

        """
        try:
            if os.name == "posix" and self.path.stat().st_mode & _GROUP_AND_OTHERS:
                message = (
                    f"others can read {self.path}, which holds keys and passwords; make it yours"
                    f" alone with chmod 600 {self.path}"
                )
                raise UnusableCast(message)
            return _from_json(json.loads(self.path.read_text()))
        except FileNotFoundError:
            message = f"there is no cast {self.path}; make one with `tallymark-load prepare`"
            raise UnusableCast(message) from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            # Without its cause, which may repeat what it read.
            message = f"{self.path} is no cast file; make one with `tallymark-load prepare`"
            raise UnusableCast(message) from None

    def write(self, cast: Cast) -> None:
        """Write the cast as a whole or not at all; it is on the disk before this returns.

        Raises:
            OSError: it cannot be written.

        """
        number, unfinished = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
        try:
            with os.fdopen(number, "w") as file:
                json.dump({"format": _FORMAT, **asdict(cast)}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(unfinished).replace(self.path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise


def _from_json(stored: dict[str, Any]) -> Cast:
    if stored["format"] != _FORMAT:
        raise ValueError
    operator = stored["operator"]
    return Cast(
        label=stored["label"],
        server=Server(**stored["server"]),
        operator=None if operator is None else Operator(**operator),
        merchants={name: Merchant(**one) for name, one in stored["merchants"].items()},
        terminals={name: Terminal(**one) for name, one in stored["terminals"].items()},
        customers={name: Customer(**one) for name, one in stored["customers"].items()},
        furnished=stored["furnished"],
    )
