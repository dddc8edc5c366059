"""Device keys and their signatures as they come in, checked before any password is looked at.

A signature costs a ten thousandth of a second to check, a password a twentieth of a second: who has
no device's key cannot make the server hash.
"""

from tallymark.v1 import customer_service_pb2 as contract
from tallymark_protocol.device_key import DevicePrivateKey, DevicePublicKey, NotADeviceKey
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.model.people import Device, DeviceKey

__all__ = ["DeviceProofs", "public_key_of"]


class DeviceProofs:
    """Checks who made a request, by a key in it or by the key of a known device."""

    def __init__(self) -> None:
        """Make a key that nobody has, to be checked against where there is no device."""
        self._nobodys_key = DevicePrivateKey.generate().public()

    def check_new_key(
        self,
        purpose: ProofPurpose,
        request: contract.RegisterCustomerRequest | contract.AddDeviceRequest,
    ) -> DeviceKey:
        """Return the key in the request, whose holder made the request.

        Raises:
            Refused: DEVICE_PROOF_WRONG.

        """
        told = request.device_key
        try:
            key = DevicePublicKey.parse(told.algorithm, told.key_bytes)
        except NotADeviceKey:
            raise Refused(Reason.DEVICE_PROOF_WRONG) from None
        proof = proof_to_sign(
            purpose,
            login_name=request.login_name,
            request_id=request.request_id,
            public_key=key,
        )
        if not key.verify(proof, request.device_proof):
            raise Refused(Reason.DEVICE_PROOF_WRONG)
        return DeviceKey(algorithm=key.algorithm.value, key_bytes=key.key_bytes)

    def is_signed_by(self, device: Device | None, request: contract.SignInRequest) -> bool:
        """Say whether this device made the request; no device takes the same steps."""
        key = self._nobodys_key if device is None else public_key_of(device)
        proof = proof_to_sign(
            ProofPurpose.SIGN_IN,
            login_name=request.login_name,
            device_id=request.device_id,
            request_id=request.request_id,
            public_key=key,
        )
        return key.verify(proof, request.device_proof) and device is not None


def public_key_of(device: Device) -> DevicePublicKey:
    """Return the device's key, which was good when it was kept."""
    return DevicePublicKey.parse(device.public_key.algorithm, device.public_key.key_bytes)
