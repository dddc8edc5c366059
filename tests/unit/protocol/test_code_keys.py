import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol.code_errors import CodeKeyUnknown
from tallymark_protocol.code_keys import VerificationKey, VerificationKeys


def key_with(key_id: int) -> VerificationKey:
    return VerificationKey(
        key_id=key_id,
        public_key=Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key(),
        valid_from_seconds=1000,
        valid_until_seconds=2000,
    )


@pytest.mark.parametrize("now_seconds", [1000, 1000.001, 1999, 1999.999])
def test_a_key_is_found_within_its_time(now_seconds: float) -> None:
    keys = VerificationKeys([key_with(0), key_with(255)])

    assert keys.valid_key(255, now_seconds).key_id == 255


@pytest.mark.parametrize("now_seconds", [0, 999.999, 2000, 2000.001, 10**10])
def test_a_key_is_refused_outside_its_time(now_seconds: float) -> None:
    keys = VerificationKeys([key_with(1)])

    with pytest.raises(CodeKeyUnknown, match="not valid at this time"):
        keys.valid_key(1, now_seconds)


def test_a_key_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(CodeKeyUnknown, match="not in the table"):
        VerificationKeys([]).valid_key(1, 1500)


def test_two_keys_with_one_number_are_refused() -> None:
    with pytest.raises(ValueError, match="two keys"):
        VerificationKeys([key_with(1), key_with(1)])


@pytest.mark.parametrize("key_id", [-1, 256])
def test_a_number_that_is_not_one_byte_is_refused(key_id: int) -> None:
    with pytest.raises(ValueError, match="not one byte"):
        VerificationKeys([key_with(key_id)])
