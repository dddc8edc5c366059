"""What a device signs when it is registered, added or signed in.

The signature is over deterministic CBOR:

    ["tallymark device proof", 1, purpose, login name, device id, request id, algorithm, key]

The purpose is "register", "add" or "sign-in". The device id is that of the device that signs in,
and empty before there is one. The names are as the request carries them, the request id is in lower
case, and the algorithm is its number in the contract.

It proves that the holder of the private key made this one request, with this key, for this purpose,
for this account. Because the key is inside, nobody can pass off another's proof as made with a key
of their own; because the purpose and the other ids are, no proof serves for another request, and
because the first text is, no other thing that the key signs serves as a proof.

It does not prove:

    - that the device signed just now. Nothing in it comes from the server, so whoever has the whole
      request may send it again. That is the same request, with the same id, and gets the same
      answer: no second customer, no second device, the same session, which is dead if it has ended.
      Only the server and the device have the request; TLS keeps it from everybody else;
    - that its owner knows the password or was invited: those stand beside it in the request;
    - which server was meant: a device makes a key for one server and uses it with no other;
    - that the key is in secure hardware.

docs/signatures.md specifies this for other languages.
"""

from enum import StrEnum
from typing import Final

from tallymark_protocol import strict_cbor
from tallymark_protocol.device_key import DevicePublicKey

__all__ = ["ProofPurpose", "proof_to_sign"]

_CONTEXT: Final = "tallymark device proof"
_VERSION: Final = 1


class ProofPurpose(StrEnum):
    """Which request a proof is for."""

    REGISTER = "register"
    ADD = "add"
    SIGN_IN = "sign-in"


def proof_to_sign(
    purpose: ProofPurpose,
    *,
    login_name: str,
    device_id: str = "",
    request_id: str,
    public_key: DevicePublicKey,
) -> bytes:
    """Return the bytes that the device signs, and that the server verifies with `public_key`.

    Raises:
        ValueError: a sign-in without a device id, or one where there is no device yet.

    """
    if bool(device_id) is not (purpose is ProofPurpose.SIGN_IN):
        message = "a proof names the device exactly when it signs in"
        raise ValueError(message)
    return strict_cbor.encode(
        [
            _CONTEXT,
            _VERSION,
            purpose.value,
            login_name,
            device_id,
            request_id.lower(),
            public_key.algorithm.value,
            public_key.key_bytes,
        ]
    )
