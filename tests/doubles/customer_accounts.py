"""The part of the double of the CustomerService about accounts: sessions, devices and numbers."""

from datetime import timedelta

from tallymark.v1 import customer_service_pb2 as pb
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_calls import Context, CustomerCalls
from tests.doubles.customer_facts import (
    DEVICE_ID,
    NOW,
    SECOND_DEVICE_ID,
    TEN_MINUTES,
    TOKEN,
    WRONG_PASSWORD,
    stamp,
)
from tests.doubles.known_devices import KnownDevices

__all__ = ["CustomerAccounts"]


class CustomerAccounts(CustomerCalls):
    """Knows the phones of one customer, and one password that is wrong."""

    def __init__(self) -> None:
        """Start without phones."""
        super().__init__()
        self.devices = KnownDevices()

    async def RegisterCustomer(
        self, request: pb.RegisterCustomerRequest, context: Context
    ) -> pb.RegisterCustomerResponse:
        def register() -> pb.RegisterCustomerResponse:
            self.devices.register(request, DEVICE_ID)
            return pb.RegisterCustomerResponse(
                customer_id="c1",
                device_id=DEVICE_ID,
                session_token=TOKEN,
                session_expires_at=stamp(NOW + timedelta(days=30)),
                number_code_sent=bool(request.telephone_number),
            )

        return await self._do(request, context, register)

    async def VerifyNumber(
        self, request: pb.VerifyNumberRequest, context: Context
    ) -> pb.VerifyNumberResponse:
        return await self._do(
            request, context, lambda: pb.VerifyNumberResponse(telephone_number="+4930123456")
        )

    async def SignIn(self, request: pb.SignInRequest, context: Context) -> pb.SignInResponse:
        def sign_in() -> pb.SignInResponse:
            self.devices.check_sign_in(request)
            if request.password == WRONG_PASSWORD:
                raise Refused(Reason.PASSWORD_WRONG)
            return pb.SignInResponse(
                session_token=f"{TOKEN}-2", session_expires_at=stamp(NOW + timedelta(days=30))
            )

        return await self._do(request, context, sign_in)

    async def AddDevice(
        self, request: pb.AddDeviceRequest, context: Context
    ) -> pb.AddDeviceResponse:
        def add() -> pb.AddDeviceResponse:
            self.devices.add(request, SECOND_DEVICE_ID)
            return pb.AddDeviceResponse(
                device_id=SECOND_DEVICE_ID,
                session_token=TOKEN,
                session_expires_at=stamp(NOW + timedelta(days=30)),
            )

        return await self._do(request, context, add)

    async def InviteDevice(
        self, request: pb.InviteDeviceRequest, context: Context
    ) -> pb.InviteDeviceResponse:
        return await self._do(
            request,
            context,
            lambda: pb.InviteDeviceResponse(
                invitation=self.devices.invite(), expires_at=stamp(NOW + TEN_MINUTES)
            ),
        )

    async def ChangePassword(
        self, request: pb.ChangePasswordRequest, context: Context
    ) -> pb.ChangePasswordResponse:
        def change() -> pb.ChangePasswordResponse:
            if request.password == WRONG_PASSWORD:
                raise Refused(Reason.PASSWORD_WRONG)
            return pb.ChangePasswordResponse(sessions_ended=2)

        return await self._do(request, context, change)

    async def SendNumberCode(
        self, request: pb.SendNumberCodeRequest, context: Context
    ) -> pb.SendNumberCodeResponse:
        return await self._do(
            request,
            context,
            lambda: pb.SendNumberCodeResponse(expires_at=stamp(NOW + TEN_MINUTES)),
        )

    async def RemoveDevice(
        self, request: pb.RemoveDeviceRequest, context: Context
    ) -> pb.RemoveDeviceResponse:
        return await self._do(request, context, pb.RemoveDeviceResponse)
