"""The world: a server, an operator, and ways to add people."""

from contextlib import AsyncExitStack
from typing import Any

import grpc

from tallymark.v1 import (
    customer_service_pb2,
    customer_service_pb2_grpc,
    merchant_pb2,
    operator_service_pb2,
    operator_service_pb2_grpc,
    registration_pb2,
    terminal_service_pb2,
    terminal_service_pb2_grpc,
)
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.device_key import DevicePrivateKey, KeyAlgorithm
from tallymark_protocol.tls import ClientIdentity, open_channel
from tallymark_server.app import App
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring
from tallymark_server.storage.store import Store
from tallymark_server.tls.authority import Authority
from tests.contract.institution_fixtures import StoppedClock
from tests.world.actor import Actor
from tests.world.clock import MovedClock
from tests.world.messages import euro, new_id
from tests.world.operator import Operator
from tests.world.phone import Phone
from tests.world.signed_requests import add_device_request, register_request
from tests.world.terminal import Terminal

__all__ = ["SentNumbers", "World"]


class SentNumbers:
    """Keeps the verification codes that were sent."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}

    async def send(self, telephone_number: str, number_code: str) -> None:
        self.codes[telephone_number] = number_code


class World:
    """A serving server with an operator, an institution, and ways to add people."""

    def __init__(  # noqa: PLR0913 -- a world has many parts
        self,
        *,
        app: App,
        store: Store,
        clock: MovedClock,
        institution_clock: StoppedClock,
        institution: CreditInstitution,
        keyring: Keyring,
        numbers: SentNumbers,
        authority: Authority,
        stack: AsyncExitStack,
    ) -> None:
        self.app = app
        self.authority = authority
        self.ca_pem = authority.certificates_pem
        self.store = store
        self.clock = clock
        self.institution_clock = institution_clock
        self.institution = institution
        self.keyring = keyring
        self.numbers = numbers
        self._stack = stack
        self.operator: Operator

    async def channel(
        self,
        port: int,
        identity: ClientIdentity | None = None,
        options: tuple[tuple[str, Any], ...] = (),
    ) -> grpc.aio.Channel:
        channel = open_channel(
            f"127.0.0.1:{port}",
            ca_certificates_pem=self.ca_pem,
            identity=identity,
            options=options,
        )
        self._stack.push_async_callback(channel.close)
        return channel

    async def connect(self, actor: Actor, options: tuple[tuple[str, Any], ...] = ()) -> None:
        """Give an actor a stub on a connection of its own, with what it presents."""
        stub: Any = customer_service_pb2_grpc.CustomerServiceStub
        port = self.app.port
        if isinstance(actor, Terminal):
            stub, port = terminal_service_pb2_grpc.TerminalServiceStub, self.app.terminal_port
        elif isinstance(actor, Operator):
            stub, port = operator_service_pb2_grpc.OperatorServiceStub, self.app.operator_port
        actor.stub = stub(await self.channel(port, actor.identity, options))

    async def enrol_stub(self, actor: Actor) -> None:
        """Let a terminal or operator call the one port that asks for no certificate."""
        stub: Any = terminal_service_pb2_grpc.TerminalServiceStub
        if isinstance(actor, Operator):
            stub = operator_service_pb2_grpc.OperatorServiceStub
        actor.stub = stub(await self.channel(self.app.port))

    async def settle(self) -> None:
        """Let the completer do all that is due now."""
        await self.app.completer.run_due()
        await self.app.completer.settled()

    async def pass_time(self, *, seconds: float) -> None:
        """Move the server's clock and let the completer notice."""
        self.clock.move(seconds=seconds)
        await self.settle()

    async def add_operator(self) -> Operator:
        return await self.enrol_operator(self.app.operator_code)

    async def enrol_operator(self, enrolment_code: str) -> Operator:
        operator, key = Operator(None), ClientKey.generate()
        await self.enrol_stub(operator)
        request = operator_service_pb2.EnrollOperatorRequest(
            request_id=new_id(),
            enrolment_code=enrolment_code,
            certificate_request=key.certificate_request(),
        )
        answer = await operator.call("EnrollOperator", request)
        await self.present(operator, key, answer.certificate.certificate_pem)
        return operator

    async def present(self, actor: Actor, key: ClientKey, certificate_pem: str) -> None:
        """Let an actor call with this key and certificate from now on."""
        actor.key = key
        actor.identity = ClientIdentity(certificate_pem, key.to_pem().decode())
        await self.connect(actor)

    async def add_phone(self, login_name: str = "ana", **more: Any) -> Phone:
        stub = customer_service_pb2_grpc.CustomerServiceStub(await self.channel(self.app.port))
        phone = Phone(stub)
        phone.device_key = DevicePrivateKey.generate()
        answer = await phone.call(
            "RegisterCustomer", register_request(login_name, phone.device_key, **more)
        )
        phone.secret = answer.session_token
        phone.customer_id = answer.customer_id
        phone.device_id = answer.device_id
        phone.login_name = login_name
        return phone

    async def add_device(
        self, owner: Phone, algorithm: KeyAlgorithm = KeyAlgorithm.ED25519
    ) -> Phone:
        """Return another phone of the same customer."""
        key = DevicePrivateKey.generate(algorithm)
        invite = customer_service_pb2.InviteDeviceRequest(request_id=new_id())
        invitation = (await owner.call("InviteDevice", invite)).invitation
        request = add_device_request(owner.login_name, key, invitation=invitation)
        answer = await owner.call("AddDevice", request)
        device = Phone(owner.stub, answer.session_token)
        device.device_key = key
        device.customer_id = owner.customer_id
        device.device_id = answer.device_id
        device.login_name = owner.login_name
        return device

    async def add_terminal(
        self, terminal_id: str = "till-1", merchant_id: str = "cafe"
    ) -> Terminal:
        create = operator_service_pb2.CreateTerminalRequest(
            terminal_id=terminal_id, merchant_id=merchant_id
        )
        code = (await self.operator.call("CreateTerminal", create)).enrolment_code
        terminal = await self.enrol_terminal(code)
        terminal.terminal_id = terminal_id
        terminal.merchant_id = merchant_id
        return terminal

    async def enrol_terminal(self, enrolment_code: str) -> Terminal:
        terminal, key = Terminal(None), ClientKey.generate()
        await self.enrol_stub(terminal)
        request = terminal_service_pb2.EnrollRequest(
            request_id=new_id(),
            enrolment_code=enrolment_code,
            certificate_request=key.certificate_request(),
        )
        answer = await terminal.call("Enroll", request)
        await self.present(terminal, key, answer.certificate.certificate_pem)
        return terminal

    async def furnish(self) -> None:
        """Add the programme "beans" (1 point = 1 cent), two merchants and the cafe's event."""
        programme = registration_pb2.PointsProgramme(
            programme_id="beans", name="Beans", point_value=euro(1), earn_points_max=500
        )
        await self.operator.call(
            "CreateProgramme",
            operator_service_pb2.CreateProgrammeRequest(programme=programme),
        )
        for merchant_id, programme_id in (("cafe", "beans"), ("hall", "")):
            merchant = merchant_pb2.Merchant(
                merchant_id=merchant_id, name=merchant_id.title(), programme_id=programme_id
            )
            await self.operator.call(
                "CreateMerchant", operator_service_pb2.CreateMerchantRequest(merchant=merchant)
            )
        event = registration_pb2.Event(
            event_id="jazz",
            merchant_id="cafe",
            name="Jazz night",
            reentry_rule=registration_pb2.REENTRY_RULE_EACH_ENTRY_COUNTS,
        )
        await self.operator.call(
            "CreateEvent", operator_service_pb2.CreateEventRequest(event=event)
        )
