"""Keys for stores that no server is behind: made once, and gone with the tests."""

import functools
import tempfile
from pathlib import Path

from tallymark_server.keys.cells import Cells
from tallymark_server.keys.folder import KeyFolder

__all__ = ["cells_of_tests"]

_folder = functools.cache(tempfile.TemporaryDirectory)


@functools.cache
def cells_of_tests() -> Cells:
    """Return keys that seal rows."""
    return Cells(KeyFolder.open(Path(_folder().name) / "keys"))
