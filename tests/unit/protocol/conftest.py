"""Keys that the tests of the code format share; fixed, so that a failure repeats."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol.code_keys import VerificationKey, VerificationKeys


@pytest.fixture(scope="session")
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="session")
def keys(private_key: Ed25519PrivateKey) -> VerificationKeys:
    key = VerificationKey(
        key_id=1,
        public_key=private_key.public_key(),
        valid_from_seconds=0,
        valid_until_seconds=2**40,
    )
    return VerificationKeys([key])
