"""Stand-ins for the devices at a till, and ways to use them."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

from PIL import Image

from tallymark_terminal.presentations import Scan
from tallymark_terminal.scanner import ScannedCode

Item = TypeVar("Item")


class FakeClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class FakeBytes:
    """Bytes that arrive in the given pieces; an empty piece is a wait in vain."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def read_some(self) -> bytes:
        if not self._pieces:
            raise EOFError
        return self._pieces.pop(0)


class FakeCamera:
    """A camera that shows the given frames, one each tenth of a second, and then ends."""

    def __init__(self, frames: Iterable[Image.Image], clock: FakeClock) -> None:
        self._frames = iter(frames)
        self._clock = clock

    def read(self) -> Image.Image | None:
        self._clock.seconds += 0.1
        return next(self._frames, None)


class FakeSleep:
    """Sleeps no time but lets the test do something; ends the source when nothing is left."""

    class Over(Exception):
        """Nothing more will happen."""

    def __init__(self, *happenings: Callable[[], object]) -> None:
        self._happenings = list(happenings)

    async def __call__(self, _seconds: float) -> None:
        if not self._happenings:
            raise self.Over
        self._happenings.pop(0)()


async def everything_from(source: AsyncIterator[Item]) -> list[Item]:
    """Return all that a source gives, until it ends or nothing more can happen."""
    given: list[Item] = []
    try:
        async for item in source:
            given.append(item)  # noqa: PERF401 - what came before an end by exception counts
    except FakeSleep.Over:
        pass
    return given


def outcome(scan: Scan) -> str:
    """Return the text of a scanned code, or the name of the refusal."""
    return scan.text if isinstance(scan, ScannedCode) else type(scan).__name__
