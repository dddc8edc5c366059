"""Which key a rotation is to follow, kept until it is certain that it was followed.

The server changes nothing when another key is in use than the one that is named. So a rotation
whose answer got lost is repeated with the same number, and makes no second key.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tallymark_admin.private_files import replace_private_file
from tallymark_protocol.errors import Refused

__all__ = ["key_to_follow"]


@contextlib.contextmanager
def key_to_follow(folder: Path, *, kind: str, in_use: int) -> Iterator[int]:
    """Give the number of the key in use, or the one of an earlier try that got no clear answer.

    It is forgotten when the block ends, well or with a refusal.

    Raises:
        OSError: the folder cannot be written.

    """
    path = folder / f"rotation-{kind}.json"
    key_id = in_use
    with contextlib.suppress(
        FileNotFoundError, ValueError, KeyError, TypeError, OverflowError, RecursionError
    ):
        key_id = int(json.loads(path.read_text())["key_id"])
    replace_private_file(path, json.dumps({"key_id": key_id}) + "\n")
    try:
        yield key_id
    except Refused:
        path.unlink()
        raise
    path.unlink()
