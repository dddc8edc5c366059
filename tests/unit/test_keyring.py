"""The server's keys: made once, durable, and refused when they are no keys."""

import os
from pathlib import Path

import pytest

from tallymark_server.keyring import Keyring


def test_keys_are_made_once(tmp_path: Path) -> None:
    first, again = Keyring.open(tmp_path), Keyring.open(tmp_path)

    assert first.derive_secret("tms", "ana") == again.derive_secret("tms", "ana")
    assert first.signing.current.mac_key == again.signing.current.mac_key


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_master_key_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    Keyring.open(tmp_path)
    (tmp_path / "master.key").write_bytes(bytes(size))

    with pytest.raises(RuntimeError, match="does not have 32 bytes"):
        Keyring.open(tmp_path)


def test_a_new_key_is_in_its_folder_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[set[str]] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        where = Path(f"/proc/self/fd/{descriptor}").readlink()
        if where.is_dir():
            synced.append({file.name for file in where.iterdir()})
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    Keyring.open(tmp_path / "keys")

    assert synced[0] == {"keys"}
    assert synced[-1] == {
        *("audit.pem", "cells-001.key", "cells.json", "epoch", "kinds.json"),
        *("master.key", "signing-001.pem", "signing.json"),
    }


def test_missing_keys_are_not_made_again_beside_a_database(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="put the keys back"):
        Keyring.open(tmp_path / "keys", make_missing=False)

    assert not (tmp_path / "keys").exists()
