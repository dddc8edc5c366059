"""The ring of keys that sign codes: replaced, ended, given up, and the same after a restart."""

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from buf.validate import validate_pb2
from tallymark.v1 import policy_pb2
from tallymark_server.keys import signing
from tallymark_server.keys.folder import KeyFolder, KeysRefused
from tallymark_server.keys.ring import KeyNotFound, NoNumberFree
from tallymark_server.keys.signing import CODE_LIFE_SECONDS_MAX, SigningRing
from tests.unit.keys.folders import cut_short_by

NOW = 1_900_000_000_000
OVERLAP = (CODE_LIFE_SECONDS_MAX + signing.MARGIN_SECONDS) * 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def ring_in(path: Path) -> SigningRing:
    return SigningRing(KeyFolder.open(path))


def ids(ring: SigningRing) -> list[int]:
    return [key.key_id for key in ring.facts()]


def files(path: Path) -> list[str]:
    return [file.name for file in sorted(path.glob("signing-*.pem"))]


def test_the_first_key_has_always_been_good_and_has_no_end(path: Path) -> None:
    (key,) = ring_in(path).verification_keys()

    assert key.key_id == 1
    assert key.is_valid_at(0)
    assert key.is_valid_at(2**32 - 2)


def test_the_key_before_is_good_as_long_as_the_longest_code_and_then_its_file_is_gone(
    path: Path,
) -> None:
    ring = ring_in(path)
    first = ring.current

    second = ring.rotate(NOW)

    assert ring.current is second
    assert (second.key_id, second.made_at) == (2, NOW)
    still = ring.find_valid(1, NOW + OVERLAP - 1)
    assert still is not None
    assert still.private_key is first.private_key
    assert ring.find_valid(1, NOW + OVERLAP) is None
    ring.drop_ended(NOW + OVERLAP - 1)
    assert files(path) == ["signing-001.pem", "signing-002.pem"]
    ring.drop_ended(NOW + OVERLAP)
    assert files(path) == ["signing-002.pem"]
    assert ring.find(1) is None


def test_no_code_that_the_policy_allows_outlives_its_key() -> None:
    fields: Any = policy_pb2.Policy.DESCRIPTOR.fields_by_name

    for name in ("code_life_seconds", "points_code_life_seconds"):
        rules = fields[name].GetOptions().Extensions[validate_pb2.field]
        assert rules.int32.lte == CODE_LIFE_SECONDS_MAX


def test_terminals_that_are_a_little_behind_accept_the_new_key_at_once(path: Path) -> None:
    ring = ring_in(path)
    ring.rotate(NOW)

    keys = {key.key_id: key for key in ring.verification_keys()}

    assert keys[2].is_valid_at(NOW / 1000 - 59)
    assert keys[1].is_valid_at(NOW / 1000 + CODE_LIFE_SECONDS_MAX)
    assert not keys[1].is_valid_at((NOW + OVERLAP) / 1000)


def test_each_number_has_a_mac_key_of_its_own(path: Path) -> None:
    ring = ring_in(path)
    ring.rotate(NOW)
    first, second = ring.find(1), ring.find(2)

    assert first is not None
    assert second is not None
    assert first.mac_key != second.mac_key
    assert len(second.mac_key) == 32
    assert repr(second.mac_key) not in repr(second)


def test_a_key_that_is_given_up_is_refused_at_once(path: Path) -> None:
    ring = ring_in(path)
    ring.rotate(NOW)

    in_use = ring.revoke(1, NOW)

    assert in_use is ring.current
    assert in_use.key_id == 2
    assert ring.find_valid(1, NOW) is None
    assert files(path) == ["signing-002.pem"]


def test_giving_up_the_key_that_signs_makes_another_one_first(path: Path) -> None:
    ring = ring_in(path)

    in_use = ring.revoke(1, NOW)

    assert ids(ring) == [in_use.key_id] == [2]
    assert files(path) == ["signing-002.pem"]


def test_a_key_that_is_not_there_cannot_be_given_up(path: Path) -> None:
    with pytest.raises(KeyNotFound):
        ring_in(path).revoke(9, NOW)


def test_the_mac_key_of_a_key_that_is_gone_is_kept_until_its_number_is_used_again(
    path: Path,
) -> None:
    ring = ring_in(path)
    mac_key = ring.current.mac_key
    ring.revoke(1, NOW)

    assert ring.gone_mac_key(1) == ring_in(path).gone_mac_key(1) == mac_key
    assert ring.gone_mac_key(2) is None

    for _ in range(254):
        ring.revoke(ring.current.key_id, NOW)
    assert ring.current.key_id == 1
    assert ring.gone_mac_key(1) is None


