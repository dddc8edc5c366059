import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tallymark_terminal.camera import THOROUGH_LOOK_FRAMES, OpenCvCamera, scan_camera
from tallymark_terminal.presentations import REPEAT_WINDOW_SECONDS
from tallymark_terminal.scanner import NoCodeFound, ScannerUnavailable, read_code

from .codes import FOREIGN_TEXT, code_text
from .fakes import FakeCamera, FakeClock, everything_from, outcome
from .photographs import FRAME_HEIGHT, FRAME_WIDTH, Photograph, photograph_of_text, side_by_side

FRAMES_OUT_OF_VIEW = round(REPEAT_WINDOW_SECONDS * 10) + 2


def view_of(text: str) -> Image.Image:
    """Return a frame that a quick look reads."""
    return Photograph().of(text)


def empty_view() -> Image.Image:
    """Return a frame without a code."""
    return Image.new("L", (FRAME_WIDTH, FRAME_HEIGHT), 120)


async def outcomes_of(frames: Iterable[Image.Image]) -> list[str]:
    """Return what comes of these frames."""
    clock = FakeClock()
    source = scan_camera(FakeCamera(frames, clock), source="camera 0", clock=clock)
    return [outcome(scan) for scan in await everything_from(source)]


async def test_code_held_before_the_camera_makes_one_scan() -> None:
    assert await outcomes_of([empty_view()] * 3 + [view_of(code_text(1))] * 30) == [code_text(1)]


async def test_code_that_flickers_is_still_one_presentation() -> None:
    flicker = [view_of(code_text(1)), empty_view(), empty_view()]

    assert await outcomes_of(flicker * 15) == [code_text(1)]


async def test_code_that_was_out_of_view_for_a_while_makes_a_second_scan() -> None:
    frames = [view_of(code_text(1)), *[empty_view()] * FRAMES_OUT_OF_VIEW, view_of(code_text(1))]

    assert await outcomes_of(frames) == [code_text(1), code_text(1)]


async def test_next_code_on_the_same_phone_is_a_new_scan_at_once() -> None:
    frames = [view_of(code_text(1))] * 3 + [view_of(code_text(2))] * 3

    assert await outcomes_of(frames) == [code_text(1), code_text(2)]


async def test_two_phones_in_view_are_refused_once_and_then_the_one_left_is_read() -> None:
    both = side_by_side([view_of(code_text(1)), view_of(code_text(2))])

    given = await outcomes_of([both] * 10 + [view_of(code_text(1))] * 2)

    assert given == ["SeveralCodes", code_text(1)]


async def test_foreign_code_is_refused_once_and_a_page_of_print_is_nothing() -> None:
    frames = [photograph_of_text()] * 6 + [view_of(FOREIGN_TEXT)] * 6

    assert await outcomes_of(frames) == ["ForeignCode"]


@pytest.mark.parametrize(("frames", "scans"), [(THOROUGH_LOOK_FRAMES - 1, 0), (9, 1)])
async def test_code_that_only_a_thorough_look_reads_takes_a_few_frames(
    frames: int, scans: int
) -> None:
    hard_to_read = Photograph(is_inverted=True).of(code_text(1))
    with pytest.raises(NoCodeFound):
        read_code(hard_to_read, source="camera 0", thorough=False)

    given = await outcomes_of([empty_view()] + [hard_to_read] * frames)

    assert given == [code_text(1)] * scans


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Record a video of a phone that comes into view, tilts and goes."""
    cv2 = pytest.importorskip("cv2")
    frames = [empty_view()] * 2
    frames += [Photograph(tilt_degrees=5.0 * step).of(code_text(1), seed=step) for step in range(4)]
    path = tmp_path / "till.avi"
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    for frame in frames:
        writer.write(np.asarray(frame.convert("RGB"))[:, :, ::-1])
    writer.release()
    return path


async def test_code_is_read_from_a_video_through_opencv(video: Path) -> None:
    camera = OpenCvCamera(str(video))

    try:
        source = scan_camera(camera, source=camera.source, clock=FakeClock())
        given = [outcome(scan) for scan in await everything_from(source)]
    finally:
        camera.close()

    assert given == [code_text(1)]


def test_camera_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    pytest.importorskip("cv2")

    with pytest.raises(ScannerUnavailable, match="cannot be opened"):
        OpenCvCamera(str(tmp_path / "missing.avi"))


def test_missing_camera_extra_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)

    with pytest.raises(ScannerUnavailable, match=r"pip install 'tallymark-terminal\[camera\]'"):
        OpenCvCamera(0)
