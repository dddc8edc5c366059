"""Scans from pictures that exist as files: named ones, a folder, standard input.

Every picture is a presentation of its own: the same code in two files gives two scans.
"""

import asyncio
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

from tallymark_terminal.hand_scanner import ByteSource, scan_lines
from tallymark_terminal.picture_files import (
    PICTURE_BYTES_MAX,
    PICTURE_SUFFIXES,
    SIGNATURE_BYTES,
    decode_picture,
    is_picture,
    load_picture,
)
from tallymark_terminal.presentations import Scan, finish_in_thread
from tallymark_terminal.scanner import (
    NoCodeFound,
    ScannerUnavailable,
    ScanRefused,
    read_code,
)

__all__ = ["FOLDER_POLL_SECONDS", "scan_files", "scan_folder", "scan_standard_input"]

FOLDER_POLL_SECONDS: Final = 0.5
"""How often a followed folder is listed; a new picture is read after one to two polls."""

# A file is known by name, time of change and size: a rewritten file is a new picture.
_Stamp = tuple[int, int]


async def scan_files(paths: Iterable[Path]) -> AsyncGenerator[Scan, None]:
    """Give one scan or refusal for each picture file, in the order given."""
    for path in paths:
        yield await asyncio.to_thread(_scan_file, path)


async def scan_folder(
    folder: Path,
    *,
    follow: bool = False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    poll_seconds: float = FOLDER_POLL_SECONDS,
) -> AsyncGenerator[Scan, None]:
    """Give one scan or refusal for each picture in a folder, in name order.

    With `follow` it never ends: new and rewritten pictures are given once they have stopped
    growing, that is, when two polls in a row see the same size and time.

    Raises ScannerUnavailable if the folder cannot be listed.
    """
    taken = await asyncio.to_thread(_list_pictures, folder)
    if not taken and not follow:
        yield NoCodeFound(f"folder {folder.name}", "it has no pictures", "Save one there first")
    for path in sorted(taken):
        yield await asyncio.to_thread(_scan_file, path)
    before = taken
    while follow:
        await sleep(poll_seconds)
        present = await asyncio.to_thread(_list_pictures, folder)
        settled = {path for path, stamp in present.items() if before.get(path) == stamp}
        for path in sorted(path for path in settled if taken.get(path) != present[path]):
            yield await asyncio.to_thread(_scan_file, path)
            taken[path] = present[path]
        taken = {path: stamp for path, stamp in taken.items() if path in present}
        before = present


async def scan_standard_input(
    incoming: ByteSource, *, clock: Callable[[], float]
) -> AsyncGenerator[Scan, None]:
    """Give the scan of one picture that is piped in, or of each line that a hand scanner types.

    Which of the two it is shows in the first bytes.
    """
    source = "standard input"
    head = b""
    while len(head) < SIGNATURE_BYTES and not _begins_like_text(head):
        try:
            head += await finish_in_thread(incoming.read_some)
        except EOFError:
            break
    if not is_picture(head):
        async for scan in scan_lines(incoming, source=source, clock=clock, already_read=head):
            yield scan
        return
    data = await _read_to_end(incoming, head)
    yield await asyncio.to_thread(_scan_bytes, data, source)


def _begins_like_text(head: bytes) -> bool:
    """Tell that a whole line came that is shorter than a picture's signature."""
    return head[:1].isascii() and (b"\n" in head or b"\r" in head)


async def _read_to_end(incoming: ByteSource, head: bytes) -> bytes:
    """Read the rest, but no more than it takes to know that it is too large."""
    data = bytearray(head)
    while len(data) <= PICTURE_BYTES_MAX:
        try:
            data += await finish_in_thread(incoming.read_some)
        except EOFError:
            break
    return bytes(data)


def _scan_file(path: Path) -> Scan:
    source = f"picture {path.name}"
    try:
        return read_code(load_picture(path, source=source), source=source)
    except ScanRefused as refused:
        return refused


def _scan_bytes(data: bytes, source: str) -> Scan:
    try:
        return read_code(decode_picture(data, source=source), source=source)
    except ScanRefused as refused:
        return refused


def _list_pictures(folder: Path) -> dict[Path, _Stamp]:
    """Return the pictures in a folder; hidden files are someone's unfinished copies."""
    pictures: dict[Path, _Stamp] = {}
    try:
        for path in folder.iterdir():
            if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith("."):
                stamp = _stamp(path)
                if stamp is not None:
                    pictures[path] = stamp
    except OSError as error:
        source, happened = f"folder {folder.name}", f"it cannot be listed ({error.strerror})"
        advice = "Name a folder that exists and that this user may read"
        raise ScannerUnavailable(source, happened, advice) from error
    return pictures


def _stamp(path: Path) -> _Stamp | None:
    """Return what tells this version of the file, or None if it has just gone or is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None