def test_numbers_go_round_and_pass_by_those_that_are_still_good(path: Path) -> None:
    ring = ring_in(path)
    for _ in range(253):
        ring.revoke(ring.current.key_id, NOW)
    assert ids(ring) == [254]

    ring.rotate(NOW)
    ring.rotate(NOW)
    ring.revoke(255, NOW)
    assert ids(ring) == [1, 254]

    seen = [ring.revoke(ring.current.key_id, NOW).key_id for _ in range(254)]
    assert seen[:3] == [2, 3, 4]
    assert seen[-2:] == [255, 1]
    assert 254 not in seen


def test_when_every_number_is_still_good_there_is_no_new_key(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    ring = ring_in(path)
    for _ in range(254):
        ring.rotate(NOW)
    before = ring.facts()

    with pytest.raises(NoNumberFree):
        ring.rotate(NOW)
    with pytest.raises(NoNumberFree):
        ring.revoke(ring.current.key_id, NOW)

    assert ring.facts() == before
    assert ring.rotate(NOW + OVERLAP).key_id == 1


def test_a_restart_finds_the_same_ring(path: Path) -> None:
    ring = ring_in(path)
    ring.rotate(NOW)
    ring.rotate(NOW + 1_000)
    ring.revoke(2, NOW + 2_000)

    again = ring_in(path)

    assert again.facts() == ring.facts()
    assert again.current.key_id == 3
    assert [key.private_key.private_bytes_raw() for key in map(again.find, (1, 3)) if key] == [
        key.private_key.private_bytes_raw() for key in map(ring.find, (1, 3)) if key
    ]


@pytest.mark.parametrize("change", ["rotate", "revoke"])
@pytest.mark.parametrize("writes", range(3))
def test_a_power_cut_at_any_write_leaves_the_ring_before_or_after(
    path: Path, monkeypatch: pytest.MonkeyPatch, change: str, writes: int
) -> None:
    folder = KeyFolder.open(path)
    ring = SigningRing(folder)
    before, write = ring.facts(), folder.write
    written: list[str] = []

    def write_some(name: str, content: bytes) -> None:
        if len(written) == writes:
            message = "the power is cut"
            raise OSError(message)
        written.append(name)
        write(name, content)

    monkeypatch.setattr(folder, "write", write_some)
    if writes < 2:
        with pytest.raises(OSError, match="the power is cut"):
            ring.rotate(NOW) if change == "rotate" else ring.revoke(1, NOW)
        assert ring.facts() == before, "what the server goes on with"
        assert ring_in(path).facts() == before
        assert files(path) == ["signing-001.pem"]
    else:
        ring.rotate(NOW) if change == "rotate" else ring.revoke(1, NOW)
        assert ring_in(path).facts() == ring.facts() != before
    assert written == ["signing-002.pem", "signing.json"][:writes]


def test_a_file_that_a_power_cut_left_behind_goes_with_the_next_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ring_in(path)
    with cut_short_by(monkeypatch, "pathlib.Path.unlink"):
        ring.revoke(1, NOW)

    assert ids(ring_in(path)) == [2]
    assert files(path) == ["signing-002.pem"]


def pem(key: Any, encryption: Any = None) -> bytes:
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )
    return encoded


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        b"-----BEGIN PRIVATE KEY-----\n",
        pem(Ed25519PrivateKey.generate(), serialization.BestAvailableEncryption(b"x")),
        pem(X25519PrivateKey.generate()),
    ],
    ids=["empty", "text", "half", "encrypted", "of another kind"],
)
def test_what_is_no_key_is_refused(path: Path, content: bytes) -> None:
    ring_in(path)
    (path / "signing-001.pem").write_bytes(content)

    with pytest.raises(KeysRefused, match=r"is (no key|not an Ed25519 key); put it back"):
        ring_in(path)


def test_a_key_that_is_missing_is_not_made_again_beside_a_database(path: Path) -> None:
    ring_in(path).rotate(NOW)
    (path / "signing-001.pem").unlink()

    with pytest.raises(KeysRefused, match=r"signing-001\.pem is missing"):
        ring_in(path)
    (path / "signing-002.pem").unlink()
    with pytest.raises(KeysRefused, match="signing is missing"):
        SigningRing(KeyFolder.open(path, make_missing=False))
