"""A disk as a power cut leaves it: what was synced is there, of the rest anything may be.

It is fed with the system calls that strace wrote down. The kernel may write what it was given in
any order and stop anywhere, so after a cut any part of what no sync had covered may be there:
nothing of it, all of it, some calls and not others, and of one call some sectors.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["PART", "SEEN", "Disk", "Event", "events_of"]

PART: Final = "part:"
"""A mark that begins so names what follows, up to the next one."""

SEEN: Final = "seen:"
"""A mark that begins so says that what is there at that moment was answered."""

SECTOR_BYTES: Final = 512
"""What a disk writes as a whole."""

_LINE: Final = re.compile(
    rb"^(?P<pid>\d+) +"
    rb"(?:<\.\.\. (?P<resumed>\w+) resumed>(?P<rest>.*)|(?P<name>\w+)\((?P<begun>.*))$"
)
_RESULT: Final = re.compile(rb"\) += (-?\d+)(?:<[^>]*>)?(?: [A-Z]+ \(.*\))?(?: \(.*\))?$")
_UNFINISHED: Final = b" <unfinished ...>"
_FILE: Final = re.compile(rb"^\d+<([^>]*)>")
_TEXT: Final = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')


class Event(NamedTuple):
    """A system call that has succeeded."""

    name: str
    """write, sync, truncate, create, remove, or mark: what an onlooker noted at that moment."""

    path: str
    offset: int = 0
    """Of a truncation, the length."""

    content: bytes = b""

    @property
    def marks(self) -> list[str]:
        """What an onlooker noted, each in a line of its own."""
        return self.content.decode().splitlines()


class _Write(NamedTuple):
    """A call that no sync has covered yet; content None cuts the file off there."""

    offset: int
    content: bytes | None


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[_Write] = field(default_factory=list)


def events_of(log: Path, *, marks: Path) -> Iterator[Event]:
    """Read what `strace -f -y -xx` wrote down, in the order in which the calls ended."""
    begun: dict[bytes, bytes] = {}
    with log.open("rb") as lines:
        for line in lines:
            match = _LINE.match(line.rstrip(b"\n"))
            if match is None:
                continue
            pid, name = match["pid"], match["name"] or match["resumed"]
            if match["resumed"]:
                said = begun.pop(pid) + match["rest"]
            elif match["begun"].endswith(_UNFINISHED):
                begun[pid] = match["begun"].removesuffix(_UNFINISHED)
                continue
            else:
                said = match["begun"]
            event = _event(name.decode(), said, str(marks))
            if event is not None:
                yield event


def _event(name: str, said: bytes, marks: str) -> Event | None:
    result = _RESULT.search(said)
    if result is None or int(result[1]) < 0:
        return None
    done, file, given = int(result[1]), _FILE.match(said), said[: result.start()]
    path = _unescaped(file[1]).decode() if file else ""
    texts = [_unescaped(text) for text in _TEXT.findall(given)]
    if name == "write" and path == marks:
        return Event("mark", path, content=texts[0][:done])
    if name == "pwrite64":
        return Event("write", path, int(given.rpartition(b", ")[2]), texts[0][:done])
    if name in {"fdatasync", "fsync"}:
        return Event("sync", path)
    if name == "ftruncate":
        return Event("truncate", path, int(given.rpartition(b", ")[2]))
    if name == "unlink":
        return Event("remove", texts[0].decode())
    if name == "openat" and b"O_CREAT" in given:
        return Event("create", texts[0].decode())
    return None


def _unescaped(text: bytes) -> bytes:
    return bytes.fromhex(text.replace(b"\\x", b"").decode())


class Disk:
    """The files of a folder, as the kernel shows them and as they are on the disk."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Start with files that are on the disk as they are."""
        self._files = {str(file): _File(bytearray(file.read_bytes())) for file in files}
        self._names = set(self._files)
        """Files whose names are on the disk."""

        self._removed: set[str] = set()

    def copy(self) -> "Disk":
        """Return a disk that goes its own way from here."""
        return deepcopy(self)

    def do(self, event: Event) -> None:
        """Take in a system call; those to other files change nothing."""
        folder_of = {name.rpartition("/")[0] for name in self._files}
        if event.name == "sync" and event.path in folder_of:
            self._names = set(self._files) - self._removed
            return
        if event.name == "create" and event.path.endswith("-wal"):
            self._files.setdefault(event.path, _File())
            self._removed.discard(event.path)
        file = self._files.get(event.path)
        if file is None:
            return
        if event.name == "write":
            file.pending.append(_Write(event.offset, event.content))
        elif event.name == "truncate":
            file.pending.append(_Write(event.offset, None))
        elif event.name == "sync":
            _apply(file.durable, file.pending)
            file.pending.clear()
        elif event.name == "remove":
            self._removed.add(event.path)

    def whole(self) -> dict[str, bytes]:
        """Return the files as programs see them: as after a kill, which the kernel outlives."""
        return {
            path: _image(file, file.pending)
            for path, file in self._files.items()
            if path not in self._removed
        }

    def synced(self) -> dict[str, bytes]:
        """Return the files after a cut that took all that was not synced."""
        return {path: bytes(self._files[path].durable) for path in self._names}

    def torn(self, choice: random.Random) -> dict[str, bytes]:
        """Return the files after a cut that left some of what was not synced, torn anyhow."""
        share = choice.random()
        return {
            path: _image(file, _some(file.pending, choice, share))
            for path, file in self._files.items()
            if path in self._names or choice.random() < share
        }

    @property
    def has_pending(self) -> bool:
        """Whether a cut can take anything away."""
        return any(file.pending for file in self._files.values())


def _image(file: _File, writes: Iterable[_Write]) -> bytes:
    content = bytearray(file.durable)
    _apply(content, writes)
    return bytes(content)


def _apply(content: bytearray, writes: Iterable[_Write]) -> None:
    for offset, new in writes:
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        if new is None:
            del content[offset:]
        else:
            content[offset : offset + len(new)] = new


def _some(writes: Sequence[_Write], choice: random.Random, share: float) -> Iterator[_Write]:
    """Return a share of the calls, some of them torn at a sector of the disk."""
    for write in writes:
        if choice.random() >= share:
            continue
        if write.content is None or choice.random() < 0.5:
            yield write
            continue
        first = SECTOR_BYTES - write.offset % SECTOR_BYTES
        cuts = range(first, len(write.content), SECTOR_BYTES)
        kept = choice.choice([0, *cuts])
        yield _Write(write.offset, write.content[:kept])
