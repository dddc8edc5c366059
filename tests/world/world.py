"""The world and its actors."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc

from tallymark.v1 import (
    action_pb2,
    customer_service_pb2,
    customer_service_pb2_grpc,
    identification_pb2,
    key_pb2,
    merchant_pb2,
    money_pb2,
    operator_service_pb2,
    operator_service_pb2_grpc,
    policy_pb2,
    process_pb2,
    registration_pb2,
    terminal_service_pb2,
    terminal_service_pb2_grpc,
)
from tallymark_institution.app import Clock as InstitutionClock
from tallymark_institution.app import Options, serving
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.confirmation import Decision
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_protocol.device_key import DevicePrivateKey, KeyAlgorithm
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign
from tallymark_protocol.errors import TallymarkError, from_call
from tallymark_protocol.tls import ClientIdentity, open_channel
from tallymark_server.app import App, serve
from tallymark_server.institution import CreditInstitution, open_institution_channel
from tallymark_server.keyring import Keyring
from tallymark_server.keys.high_water import Shown
from tallymark_server.limits import UNSAFE_WIDE_FOR_TESTS, Limits
from tallymark_server.parts import Parts
from tallymark_server.passwords import UNSAFE_FAST_FOR_TESTS
from tallymark_server.storage.sqlite_backup import Backups
from tallymark_server.storage.store import Store
from tallymark_server.tls.authority import Authority, CertificateLives
from tallymark_server.tls.server_tls import ServerTls
from tallymark_server.watching.tracing import Tracing
from tests.contract.institution_fixtures import StoppedClock
from tests.world.clock import START, MovedClock
from tests.world.files import backups_of_tests

__all__ = [
    "LONG_LIVES",
    "PASSWORD",
    "Operator",
    "Phone",
    "Terminal",
    "World",
    "add_device_request",
    "certificate_request",
    "euro",
    "key_message",
    "new_authority",
    "new_id",
    "register_request",
    "sign_in_request",
    "world",
]

DEADLINE_SECONDS = 20.0
"""Never reached by a test that passes."""

GOOD_CARD = "4242424242424242"

PASSWORD = "correct horse"


LONG_LIVES = CertificateLives(
    client_seconds=10 * 365 * 86_400,
    server_seconds=10 * 365 * 86_400,
    backdated_seconds=10 * 365 * 86_400,
)
"""Good at the time that the tests' clock shows, and at the real one, which TLS looks at."""


def new_authority(lives: CertificateLives) -> Authority:
    """Return an authority that nothing keeps."""
    kept: dict[str, bytes] = {}
    return Authority.open(lambda name, make: kept.setdefault(name, make()), now=START, lives=lives)


def certificate_request() -> bytes:
    """Return a request for a certificate over a key that is forgotten at once."""
    return ClientKey.generate().certificate_request()


def new_id() -> str:
    """Return a fresh request_id."""
    return str(uuid.uuid4())


def euro(minor_units: int) -> money_pb2.Money:
    """Return an amount in EUR."""
    return money_pb2.Money(currency_code="EUR", minor_units=minor_units)


class SentNumbers:
    """Keeps the verification codes that were sent."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}

    async def send(self, telephone_number: str, number_code: str) -> None:
        self.codes[telephone_number] = number_code


class Actor:
    """Somebody who calls; failed calls raise the library's errors.

    A phone has a secret, its session token; a terminal or operator a client certificate.
    """

    identity: ClientIdentity | None = None
    key: ClientKey | None = None

    def __init__(self, stub: Any, secret: str = "") -> None:
        self.stub = stub
        self.secret = secret

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What the actor sends with each call."""
        return (("authorization", f"Bearer {self.secret}"),) if self.secret else ()

    async def call(self, rpc: str, request: Any, *, deadline: float = DEADLINE_SECONDS) -> Any:
        try:
            return await getattr(self.stub, rpc)(request, metadata=self.metadata, timeout=deadline)
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None

    async def reason(self, rpc: str, request: Any) -> str:
        """Return the reason that the call fails with; "OK" if it does not."""
        try:
            await self.call(rpc, request)
        except TallymarkError as error:
            return str(error.reason)
        return "OK"

    def watch(self, rpc: str, request: Any) -> Any:
        method = getattr(self.stub, rpc)
        return method(request, metadata=self.metadata, timeout=DEADLINE_SECONDS)


