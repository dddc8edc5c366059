"""Signatures of tallymark.v1, made again with the keys of the cast (docs/signatures.md)."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.message import Message

from tallymark.v1 import (
    customer_service_pb2,
    key_pb2,
    operator_service_pb2,
    process_pb2,
    terminal_service_pb2,
)
from tallymark_load.replay.callers import Callers, Phone
from tallymark_load.replay.correlation import Correlation, Key
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.confirmation import Decision
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign

__all__ = ["Signing", "TallymarkSigning"]

_SignIn = customer_service_pb2.SignInRequest

_ANSWERABLE: Final = (
    process_pb2.PROCESS_STATE_AWAITING_CUSTOMER,
    process_pb2.PROCESS_STATE_CONTESTED,
)


class Signing:
    """Signs nothing: for services whose requests carry no signatures.

    Times are nanoseconds since the recording's first call.
    """

    def tells(self, _caller: str, _recorded: Message, _at_ns: int, /) -> Iterator[Key]:
        """Yield what a recorded answer to this caller tells beside its values."""
        yield from ()

    def needs(self, _caller: str, _recorded: Message, _at_ns: int, /) -> Iterator[Key]:
        """Yield what a recorded request can only be signed after."""
        yield from ()

    def saw(self, caller: str, recorded: Message, replayed: Message) -> None:
        """Take note of an answer."""

    def signed_in(
        self, caller: str, request: Message | None, recorded: Message, replayed: Message
    ) -> None:
        """Take note of a session that was opened."""

    def sign(self, caller: str, recorded: Message, request: Message, at_ns: int) -> None:
        """Sign a request that has the values of this replay."""


class TallymarkSigning(Signing):
    """Signs as the phones and terminals of the cast."""

    def __init__(self, callers: Callers, correlation: Correlation) -> None:
        """Have seen nothing yet."""
        self._callers = callers
        self._correlation = correlation
        self._shown: dict[Key, process_pb2.Process] = {}
        self._newest: dict[str, process_pb2.Process] = {}
        self._told: defaultdict[tuple[str, str], list[tuple[int, Key]]] = defaultdict(list)
        self._new_keys: dict[str, DevicePrivateKey] = {}

    def tells(self, caller: str, recorded: Message, at_ns: int, /) -> Iterator[Key]:
        """Yield which processes an answer shows that wait for the customer."""
        for process in _processes(recorded):
            if process.state in _ANSWERABLE:
                key = _shown_key(caller, process)
                self._told[caller, process.process_id].append((at_ns, key))
                yield key

    def needs(self, caller: str, recorded: Message, at_ns: int, /) -> Iterator[Key]:
        """Yield the process as it was shown, for an answer to it."""
        if isinstance(recorded, customer_service_pb2.ConfirmProcessRequest):
            told = self._told.get((caller, recorded.process_id), [])
            yield from (key for _, key in sorted(one for one in told if one[0] <= at_ns)[-1:])

    def saw(self, caller: str, recorded: Message, replayed: Message) -> None:
        """Keep the processes that an answer shows."""
        for before, after in zip(_processes(recorded), _processes(replayed), strict=False):
            self._newest[before.process_id] = after
            if before.state in _ANSWERABLE:
                key = _shown_key(caller, before)
                self._shown.setdefault(key, after)
                self._correlation.set(key, after.process_id)

    def signed_in(
        self, caller: str, request: Message | None, recorded: Message, replayed: Message
    ) -> None:
        """Use a new session from now on, for its caller and for whoever shows its token."""
        phone = self._with_session(caller, request, replayed)
        if phone is not None:
            token = getattr(recorded, "session_token")  # noqa: B009 -- of every opened session
            self._callers.phones[f"Bearer {token}"] = phone

    def _with_session(
        self, caller: str, request: Message | None, replayed: Message
    ) -> Phone | None:
        contract = customer_service_pb2
        if isinstance(replayed, contract.SignInResponse) and request is not None:
            phone = self._callers.phone(caller, request)
            if phone is not None:
                phone.session_token = replayed.session_token
            return phone
        if (
            isinstance(replayed, contract.RegisterCustomerResponse | contract.AddDeviceResponse)
            and isinstance(request, contract.RegisterCustomerRequest | contract.AddDeviceRequest)
            and request.request_id in self._new_keys
        ):
            return Phone(
                login_name=request.login_name,
                password=request.password,
                device_id=replayed.device_id,
                device_key=self._new_keys[request.request_id],
                session_token=replayed.session_token,
            )
        return None

    def sign(self, caller: str, recorded: Message, request: Message, at_ns: int) -> None:
        """Sign what carries a signature."""
        contract = customer_service_pb2
        phone = self._callers.phone(caller, request)
        match request:
            case contract.ConfirmProcessRequest():
                if phone is not None:
                    self._confirm(caller, phone, recorded, request, at_ns)
            case contract.SignInRequest():
                if phone is not None:
                    request.device_proof = _proof(ProofPurpose.SIGN_IN, request, phone.device_key)
            case contract.RegisterCustomerRequest():
                self._register(ProofPurpose.REGISTER, request)
            case contract.AddDeviceRequest():
                self._register(ProofPurpose.ADD, request)
            case (
                terminal_service_pb2.EnrollRequest()
                | terminal_service_pb2.RenewCertificateRequest()
                | operator_service_pb2.EnrollOperatorRequest()
                | operator_service_pb2.OperatorServiceRenewCertificateRequest()
            ):
                request.certificate_request = ClientKey.generate().certificate_request()

    def _confirm(
        self,
        caller: str,
        phone: Phone,
        recorded: Message,
        request: customer_service_pb2.ConfirmProcessRequest,
        at_ns: int,
    ) -> None:
        assert isinstance(recorded, customer_service_pb2.ConfirmProcessRequest)
        key = next(self.needs(caller, recorded, at_ns), None)
        shown = self._shown.get(key) if key is not None else None
        shown = shown or self._newest.get(recorded.process_id)
        is_yes = request.decision == customer_service_pb2.DECISION_APPROVE
        # What is signed wrongly is refused by the server, and compared like any other answer.
        with contextlib.suppress(ValueError):
            if shown is not None:
                decision = Decision.APPROVE if is_yes else Decision.DECLINE
                statement = confirmation_of(shown, decision, request.confirmation_digits)
                request.signature = phone.device_key.sign(statement.to_bytes())

    def _register(
        self,
        purpose: ProofPurpose,
        request: customer_service_pb2.RegisterCustomerRequest
        | customer_service_pb2.AddDeviceRequest,
    ) -> None:
        key = self._new_keys.setdefault(request.request_id, DevicePrivateKey.generate())
        algorithm: Any = key.public().algorithm.value  # its numbers are the contract's
        request.device_key.CopyFrom(
            key_pb2.PublicKey(algorithm=algorithm, key_bytes=key.public().key_bytes)
        )
        request.device_proof = _proof(purpose, request, key)


def _proof(
    purpose: ProofPurpose,
    request: customer_service_pb2.SignInRequest
    | customer_service_pb2.RegisterCustomerRequest
    | customer_service_pb2.AddDeviceRequest,
    key: DevicePrivateKey,
) -> bytes:
    device_id = request.device_id if isinstance(request, _SignIn) else ""
    return key.sign(
        proof_to_sign(
            purpose,
            login_name=request.login_name,
            device_id=device_id,
            request_id=request.request_id,
            public_key=key.public(),
        )
    )


def _shown_key(caller: str, process: process_pb2.Process) -> Key:
    return Key(f"process shown to {caller}", process.process_id, process.version)


def _processes(message: Message) -> list[process_pb2.Process]:
    """Return the processes that an answer shows."""
    named = message.DESCRIPTOR.fields_by_name
    found = list(getattr(message, "processes")) if "processes" in named else []  # noqa: B009 -- not of every type
    if "process" in named and message.HasField("process"):
        found.append(getattr(message, "process"))  # noqa: B009 -- the same
    return [one for one in found if isinstance(one, process_pb2.Process)]
