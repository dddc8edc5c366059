"""Room on the disk: looked at now and then, told when it changes."""

import logging
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tallymark_server.storage.free_space import LOOK_SECONDS, FreeSpace

FLOOR = 100 << 20


class Usage(NamedTuple):
    free: int


class Disk:
    """A disk whose room the test chooses, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free_bytes = FLOOR
        self.seconds = 0.0
        self.looks = 0
        monkeypatch.setattr(shutil, "disk_usage", self._usage)

    def _usage(self, _: Any) -> Usage:
        self.looks += 1
        return Usage(self.free_bytes)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_there_is_room_down_to_the_floor_and_again_when_somebody_made_some(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    has_room = FreeSpace(Path("data"), FLOOR, lambda: disk.seconds)
    seen = []
    with caplog.at_level(logging.WARNING):
        for free_bytes in (FLOOR, FLOOR - 1, 0, FLOOR, FLOOR * 9):
            disk.free_bytes = free_bytes
            seen.append(has_room())
            disk.seconds += LOOK_SECONDS

    assert seen == [True, False, False, True, True]
    assert [record.levelname for record in caplog.records] == ["CRITICAL", "WARNING"]
    assert "make room" in caplog.text


def test_the_disk_is_looked_at_once_a_second_however_often_it_is_asked_for(disk: Disk) -> None:
    has_room = FreeSpace(Path("data"), FLOOR, lambda: disk.seconds)

    for _ in range(1_000):
        assert has_room()
        disk.seconds += LOOK_SECONDS / 250

    assert disk.looks == 4


def test_a_real_disk_has_room(tmp_path: Path) -> None:
    assert FreeSpace(tmp_path, 1)()
    assert not FreeSpace(tmp_path, 1 << 60)()
