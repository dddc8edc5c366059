"""What a customer's phone signs: registration, sign-in, and the answer to a process."""

import uuid
from typing import Any, Final

from tallymark.v1 import customer_service_pb2, key_pb2, process_pb2
from tallymark_load.cast.members import Customer
from tallymark_protocol.confirmation import Decision
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign

__all__ = ["card_request", "confirm_request", "register_request", "sign_in_request"]

_CARD_NUMBER: Final = "4242424242424242"
"""A number for tests, which a simulated institution accepts."""

_CARD_EXPIRES_ON: Final = "2099-12"


def register_request(customer: Customer) -> customer_service_pb2.RegisterCustomerRequest:
    """Return the registration of a customer, always the same one."""
    key = customer.device_key
    public = key.public()
    algorithm: Any = public.algorithm.value  # its numbers are the contract's
    return customer_service_pb2.RegisterCustomerRequest(
        request_id=customer.request_id,
        login_name=customer.login_name,
        password=customer.password,
        device_name="load",
        device_key=key_pb2.PublicKey(algorithm=algorithm, key_bytes=public.key_bytes),
        device_proof=key.sign(
            proof_to_sign(
                ProofPurpose.REGISTER,
                login_name=customer.login_name,
                request_id=customer.request_id,
                public_key=public,
            )
        ),
    )


def card_request(customer: Customer) -> customer_service_pb2.RegisterCardRequest:
    """Return the registration of a customer's card, always the same one."""
    return customer_service_pb2.RegisterCardRequest(
        request_id=str(uuid.uuid5(uuid.UUID(customer.request_id), "card")),
        card_number=_CARD_NUMBER,
        expires_on=_CARD_EXPIRES_ON,
    )


def sign_in_request(customer: Customer, request_id: str) -> customer_service_pb2.SignInRequest:
    """Return a sign-in of a customer's phone."""
    key = customer.device_key
    proof = proof_to_sign(
        ProofPurpose.SIGN_IN,
        login_name=customer.login_name,
        device_id=customer.device_id,
        request_id=request_id,
        public_key=key.public(),
    )
    return customer_service_pb2.SignInRequest(
        request_id=request_id,
        login_name=customer.login_name,
        password=customer.password,
        device_id=customer.device_id,
        device_proof=key.sign(proof),
    )


def confirm_request(
    shown: process_pb2.Process, key: DevicePrivateKey, request_id: str, *, approve: bool
) -> customer_service_pb2.ConfirmProcessRequest:
    """Return a customer's answer to a process as the phone sees it.

    Raises:
        ValueError: the process waits for no answer.

    """
    contract = customer_service_pb2
    decision = Decision.APPROVE if approve else Decision.DECLINE
    return contract.ConfirmProcessRequest(
        request_id=request_id,
        process_id=shown.process_id,
        decision=contract.DECISION_APPROVE if approve else contract.DECISION_DECLINE,
        signature=key.sign(confirmation_of(shown, decision).to_bytes()),
    )