class Phone(Actor):
    """A customer's phone, with the device's key in it."""

    device_key: DevicePrivateKey
    customer_id = ""
    device_id = ""
    login_name = ""

    async def add_card(self, number: str = GOOD_CARD) -> registration_pb2.Card:
        request = customer_service_pb2.RegisterCardRequest(
            request_id=new_id(), card_number=number, expires_on="2030-12"
        )
        answer: customer_service_pb2.RegisterCardResponse = await self.call("RegisterCard", request)
        return answer.card

    async def issue(
        self,
        purpose: identification_pb2.CodePurpose.ValueType = identification_pb2.CODE_PURPOSE_GENERAL,
        **more: Any,
    ) -> str:
        request = customer_service_pb2.IssueCodeRequest(
            request_id=new_id(), purpose=purpose, **more
        )
        return str((await self.call("IssueCode", request)).code)

    async def confirm(
        self, process_id: str, *, approve: bool = True, digits: str = ""
    ) -> process_pb2.Process:
        request = await self.confirm_request(process_id, approve=approve, digits=digits)
        answer: customer_service_pb2.ConfirmProcessResponse
        answer = await self.call("ConfirmProcess", request)
        return answer.process

    async def confirm_request(
        self, process_id: str, *, approve: bool = True, digits: str = ""
    ) -> customer_service_pb2.ConfirmProcessRequest:
        """Return a signed answer to a process as the phone sees it."""
        contract = customer_service_pb2
        shown = next((one for one in await self.processes() if one.process_id == process_id), None)
        return contract.ConfirmProcessRequest(
            request_id=new_id(),
            process_id=process_id,
            decision=contract.DECISION_APPROVE if approve else contract.DECISION_DECLINE,
            confirmation_digits=digits,
            signature=self.signature(shown, approve=approve, digits=digits),
        )

    def signature(
        self, shown: process_pb2.Process | None, *, approve: bool, digits: str = ""
    ) -> bytes:
        """Return the device's signature over what it was shown."""
        statement = b"nothing to answer"
        with contextlib.suppress(ValueError):
            if shown is not None:
                decision = Decision.APPROVE if approve else Decision.DECLINE
                statement = confirmation_of(shown, decision, digits).to_bytes()
        return self.device_key.sign(statement)

    async def wallet(self) -> customer_service_pb2.GetWalletResponse:
        request = customer_service_pb2.GetWalletRequest()
        answer: customer_service_pb2.GetWalletResponse = await self.call("GetWallet", request)
        return answer

    async def processes(self) -> list[process_pb2.Process]:
        request = customer_service_pb2.ListProcessesRequest()
        answer: customer_service_pb2.ListProcessesResponse
        answer = await self.call("ListProcesses", request)
        return list(answer.processes)

    async def points(self) -> int:
        accounts = (await self.wallet()).points_accounts
        return int(accounts[0].balance) if accounts else 0


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


class Terminal(Actor):
    """A till or gate."""

    terminal_id = ""
    merchant_id = ""

    def resolve_request(
        self, code: str, *actions: action_pb2.Action, **more: Any
    ) -> terminal_service_pb2.ResolveCodeRequest:
        more.setdefault("request_id", new_id())
        return terminal_service_pb2.ResolveCodeRequest(
            identification=identification_pb2.Identification(code=code), actions=actions, **more
        )

    async def resolve(self, code: str, *actions: action_pb2.Action, **more: Any) -> Any:
        request = self.resolve_request(code, *actions, **more)
        return (await self.call("ResolveCode", request)).process

    async def tag(self, *, printed: bool = False) -> str:
        request = terminal_service_pb2.GetTagRequest(printed=printed)
        return str((await self.call("GetTag", request)).tag)

    async def complete(self, process_id: str, **more: Any) -> Any:
        more.setdefault("request_id", new_id())
        request = terminal_service_pb2.CompleteProcessRequest(
            reference=by_process(process_id), **more
        )
        return await self.call("CompleteProcess", request)

    async def reverse(self, process_id: str, **more: Any) -> Any:
        more.setdefault("request_id", new_id())
        request = terminal_service_pb2.ReverseProcessRequest(
            reference=by_process(process_id), **more
        )
        return await self.call("ReverseProcess", request)

    async def get(self, process_id: str) -> Any:
        request = terminal_service_pb2.GetProcessRequest(reference=by_process(process_id))
        return (await self.call("GetProcess", request)).process

    async def update_points(self, process_id: str, version: int, new_balance: int) -> Any:
        request = terminal_service_pb2.UpdatePointsRequest(
            request_id=new_id(),
            reference=by_process(process_id),
            version=version,
            new_balance=new_balance,
        )
        return (await self.call("UpdatePoints", request)).process


def by_process(process_id: str) -> identification_pb2.ProcessReference:
    """Return the reference of a process by its id."""
    return identification_pb2.ProcessReference(
        identification=identification_pb2.Identification(process_id=process_id)
    )


