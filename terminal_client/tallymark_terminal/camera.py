"""Scans from a camera: a quick look at each frame, a thorough one at every few."""

import asyncio
import importlib
import itertools
from collections.abc import AsyncGenerator, Callable
from typing import Final, Protocol

from PIL import Image

from tallymark_terminal.presentations import RepeatFilter, Scan, finish_in_thread
from tallymark_terminal.scanner import NoCodeFound, ScannerUnavailable, ScanRefused, read_code

__all__ = ["THOROUGH_LOOK_FRAMES", "FrameSource", "OpenCvCamera", "scan_camera"]

THOROUGH_LOOK_FRAMES: Final = 5
"""Of how many frames one gets the thorough look, which takes about ten times as long."""

FRAME_WIDTH_PIXELS: Final = 1280
FRAME_HEIGHT_PIXELS: Final = 720
"""Asked of the camera: enough for a phone at arm's length, and quick to search."""


class FrameSource(Protocol):
    """Something that gives one picture after another."""

    def read(self) -> Image.Image | None:
        """Wait for the next frame and return it in grey, or None if there are no more."""


class OpenCvCamera:
    """A camera by its number, or a video by its file name or address; needs the extra `camera`."""

    def __init__(self, camera: int | str) -> None:
        """Open it; raises ScannerUnavailable."""
        self.source = f"camera {camera}"
        self._is_live = isinstance(camera, int)
        try:
            self._cv2 = importlib.import_module("cv2")
        except ImportError as error:
            raise ScannerUnavailable(
                self.source,
                "cameras need an optional part that is not installed",
                "Install it with: pip install 'tallymark-terminal[camera]'",
            ) from error
        self._capture = self._cv2.VideoCapture(camera)
        if not self._capture.isOpened():
            raise ScannerUnavailable(
                self.source,
                "it cannot be opened",
                "Check its number, the cable, and that no other program uses it",
            )
        self._capture.set(self._cv2.CAP_PROP_FRAME_WIDTH, FRAME_WIDTH_PIXELS)
        self._capture.set(self._cv2.CAP_PROP_FRAME_HEIGHT, FRAME_HEIGHT_PIXELS)
        # Frames that wait in a buffer show what the customer held up earlier.
        self._capture.set(self._cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self) -> Image.Image | None:
        """Return the next frame; None at the end of a video.

        Raises ScannerUnavailable if a live camera gives no more.
        """
        was_read, frame = self._capture.read()
        if was_read:
            return Image.fromarray(self._cv2.cvtColor(frame, self._cv2.COLOR_BGR2GRAY))
        if self._is_live:
            raise ScannerUnavailable(
                self.source, "it gives no more pictures", "Plug it in and start again"
            )
        return None

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


async def scan_camera(
    frames: FrameSource, *, source: str, clock: Callable[[], float]
) -> AsyncGenerator[Scan, None]:
    """Give one scan or refusal for each presentation; a frame without a code gives nothing."""
    repeats = RepeatFilter(clock=clock)
    for number in itertools.count():
        frame = await finish_in_thread(frames.read)
        if frame is None:
            return
        thorough = number % THOROUGH_LOOK_FRAMES == 0
        scan = await asyncio.to_thread(_scan_frame, frame, source, thorough=thorough)
        if scan is not None and not repeats.is_repeat(scan):
            yield scan


def _scan_frame(frame: Image.Image, source: str, *, thorough: bool) -> Scan | None:
    try:
        return read_code(frame, source=source, thorough=thorough)
    except NoCodeFound:
        return None
    except ScanRefused as refused:
        return refused
