import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tallymark_terminal.picture_files import PICTURE_BYTES_MAX
from tallymark_terminal.presentations import Scan
from tallymark_terminal.scan_sources import scan_files, scan_folder, scan_standard_input
from tallymark_terminal.scanner import ScannerUnavailable

from .codes import FOREIGN_TEXT, code_text
from .fakes import FakeBytes, FakeClock, FakeSleep, everything_from, outcome
from .photographs import encoded, symbol


def picture_of(text: str) -> bytes:
    """Return a picture file that shows this text as a code."""
    return encoded(symbol(text, pixels_per_module=2))


def saver(folder: Path, name: str, data: bytes) -> Callable[[], object]:
    """Return something that happens while the source sleeps: a file is written."""
    return lambda: (folder / name).write_bytes(data)


def nothing() -> None:
    """Let one poll pass."""


async def outcomes_when(folder: Path, *happenings: Callable[[], object]) -> list[str]:
    """Follow a folder while these things happen, one per poll."""
    source = scan_folder(folder, follow=True, sleep=FakeSleep(*happenings))
    return [outcome(scan) for scan in await everything_from(source)]


async def from_standard_input(*pieces: bytes) -> list[Scan]:
    """Return what standard input gives when these pieces arrive."""
    return await everything_from(scan_standard_input(FakeBytes(*pieces), clock=FakeClock()))


async def test_each_named_file_gives_one_scan_in_the_order_given(tmp_path: Path) -> None:
    names = ["b.png", "broken.png", "missing.png", "foreign.png", "a.png", "b.png"]
    (tmp_path / "a.png").write_bytes(picture_of(code_text(1)))
    (tmp_path / "b.png").write_bytes(picture_of(code_text(2)))
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "foreign.png").write_bytes(picture_of(FOREIGN_TEXT))

    scans = await everything_from(scan_files([tmp_path / name for name in names]))

    assert [outcome(scan) for scan in scans] == [
        code_text(2),
        "PictureUnreadable",
        "PictureUnreadable",
        "ForeignCode",
        code_text(1),
        code_text(2),
    ]
    assert [scan.source for scan in scans] == [f"picture {name}" for name in names]


async def test_folder_is_read_in_name_order_without_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "2.PNG").write_bytes(picture_of(code_text(2)))
    (tmp_path / "10.png").write_bytes(picture_of(code_text(10)))
    (tmp_path / "3.png").write_bytes(b"not whole")
    (tmp_path / ".4.png").write_bytes(picture_of(code_text(4)))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "5.png").mkdir()

    scans = await everything_from(scan_folder(tmp_path))

    assert [outcome(scan) for scan in scans] == [code_text(10), code_text(2), "PictureUnreadable"]


async def test_folder_without_pictures_is_said_to_be_empty(tmp_path: Path) -> None:
    scans = await everything_from(scan_folder(tmp_path))

    assert [str(scan) for scan in scans] == [
        f"folder {tmp_path.name}: it has no pictures. Save one there first."
    ]


@pytest.mark.parametrize("follow", [True, False])
async def test_folder_that_is_not_there_stops_the_scanner(tmp_path: Path, *, follow: bool) -> None:
    with pytest.raises(ScannerUnavailable, match="cannot be listed"):
        await everything_from(scan_folder(tmp_path / "missing", follow=follow))


async def test_followed_folder_gives_old_pictures_and_then_each_new_one_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "old.png").write_bytes(picture_of(code_text(1)))

    given = await outcomes_when(
        tmp_path,
        nothing,
        saver(tmp_path, "z.png", picture_of(code_text(2))),
        saver(tmp_path, "a.png", picture_of(code_text(3))),
        nothing,
        nothing,
        nothing,
    )

    assert given == [code_text(1), code_text(2), code_text(3)]


async def test_picture_that_is_still_being_written_is_read_when_it_is_whole(
    tmp_path: Path,
) -> None:
    whole = picture_of(code_text(1))

    given = await outcomes_when(
        tmp_path,
        saver(tmp_path, "new.png", whole[:100]),
        saver(tmp_path, "new.png", whole[:200]),
        saver(tmp_path, "new.png", whole),
        nothing,
        nothing,
    )

    assert given == [code_text(1)]


async def test_rewritten_picture_is_a_new_one(tmp_path: Path) -> None:
    picture = tmp_path / "code.png"
    picture.write_bytes(picture_of(code_text(1)))

    def show_next_code() -> None:
        picture.write_bytes(picture_of(code_text(2)))
        os.utime(picture, (2_000_000_000, 2_000_000_000))

    given = await outcomes_when(tmp_path, nothing, show_next_code, nothing, nothing)

    assert given == [code_text(1), code_text(2)]


async def test_picture_that_comes_back_after_it_was_removed_is_a_new_one(tmp_path: Path) -> None:
    picture = tmp_path / "code.png"

    def show_code() -> None:
        picture.write_bytes(picture_of(code_text(1)))
        os.utime(picture, (2_000_000_000, 2_000_000_000))

    show_code()
    given = await outcomes_when(
        tmp_path,
        picture.unlink,
        nothing,
        show_code,
        nothing,
        nothing,
    )

    assert given == [code_text(1), code_text(1)]


async def test_followed_folder_that_disappears_stops_the_scanner(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()

    with pytest.raises(ScannerUnavailable, match="folder pictures: it cannot be listed"):
        await outcomes_when(folder, nothing, folder.rmdir)


@pytest.mark.parametrize("piece_bytes", [1, 5, 12, 100, 1_000_000])
async def test_picture_piped_in_is_read_however_it_is_cut(piece_bytes: int) -> None:
    data = picture_of(code_text(1))
    pieces = [data[start : start + piece_bytes] for start in range(0, len(data), piece_bytes)]

    scans = await from_standard_input(*pieces)

    assert [outcome(scan) for scan in scans] == [code_text(1)]
    assert scans[0].source == "standard input"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([code_text(1).encode() + b"\n"], [code_text(1)]),
        ([code_text(1).encode()], [code_text(1)]),
        ([b"", b"\r\n", b"TM1:A\r", b"", b"TM1:B\r"], ["TM1:A", "TM1:B"]),
        ([b"T", b"M", b"1", b":", b"A", b"\n"], ["TM1:A"]),
        ([b"GIF\n", b"4006381333931\n"], ["ForeignCode"]),
        ([b"\xff\xfe\n"], ["ForeignCode"]),
        ([b"\n"], []),
        ([], []),
    ],
)
async def test_lines_typed_in_are_read(pieces: list[bytes], expected: list[str]) -> None:
    scans = await from_standard_input(*pieces)

    assert [outcome(scan) for scan in scans] == expected


async def test_picture_piped_in_that_is_not_whole_is_refused() -> None:
    scans = await from_standard_input(picture_of(code_text(1))[:150])

    assert [outcome(scan) for scan in scans] == ["PictureUnreadable"]


async def test_endless_picture_piped_in_is_refused_at_the_limit() -> None:
    megabyte = bytes(1024 * 1024)
    pieces = [b"\x89PNG\r\n\x1a\n", *[megabyte] * (2 * PICTURE_BYTES_MAX // len(megabyte))]
    incoming = FakeBytes(*pieces)

    scans = await everything_from(scan_standard_input(incoming, clock=FakeClock()))

    assert [str(scan).partition(". ")[0] for scan in scans] == [
        f"standard input: it has more than {PICTURE_BYTES_MAX} bytes"
    ]
    assert incoming.read_some() == megabyte
