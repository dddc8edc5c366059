"""Requests in which a phone proves that it has its key: registration, devices, sessions."""

from typing import Any

from tallymark.v1 import customer_service_pb2, key_pb2
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign
from tests.world.messages import new_id
from tests.world.phone import Phone

__all__ = ["PASSWORD", "add_device_request", "key_message", "register_request", "sign_in_request"]

PASSWORD = "correct horse"


def register_request(
    login_name: str, key: DevicePrivateKey, **more: Any
) -> customer_service_pb2.RegisterCustomerRequest:
    """Return a registration that the device with this key has signed."""
    more = {"request_id": new_id(), "password": PASSWORD, "device_name": "phone", **more}
    request = customer_service_pb2.RegisterCustomerRequest(
        login_name=login_name, device_key=key_message(key), **more
    )
    request.device_proof = _proof(ProofPurpose.REGISTER, request, key)
    return request


def add_device_request(
    login_name: str, key: DevicePrivateKey, **more: Any
) -> customer_service_pb2.AddDeviceRequest:
    """Return a request to be added that the device with this key has signed."""
    more = {"request_id": new_id(), "password": PASSWORD, "device_name": "other phone", **more}
    request = customer_service_pb2.AddDeviceRequest(
        login_name=login_name, device_key=key_message(key), **more
    )
    request.device_proof = _proof(ProofPurpose.ADD, request, key)
    return request


def sign_in_request(phone: Phone, **more: Any) -> customer_service_pb2.SignInRequest:
    """Return a request for a session that the phone has signed."""
    more = {
        "request_id": new_id(),
        "login_name": phone.login_name,
        "password": PASSWORD,
        "device_id": phone.device_id,
        **more,
    }
    request = customer_service_pb2.SignInRequest(**more)
    request.device_proof = _proof(
        ProofPurpose.SIGN_IN, request, phone.device_key, device_id=request.device_id
    )
    return request


def key_message(key: DevicePrivateKey) -> key_pb2.PublicKey:
    """Return the public half of a device's key."""
    public = key.public()
    algorithm: Any = public.algorithm.value
    return key_pb2.PublicKey(algorithm=algorithm, key_bytes=public.key_bytes)


def _proof(
    purpose: ProofPurpose, request: Any, key: DevicePrivateKey, *, device_id: str = ""
) -> bytes:
    return key.sign(
        proof_to_sign(
            purpose,
            login_name=request.login_name,
            device_id=device_id,
            request_id=request.request_id,
            public_key=key.public(),
        )
    )
