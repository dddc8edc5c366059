import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_identifier import (
    check_cti_mac,
    cti_hash,
    make_claims,
    partition_of,
    text_hash,
)

MAC_KEY = bytes(range(32))
EPOCH = 7
CLAIMS = make_claims(
    partition=9,
    random=bytes(range(14)),
    expires_at=1_790_000_060,
    audience="lane-7",
    event_id="concert-2026",
    ticket_id="A-1042",
    mac_key=MAC_KEY,
    epoch=EPOCH,
)

CHANGES = (
    replace(CLAIMS, expires_at=1_790_000_061),
    replace(CLAIMS, audience="lane-8"),
    replace(CLAIMS, audience=None),
    replace(CLAIMS, event_id="concert-2027"),
    replace(CLAIMS, ticket_id="A-1043"),
    replace(CLAIMS, event_id=None, ticket_id=None),
)


def test_the_cti_is_partition_random_and_mac_as_specified() -> None:
    covered = bytes.fromhex(
        "83"  # ["tallymark cti", 7, {3: ..., 4: ..., 7: ..., -65537: [...]}]
        "6d" + b"tallymark cti".hex() + "07"
        "a4"
        "0366" + b"lane-7".hex() + "041a6ab13bbc"
        "074f09000102030405060708090a0b0c0d"
        "3a00010000826c" + b"concert-2026".hex() + "66" + b"A-1042".hex()
    )

    mac = hmac.new(MAC_KEY, covered, hashlib.sha256).digest()

    assert CLAIMS.cti == b"\x09" + bytes(range(14)) + mac[:5]
    assert partition_of(CLAIMS.cti) == 9


def test_the_mac_of_made_claims_fits() -> None:
    assert check_cti_mac(CLAIMS, mac_key=MAC_KEY, epoch=EPOCH)


@pytest.mark.parametrize("changed", CHANGES, ids=repr)
def test_the_mac_covers_every_claim(changed: CodeClaims) -> None:
    assert not check_cti_mac(changed, mac_key=MAC_KEY, epoch=EPOCH)


@pytest.mark.parametrize("bit", range(160))
def test_the_mac_covers_every_bit_of_the_cti(bit: int) -> None:
    cti = bytearray(CLAIMS.cti)
    cti[bit // 8] ^= 1 << bit % 8

    assert not check_cti_mac(replace(CLAIMS, cti=bytes(cti)), mac_key=MAC_KEY, epoch=EPOCH)


def test_the_mac_of_another_key_or_epoch_does_not_fit() -> None:
    assert not check_cti_mac(CLAIMS, mac_key=bytes(32), epoch=EPOCH)
    assert not check_cti_mac(CLAIMS, mac_key=MAC_KEY, epoch=EPOCH + 1)


@given(st.integers(0, 255), st.binary(min_size=14, max_size=14), st.integers(1, 2**32 - 1))
def test_made_claims_keep_what_they_were_made_of(partition: int, random: bytes, exp: int) -> None:
    claims = make_claims(
        partition=partition, random=random, expires_at=exp, mac_key=MAC_KEY, epoch=EPOCH
    )

    assert (partition_of(claims.cti), claims.cti[1:15], claims.expires_at) == (
        partition,
        random,
        exp,
    )
    assert check_cti_mac(claims, mac_key=MAC_KEY, epoch=EPOCH)


@pytest.mark.parametrize(
    ("partition", "random", "mac_key", "why"),
    [
        (-1, bytes(14), MAC_KEY, "partition"),
        (256, bytes(14), MAC_KEY, "partition"),
        (0, bytes(13), MAC_KEY, "14 random bytes"),
        (0, bytes(15), MAC_KEY, "14 random bytes"),
        (0, bytes(14), bytes(31), "at least 32 bytes"),
    ],
)
def test_wrong_material_is_refused(partition: int, random: bytes, mac_key: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make_claims(partition=partition, random=random, expires_at=1, mac_key=mac_key, epoch=0)


def test_hashes_are_sha_256() -> None:
    assert cti_hash(b"cti") == hashlib.sha256(b"cti").digest()
    assert text_hash("TM1:") == hashlib.sha256(b"TM1:").digest()
