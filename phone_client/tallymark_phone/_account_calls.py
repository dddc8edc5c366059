"""The phone's calls about its customer: registration, sessions, devices, password and number."""

from collections.abc import Callable
from datetime import UTC
from types import TracebackType
from typing import Self

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import key_pb2
from tallymark.v1.customer_service_pb2_grpc import CustomerServiceStub
from tallymark_phone._calls import Calls
from tallymark_phone._registration_messages import to_session
from tallymark_phone.device_signatures import device_proof
from tallymark_phone.registrations import (
    AddedDevice,
    Invitation,
    RegisteredCustomer,
    SentNumberCode,
    Session,
)
from tallymark_phone.repetition import Repetition
from tallymark_phone.request_ids import new_request_id
from tallymark_phone.trust import Trust
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.device_proof import ProofPurpose
from tallymark_protocol.witness import NewestWitness

__all__ = ["AccountCalls"]


class AccountCalls:
    """A connection with the calls about whose phone this is; PhoneConnection has the others."""

    def __init__(  # noqa: PLR0913 - who calls, whom, and how
        self,
        server: str,
        *,
        device_key: DevicePrivateKey,
        session_token: str = "",
        trust: Trust | None = None,
        repetition: Repetition | None = None,
        on_checkpoint: Callable[[str], None] = lambda _: None,
        witness: NewestWitness | None = None,
    ) -> None:
        """Take the server's HOST:PORT, the key of this device, and its session token if it has one.

        Without `trust` the server's certificate must be from an authority that the system trusts.
        `on_checkpoint` gets the short checkpoint of the server's journal from each answer; the
        newest witness goes with each call.
        """
        self._device_key = device_key
        self._calls = Calls(
            server=server,
            trust=trust or Trust(),
            session_token=session_token,
            repetition=repetition or Repetition(),
            on_checkpoint=on_checkpoint,
            witness=witness or NewestWitness(),
        )

    async def __aenter__(self) -> Self:
        """Prepare the connection; the first call opens it."""
        self._channel = self._calls.open_channel()
        self._stub = CustomerServiceStub(self._channel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every open call."""
        await self._channel.close()

    # The three that open a session use it in all later calls.

    async def register_customer(
        self,
        *,
        login_name: str,
        password: str,
        device_name: str,
        telephone_number: str = "",
        request_id: str | None = None,
    ) -> RegisteredCustomer:
        """Register a customer with this device; refused if the name is taken."""
        request = pb.RegisterCustomerRequest(
            request_id=request_id or new_request_id(),
            login_name=login_name,
            password=password,
            device_name=device_name,
            telephone_number=telephone_number,
            device_key=self._public_key(),
        )
        request.device_proof = self._proof(ProofPurpose.REGISTER, login_name, request.request_id)
        response = await self._calls.ask(self._stub.RegisterCustomer, request)
        return RegisteredCustomer(
            customer_id=response.customer_id,
            device_id=response.device_id,
            session=self._opened(response.session_token, response.session_expires_at),
            is_number_code_sent=response.number_code_sent,
        )

    async def sign_in(
        self, *, login_name: str, password: str, device_id: str, request_id: str | None = None
    ) -> Session:
        """Open a session for this device, which the server knows."""
        request = pb.SignInRequest(
            request_id=request_id or new_request_id(),
            login_name=login_name,
            password=password,
            device_id=device_id,
        )
        request.device_proof = self._proof(
            ProofPurpose.SIGN_IN, login_name, request.request_id, device_id
        )
        response = await self._calls.ask(self._stub.SignIn, request)
        return self._opened(response.session_token, response.session_expires_at)

    async def add_device(
        self,
        *,
        login_name: str,
        password: str,
        invitation: str,
        device_name: str,
        request_id: str | None = None,
    ) -> AddedDevice:
        """Make this phone another device of a customer who invited it."""
        request = pb.AddDeviceRequest(
            request_id=request_id or new_request_id(),
            login_name=login_name,
            password=password,
            device_name=device_name,
            invitation=invitation,
            device_key=self._public_key(),
        )
        request.device_proof = self._proof(ProofPurpose.ADD, login_name, request.request_id)
        response = await self._calls.ask(self._stub.AddDevice, request)
        return AddedDevice(
            device_id=response.device_id,
            session=self._opened(response.session_token, response.session_expires_at),
        )

    async def invite_device(self, *, request_id: str | None = None) -> Invitation:
        """Return an invitation for another device of the customer."""
        request = pb.InviteDeviceRequest(request_id=request_id or new_request_id())
        response = await self._calls.ask(self._stub.InviteDevice, request)
        return Invitation(
            text=response.invitation, expires_at=response.expires_at.ToDatetime(tzinfo=UTC)
        )

    async def remove_device(self, device_id: str, *, request_id: str | None = None) -> None:
        """End a device's sessions and codes; it may be this one."""
        request = pb.RemoveDeviceRequest(
            request_id=request_id or new_request_id(), device_id=device_id
        )
        await self._calls.ask(self._stub.RemoveDevice, request)

    async def change_password(
        self, *, password: str, new_password: str, request_id: str | None = None
    ) -> int:
        """Change the password; returns how many other sessions that ended."""
        request = pb.ChangePasswordRequest(
            request_id=request_id or new_request_id(), password=password, new_password=new_password
        )
        response = await self._calls.ask(self._stub.ChangePassword, request)
        return response.sessions_ended

    async def send_number_code(
        self, telephone_number: str = "", *, request_id: str | None = None
    ) -> SentNumberCode:
        """Have a verification code sent, to the number that waits for one or to another."""
        request = pb.SendNumberCodeRequest(
            request_id=request_id or new_request_id(), telephone_number=telephone_number
        )
        response = await self._calls.ask(self._stub.SendNumberCode, request)
        return SentNumberCode(expires_at=response.expires_at.ToDatetime(tzinfo=UTC))

    async def verify_number(self, number_code: str, *, request_id: str | None = None) -> str:
        """Prove that the telephone number is the customer's; returns the number."""
        request = pb.VerifyNumberRequest(
            request_id=request_id or new_request_id(), number_code=number_code
        )
        response = await self._calls.ask(self._stub.VerifyNumber, request)
        return response.telephone_number

    def _public_key(self) -> key_pb2.PublicKey:
        key = self._device_key.public()
        # The contract has the numbers of KeyAlgorithm.
        algorithm = key_pb2.KeyAlgorithm.ValueType(key.algorithm.value)
        return key_pb2.PublicKey(algorithm=algorithm, key_bytes=key.key_bytes)

    def _proof(
        self, purpose: ProofPurpose, login_name: str, request_id: str, device_id: str = ""
    ) -> bytes:
        return device_proof(
            purpose,
            login_name=login_name,
            device_id=device_id,
            request_id=request_id,
            device_key=self._device_key,
        )

    def _opened(self, token: str, expires_at: Timestamp) -> Session:
        """Return the session, which all later calls use."""
        self._calls.session_token = token
        return to_session(token, expires_at)
