"""A folder that a passphrase protects tells nothing without it, and says what is wrong."""

import functools
from pathlib import Path

import pytest
from argon2.low_level import Type, hash_secret_raw
from argon2.profiles import RFC_9106_LOW_MEMORY
from click.testing import CliRunner
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark_server.key_options import PASSPHRASE_VARIABLE, read_passphrase
from tallymark_server.keyring import Keyring
from tallymark_server.keys import passphrase
from tallymark_server.keys.__main__ import main
from tallymark_server.keys.folder import KeyFolder, KeysRefused
from tallymark_server.keys.passphrase import DoesNotOpen, FileCipher
from tests.unit.keys.folders import PASSPHRASE
from tests.world.secret_values import forms_of

SALT = b"sixteen bytes ab"


@functools.cache
def cipher() -> FileCipher:
    return FileCipher(PASSPHRASE, SALT)


def test_the_key_is_made_by_argon2id_as_rfc_9106_recommends_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passphrase, "RFC_9106_LOW_MEMORY", RFC_9106_LOW_MEMORY)
    key = hash_secret_raw(
        PASSPHRASE,
        SALT,
        time_cost=3,
        memory_cost=64 * 1024,
        parallelism=4,
        hash_len=32,
        type=Type.ID,
    )

    encrypted = FileCipher(PASSPHRASE, SALT).encrypt("a.key", b"secret")

    assert AESGCM(key).decrypt(encrypted[:12], encrypted[12:], b"a.key") == b"secret"


def test_no_form_of_a_secret_stands_in_a_protected_folder(tmp_path: Path) -> None:
    secret = "0123456789-planted-secret"
    KeyFolder.open(tmp_path / "keys", passphrase=PASSPHRASE).write("a.key", secret.encode())

    kept = b"".join(file.read_bytes() for file in (tmp_path / "keys").iterdir())

    assert [form for form, content in forms_of(secret).items() if content in kept] == []
    assert PASSPHRASE not in kept


@pytest.mark.parametrize(
    ("made_with", "opened_with", "told"),
    [
        (PASSPHRASE, None, "--key-passphrase-file FILE or in TALLYMARK_KEY_PASSPHRASE"),
        (PASSPHRASE, b"another", "not the one that the keys in .* were made with"),
        (None, PASSPHRASE, "made without a passphrase; start without one, or copy"),
    ],
)
def test_the_wrong_passphrase_is_told_with_what_to_do(
    tmp_path: Path, made_with: bytes | None, opened_with: bytes | None, told: str
) -> None:
    Keyring.open(tmp_path / "keys", passphrase=made_with)

    with pytest.raises(KeysRefused, match=told) as refused:
        Keyring.open(tmp_path / "keys", passphrase=opened_with)

    assert "correct horse" not in str(refused.value)


def test_a_first_start_that_was_cut_short_is_taken_up_with_its_passphrase(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "passphrase.new").touch(0o600)

    KeyFolder.open(tmp_path / "keys", passphrase=PASSPHRASE).write("a.key", b"secret")

    assert KeyFolder.open(tmp_path / "keys", passphrase=PASSPHRASE).read("a.key") == b"secret"


def test_one_file_cannot_stand_in_for_another(tmp_path: Path) -> None:
    folder = KeyFolder.open(tmp_path / "keys", passphrase=PASSPHRASE)
    folder.write("a.key", b"a")
    folder.write("b.key", b"b")
    (tmp_path / "keys" / "a.key").rename(tmp_path / "keys" / "b.key")

    with pytest.raises(KeysRefused, match=r"b\.key is damaged or from another folder"):
        folder.read("b.key")


@given(name=st.text(max_size=9), content=st.binary(max_size=40), data=st.data())
@settings(deadline=None)
def test_a_file_opens_as_it_was_and_not_with_any_bit_flipped(
    name: str, content: bytes, data: st.DataObject
) -> None:
    encrypted = cipher().encrypt(name, content)
    bit = data.draw(st.integers(0, len(encrypted) * 8 - 1))
    flipped = bytearray(encrypted)
    flipped[bit // 8] ^= 1 << bit % 8

    assert cipher().decrypt(name, encrypted) == content
    with pytest.raises(DoesNotOpen):
        cipher().decrypt(name, bytes(flipped))
    with pytest.raises(DoesNotOpen):
        cipher().decrypt(f"{name}x", encrypted)


@given(st.binary(max_size=30))
def test_what_was_never_encrypted_does_not_open(text: bytes) -> None:
    with pytest.raises(DoesNotOpen):
        cipher().decrypt("a.key", text)


def test_the_passphrase_comes_from_a_file_or_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mounted"
    file.write_bytes(b"from the file\r\n")
    file.chmod(0o444)
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)

    assert read_passphrase(None) is None
    assert read_passphrase(file) == b"from the file"
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "from the environment")
    assert read_passphrase(None) == b"from the environment"
    assert read_passphrase(None) is None, "it was taken out of the environment"


def test_a_passphrase_that_is_empty_or_given_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mounted"
    file.write_bytes(b"\n")
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)

    with pytest.raises(KeysRefused, match="is empty"):
        read_passphrase(file)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "x")
    with pytest.raises(KeysRefused, match="not in both"):
        read_passphrase(file)


def test_keys_are_copied_under_another_passphrase_and_stay_the_same(tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path / "keys")
    cell = keyring.cells.seal("customers", "000ana", b"{}")
    keyring.signing.rotate(1_000)
    (tmp_path / "passphrase").write_bytes(PASSPHRASE)

    copied = CliRunner().invoke(
        main,
        [
            *(str(tmp_path / "keys"), str(tmp_path / "new")),
            *("--new-passphrase-file", str(tmp_path / "passphrase")),
        ],
    )

    again = Keyring.open(tmp_path / "new", make_missing=False, passphrase=PASSPHRASE)
    assert copied.exit_code == 0
    assert again.cells.open("customers", "000ana", cell) == b"{}"
    assert again.derive_secret("tms", "ana") == keyring.derive_secret("tms", "ana")
    assert again.signing.facts() == keyring.signing.facts()
    assert again.audit_public_key == keyring.audit_public_key


def test_a_copy_replaces_no_folder_and_takes_no_keys_that_are_in_use(tmp_path: Path) -> None:
    folder = KeyFolder.open(tmp_path / "keys")
    names = [str(tmp_path / "keys"), str(tmp_path / "new")]

    with folder.locked():
        in_use = CliRunner().invoke(main, names)
    (tmp_path / "new").mkdir()
    there = CliRunner().invoke(main, names)

    assert (in_use.exit_code, there.exit_code) == (1, 1)
    assert "Another server uses the keys" in in_use.output
    assert "is there already" in there.output
