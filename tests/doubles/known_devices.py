"""What a server knows of a customer's phones, and how it checks what they sign: for doubles."""

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import key_pb2, process_pb2
from tallymark_protocol.confirmation import Decision
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_protocol.device_key import DevicePublicKey, NotADeviceKey
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["INVITATION", "KnownDevices"]

INVITATION = "invitation-that-is-Secret"

_DECISIONS = {
    pb.DECISION_APPROVE: Decision.APPROVE,
    pb.DECISION_DECLINE: Decision.DECLINE,
}


class KnownDevices:
    """The keys of one customer's phones, by device id, and the invitations that are open."""

    def __init__(self) -> None:
        """Start without phones."""
        self.keys: dict[str, DevicePublicKey] = {}
        self.invitations: set[str] = set()

    def invite(self) -> str:
        """Open an invitation."""
        self.invitations.add(INVITATION)
        return INVITATION

    def register(self, request: pb.RegisterCustomerRequest, device_id: str) -> None:
        """Know a customer's first phone; raises Refused."""
        self._add(ProofPurpose.REGISTER, request, device_id)

    def add(self, request: pb.AddDeviceRequest, device_id: str) -> None:
        """Know another phone of the customer; raises Refused."""
        if request.invitation not in self.invitations:
            raise Refused(Reason.INVITATION_INVALID)
        self._add(ProofPurpose.ADD, request, device_id)
        self.invitations.remove(request.invitation)

    def check_sign_in(self, request: pb.SignInRequest) -> None:
        """Raise Refused unless a known phone signed the request."""
        key = self.keys.get(request.device_id)
        if key is None or not key.verify(
            proof_to_sign(
                ProofPurpose.SIGN_IN,
                login_name=request.login_name,
                device_id=request.device_id,
                request_id=request.request_id,
                public_key=key,
            ),
            request.device_proof,
        ):
            raise Refused(Reason.PASSWORD_WRONG)

    def check_confirmation(
        self, request: pb.ConfirmProcessRequest, process: process_pb2.Process
    ) -> None:
        """Raise Refused unless a known phone signed the answer to the process as it is now."""
        statement = confirmation_of(
            process, _DECISIONS[request.decision], request.confirmation_digits
        ).to_bytes()
        if not any(key.verify(statement, request.signature) for key in self.keys.values()):
            raise Refused(Reason.CONFIRMATION_SIGNATURE_WRONG)

    def _add(
        self,
        purpose: ProofPurpose,
        request: pb.RegisterCustomerRequest | pb.AddDeviceRequest,
        device_id: str,
    ) -> None:
        key = _parse(request.device_key)
        proof = proof_to_sign(
            purpose,
            login_name=request.login_name,
            request_id=request.request_id,
            public_key=key,
        )
        if not key.verify(proof, request.device_proof):
            raise Refused(Reason.DEVICE_PROOF_WRONG)
        self.keys[device_id] = key


def _parse(key: key_pb2.PublicKey) -> DevicePublicKey:
    try:
        return DevicePublicKey.parse(key.algorithm, key.key_bytes)
    except NotADeviceKey:
        raise Refused(Reason.DEVICE_PROOF_WRONG) from None
