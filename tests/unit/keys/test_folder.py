"""The folder of keys: durable, for its owner only, and under a passphrase if that is wanted."""

import os
from pathlib import Path

import pytest

from tallymark_server.keys.folder import KeyFolder, KeysRefused
from tests.unit.keys.folders import PASSPHRASE, cut_short_by


@pytest.fixture(params=[None, PASSPHRASE], ids=["open", "protected"])
def passphrase(request: pytest.FixtureRequest) -> bytes | None:
    given: bytes | None = request.param
    return given


def test_what_was_written_is_read_by_the_next_start(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    KeyFolder.open(tmp_path / "keys", passphrase=passphrase).write("a.key", b"first")
    KeyFolder.open(tmp_path / "keys", passphrase=passphrase).write("a.key", b"second")

    assert KeyFolder.open(tmp_path / "keys", passphrase=passphrase).read("a.key") == b"second"


def test_folder_and_files_are_for_their_owner_only(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    before = os.umask(0)
    try:
        folder = KeyFolder.open(tmp_path / "data" / "keys", passphrase=passphrase)
        folder.read_or_make("a.key", lambda: b"secret")
    finally:
        os.umask(before)

    assert {file.stat().st_mode & 0o777 for file in folder.path.iterdir()} == {0o600}
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    folder = KeyFolder.open(tmp_path / "keys")
    folder.write("a.key", b"secret")
    (tmp_path / "keys" / "a.key").chmod(0o640)

    with pytest.raises(KeysRefused, match=r"mode 640.*chmod 600 .*a\.key"):
        folder.read("a.key")


def test_a_folder_that_others_may_look_into_is_refused(tmp_path: Path) -> None:
    KeyFolder.open(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o755)

    with pytest.raises(KeysRefused, match=r"mode 755.*chmod 700 .*keys"):
        KeyFolder.open(tmp_path / "keys")


def test_a_power_cut_leaves_the_file_that_was_there_or_the_new_one(
    tmp_path: Path, passphrase: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cut in ("os.open", "os.fsync", "pathlib.Path.rename"):
        folder = KeyFolder.open(tmp_path / cut, passphrase=passphrase)
        folder.write("a.key", b"first")
        with cut_short_by(monkeypatch, cut):
            folder.write("a.key", b"second")

        restarted = KeyFolder.open(tmp_path / cut, passphrase=passphrase)
        assert restarted.read("a.key") == b"first"
        restarted.write("a.key", b"third")
        assert restarted.read("a.key") == b"third"
        assert "a.key.new" not in restarted.secrets()


def test_a_file_has_its_name_only_when_its_content_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = KeyFolder.open(tmp_path / "keys")
    done: list[str] = []
    sync, rename = os.fsync, Path.rename

    def note_sync(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def note_rename(path: Path, target: Path) -> Path:
        done.append(f"-> {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    folder.write("a.key", b"secret")
    folder.remove("a.key")

    assert done == ["a.key.new", "-> a.key", "keys", "keys"]


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeysRefused, match=r"a\.key is missing; put the keys back"):
        KeyFolder.open(tmp_path / "keys").read("a.key")


def test_without_its_folder_an_existing_database_gets_no_new_one(tmp_path: Path) -> None:
    with pytest.raises(KeysRefused, match="put the keys back"):
        KeyFolder.open(tmp_path / "keys", make_missing=False)

    assert not (tmp_path / "keys").exists()


def test_a_kind_of_key_that_was_lost_is_not_made_again_beside_a_database(tmp_path: Path) -> None:
    first = KeyFolder.open(tmp_path / "keys")
    first.read_or_make("a.key", lambda: b"secret")
    first.remove("a.key")

    with pytest.raises(KeysRefused, match=r"a\.key is missing"):
        KeyFolder.open(tmp_path / "keys", make_missing=False).read_or_make("a.key", lambda: b"x")


def test_a_kind_of_key_that_came_later_is_made_once_beside_a_database(tmp_path: Path) -> None:
    folder = KeyFolder.open(tmp_path / "keys")
    later = KeyFolder.open(tmp_path / "keys", make_missing=False)

    assert later.read_or_make("later.key", lambda: b"secret") == b"secret"

    folder.remove("later.key")
    with pytest.raises(KeysRefused, match=r"later\.key is missing"):
        KeyFolder.open(tmp_path / "keys", make_missing=False).read_or_make("later.key", lambda: b"")


def test_a_kind_that_was_found_in_an_old_folder_is_missed_when_it_is_lost(tmp_path: Path) -> None:
    folder = KeyFolder.open(tmp_path / "keys")
    folder.write("old.key", b"secret")
    KeyFolder.open(tmp_path / "keys", make_missing=False).read_or_make("old.key", lambda: b"")
    folder.remove("old.key")

    with pytest.raises(KeysRefused, match=r"old\.key is missing"):
        KeyFolder.open(tmp_path / "keys", make_missing=False).read_or_make("old.key", lambda: b"")


def test_one_server_at_a_time_has_the_keys(tmp_path: Path) -> None:
    first, second = KeyFolder.open(tmp_path / "keys"), KeyFolder.open(tmp_path / "keys")

    with first.locked(), pytest.raises(KeysRefused, match="Another server"), second.locked():
        pass

    with second.locked():
        pass