def by_request(code: str, request_id: str) -> identification_pb2.ProcessReference:
    """Return the reference of a process by the code and the terminal's own request_id."""
    return identification_pb2.ProcessReference(
        identification=identification_pb2.Identification(code=code),
        resolve_request_id=request_id,
    )


class Operator(Actor):
    """The person who runs the server."""

    async def set_policy(self, **changes: Any) -> policy_pb2.Policy:
        policy = (await self.call("GetPolicy", operator_service_pb2.GetPolicyRequest())).policy
        for name, value in changes.items():
            setattr(policy, name, value)
        request = operator_service_pb2.SetPolicyRequest(policy=policy)
        answer: operator_service_pb2.SetPolicyResponse = await self.call("SetPolicy", request)
        return answer.policy

    async def add_bill(
        self, phone: Phone, reference: str, minor_units: int, merchant_id: str = "cafe"
    ) -> operator_service_pb2.RowOutcome:
        bill = registration_pb2.Bill(
            merchant_id=merchant_id,
            bill_reference=reference,
            login_name=phone.login_name,
            amount=euro(minor_units),
            description="water",
        )
        request = operator_service_pb2.AddBillsRequest(bills=[bill])
        answer: operator_service_pb2.AddBillsResponse = await self.call("AddBills", request)
        return answer.outcomes[0]

    async def add_ticket(
        self, phone: Phone, ticket_id: str, **more: Any
    ) -> operator_service_pb2.RowOutcome:
        more = {"event_id": "jazz", "entries": 1, **more}
        ticket = registration_pb2.Ticket(ticket_id=ticket_id, login_name=phone.login_name, **more)
        request = operator_service_pb2.AddTicketsRequest(tickets=[ticket])
        answer: operator_service_pb2.AddTicketsResponse = await self.call("AddTickets", request)
        return answer.outcomes[0]

    async def add_points(
        self, phone: Phone, points: int, reference: str = "welcome"
    ) -> operator_service_pb2.RowOutcome:
        grant = operator_service_pb2.PointsGrant(
            programme_id="beans",
            login_name=phone.login_name,
            grant_reference=reference,
            points=points,
        )
        request = operator_service_pb2.AddPointsRequest(grants=[grant])
        answer: operator_service_pb2.AddPointsResponse = await self.call("AddPoints", request)
        return answer.outcomes[0]


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


@asynccontextmanager
async def world(  # noqa: PLR0913 -- what may differ from server to server
    store: Store,
    keyring: Keyring,
    *,
    limits: Limits = UNSAFE_WIDE_FOR_TESTS,
    authority: Authority | None = None,
    clock: MovedClock | None = None,
    backups: Backups | None = None,
    keep_shown: Callable[[Shown], None] = lambda _: None,
    institution: CreditInstitution | None = None,
    tracing: Tracing | None = None,
    again: bool = False,
) -> AsyncIterator[World]:
    """Serve on a store that the caller closes; one that was served before is furnished."""
    async with AsyncExitStack() as stack:
        institution_clock = StoppedClock()
        institution_port = await stack.enter_async_context(
            serving(
                Options(listen="127.0.0.1:0"),
                clock=InstitutionClock(now=institution_clock.now, sleep=institution_clock.sleep),
                grace_seconds=0,
            )
        )
        channel = open_institution_channel(
            f"127.0.0.1:{institution_port}",
            interceptors=tracing.interceptors() if tracing else (),
        )
        stack.push_async_callback(channel.close)
        clock = clock or MovedClock()
        authority = authority or new_authority(LONG_LIVES)
        institution = institution or CreditInstitution(channel)
        numbers = SentNumbers()
        parts = Parts(
            store=store,
            clock=clock,
            keyring=keyring,
            institution=institution,
            number_sender=numbers,
            password_profile=UNSAFE_FAST_FOR_TESTS,
            limits=limits,
            authority=authority,
            tls=ServerTls(authority, clock=clock, host_names=["127.0.0.1"]),
            keep_shown=keep_shown,
            backups=backups or backups_of_tests(),
            tracing=tracing,
        )
        app = await stack.enter_async_context(
            serve(
                parts,
                listen="127.0.0.1:0",
                terminal_listen="127.0.0.1:0",
                operator_listen="127.0.0.1:0",
            )
        )
        async with AsyncExitStack() as channels:
            made = World(
                app=app,
                store=store,
                clock=clock,
                institution_clock=institution_clock,
                institution=institution,
                keyring=keyring,
                numbers=numbers,
                authority=authority,
                stack=channels,
            )
            if not again:
                made.operator = await made.add_operator()
                await made.furnish()
            yield made
