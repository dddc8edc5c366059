"""Compares our scanner with plain zxing-cpp, as its defaults are: `python -m bench.scanning`.

What is scanned are photographs of a phone on a desk, drawn as for docs/pictures.md, in the two
usual sizes of a camera. Ours is what the terminal does with a camera: a quick look at each frame,
and the thorough one at every fifth. Each round scans every frame by both, in changing order, and
counts the processor time of the thread that scans, which a busy machine hardly disturbs.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import zxingcpp
from PIL import Image

from bench.compare import ratio_of
from bench.lines import Line, main
from tallymark_terminal.camera import THOROUGH_LOOK_FRAMES
from tallymark_terminal.scanner import read_texts
from tests.unit.terminal.codes import code_text
from tests.unit.terminal.photographs import Photograph

__all__ = ["Scene", "compare", "measure", "scenes_of"]

ROUNDS: Final = 15
ROUNDS_QUICK: Final = 2
SIZES: Final = {"720p": (1280, 720), "1080p": (1920, 1080)}
SHOWN: Final = {
    "close": Photograph(pixels_per_module=8),
    "at arm's length": Photograph(pixels_per_module=4),
    "at arm's length, 40 degrees": Photograph(pixels_per_module=4, tilt_degrees=40),
    "at arm's length, in shadow": Photograph(pixels_per_module=4, shadow_percent=70),
    "far": Photograph(pixels_per_module=2.5),
}
TOO_FAR: Final = Photograph(pixels_per_module=1)
"""A phone whose code nobody can read: much work for nothing."""

DESK_GREY, NOISE_GREY_LEVELS = 120, 3
"""What a camera sees between two customers."""


class Scene(NamedTuple):
    """What a camera sees again and again."""

    size: str
    name: str
    picture: Image.Image
    text: str
    """What there is to read; empty for nothing."""


class Look(NamedTuple):
    """What came of as many frames as one thorough look is given to."""

    milliseconds: float
    """Processor time for one frame, on average."""

    read_at: int | None
    """Number of the first frame that was read, None when none was."""


def measure(*, is_quick: bool) -> list[Line]:
    """Compare both in frames of both sizes."""
    scenes = [scene for size in SIZES for scene in scenes_of(size)]
    return compare(scenes, ROUNDS_QUICK if is_quick else ROUNDS)


def scenes_of(size: str) -> list[Scene]:
    """Draw what is scanned in this size: with a code, and without one that can be read."""
    frame, text = SIZES[size], code_text(1)
    shown = [
        Scene(size, name, replace(photograph, frame=frame).of(text), text)
        for name, photograph in SHOWN.items()
    ]
    too_far = Scene(size, "too far", replace(TOO_FAR, frame=frame).of(text), "")
    return [*shown, too_far, Scene(size, "nothing", _desk(frame), "")]


def compare(scenes: Sequence[Scene], rounds: int) -> list[Line]:
    """Return a line for each scene: plain to ours, milliseconds a frame, and which frame is read.

    The first frame after a thorough look is number 1, so the thorough one is the last.
    """
    looks: dict[int, list[tuple[Look, Look]]] = {place: [] for place in range(len(scenes))}
    for number in range(rounds + 1):  # the first to warm
        for place, scene in enumerate(scenes):
            order = (_ours, _plain) if number % 2 else (_plain, _ours)
            taken = {scan: _look(scan, scene) for scan in order}
            if number:
                looks[place].append((taken[_ours], taken[_plain]))
    return [_line(scene, looks[place]) for place, scene in enumerate(scenes)]


def _ours(frame: Image.Image, number: int) -> set[str]:
    return read_texts(frame, thorough=number == THOROUGH_LOOK_FRAMES)


def _plain(frame: Image.Image, number: int) -> set[str]:  # noqa: ARG001 -- each frame alike
    return {barcode.text for barcode in zxingcpp.read_barcodes(frame)}


def _look(scan: Callable[[Image.Image, int], set[str]], scene: Scene) -> Look:
    """Scan a scene's frame as often as there are frames from one thorough look to the next."""
    began = time.thread_time()
    found = [scan(scene.picture, number) for number in range(1, THOROUGH_LOOK_FRAMES + 1)]
    milliseconds = 1000 * (time.thread_time() - began) / THOROUGH_LOOK_FRAMES
    read_at = next((number for number, texts in enumerate(found, 1) if scene.text in texts), None)
    return Look(milliseconds, read_at)


def _line(scene: Scene, looks: Sequence[tuple[Look, Look]]) -> Line:
    ours, plain = ([pair[side].milliseconds for pair in looks] for side in (0, 1))
    ratio = ratio_of([theirs / own for own, theirs in zip(ours, plain, strict=True)])
    (own, theirs), (own_read, plain_read) = (
        map(statistics.median, (ours, plain)),
        (look.read_at for look in looks[0]),
    )
    return Line(
        name=f"scan {scene.size}, {scene.name}: plain / ours",
        got=ratio.mean,
        trials=len(looks),
        note=f"95 %: {ratio.low:.2f} to {ratio.high:.2f}; {own:.1f} ms a frame, not {theirs:.1f}",
        figures={
            "size": scene.size,
            "scene": scene.name,
            "interval": [ratio.low, ratio.high],
            "ours_milliseconds": own,
            "plain_milliseconds": theirs,
            "ours_read_at_frame": own_read,
            "plain_read_at_frame": plain_read,
        },
    )


def _desk(frame: tuple[int, int]) -> Image.Image:
    noise = np.random.default_rng(1).normal(DESK_GREY, NOISE_GREY_LEVELS, frame[::-1])
    return Image.fromarray(np.clip(np.rint(noise), 0, 255).astype(np.uint8))


if __name__ == "__main__":
    main(measure, "scanning")
