"""The proofs of devices: each fits one request only."""

from dataclasses import dataclass, replace
from itertools import combinations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.device_key import DevicePrivateKey, DevicePublicKey, KeyAlgorithm
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign

PRIVATE_KEYS = tuple(
    DevicePrivateKey.generate(algorithm) for algorithm in (*KeyAlgorithm, *KeyAlgorithm)
)
KEYS = tuple(private_key.public() for private_key in PRIVATE_KEYS)
REQUEST_ID = "0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
DEVICE_ID = "00" * 17


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request says."""

    purpose: ProofPurpose = ProofPurpose.SIGN_IN
    login_name: str = "ana"
    device_id: str = DEVICE_ID
    request_id: str = REQUEST_ID
    public_key: DevicePublicKey = KEYS[0]

    def proof(self) -> bytes:
        return proof_to_sign(
            self.purpose,
            login_name=self.login_name,
            device_id=self.device_id,
            request_id=self.request_id,
            public_key=self.public_key,
        )


requests = st.builds(
    lambda purpose, login_name, device_id, request_id, key: Asked(
        purpose=purpose,
        login_name=login_name,
        device_id=device_id if purpose is ProofPurpose.SIGN_IN else "",
        request_id=str(request_id),
        public_key=key,
    ),
    st.sampled_from(ProofPurpose),
    st.text(max_size=4),
    st.text("01", min_size=1, max_size=3),
    st.uuids(),
    st.sampled_from(KEYS),
)


def test_proof_is_the_cbor_of_the_specification() -> None:
    key_bytes = KEYS[0].key_bytes

    assert Asked().proof() == cbor2.dumps(
        ["tallymark device proof", 1, "sign-in", "ana", DEVICE_ID, REQUEST_ID, 1, key_bytes]
    )


@given(requests, requests)
def test_two_requests_have_two_proofs(one: Asked, other: Asked) -> None:
    assert (one.proof() == other.proof()) is (one == other)


def test_proof_fits_no_request_that_differs_in_one_thing() -> None:
    asked = Asked()
    signature = PRIVATE_KEYS[0].sign(asked.proof())
    changed = (
        replace(asked, purpose=ProofPurpose.REGISTER, device_id=""),
        replace(asked, purpose=ProofPurpose.ADD, device_id=""),
        replace(asked, login_name="anna"),
        replace(asked, device_id="01" * 17),
        replace(asked, request_id=REQUEST_ID[:-1] + "c"),
        replace(asked, public_key=KEYS[1]),
        replace(asked, public_key=KEYS[2]),
    )

    assert asked.public_key.verify(asked.proof(), signature)
    for other in changed:
        assert not asked.public_key.verify(other.proof(), signature)
        assert not other.public_key.verify(other.proof(), signature)
    assert all(one.proof() != other.proof() for one, other in combinations(changed, 2))


def test_letters_of_the_request_id_may_be_of_either_case() -> None:
    assert Asked(request_id=REQUEST_ID.upper()).proof() == Asked().proof()


@pytest.mark.parametrize(
    ("purpose", "device_id"),
    [
        (ProofPurpose.REGISTER, DEVICE_ID),
        (ProofPurpose.ADD, DEVICE_ID),
        (ProofPurpose.SIGN_IN, ""),
    ],
)
def test_proof_names_the_device_exactly_when_it_signs_in(
    purpose: ProofPurpose, device_id: str
) -> None:
    with pytest.raises(ValueError, match="exactly when it signs in"):
        Asked(purpose=purpose, device_id=device_id).proof()
