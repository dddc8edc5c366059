"""The world as every run finds it: made once by the real services, then copied."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark.v1 import (
    merchant_pb2,
    money_pb2,
    operator_service_pb2,
    policy_pb2,
    registration_pb2,
)
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark.v1.terminal_service_pb2 import EnrollRequest
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_phone.server_connection import PhoneConnection
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_server.keyring import Keyring
from tallymark_server.services.peer_keys import UNSAFE_KEY_HASH
from tests.simulation.institution_machine import InstitutionMachine
from tests.simulation.network import Network
from tests.simulation.notes import Notes
from tests.simulation.patches import patched
from tests.simulation.people import OPERATOR, Owner
from tests.simulation.server_machine import SERVER, MachineClock, Secrets, ServerMachine
from tests.simulation.virtual_loop import Life, VirtualLoop
from tests.simulation.weather import CALM
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.messages import new_id
from tests.world.signed_requests import PASSWORD

__all__ = ["BILLS", "CUSTOMERS", "TERMINALS", "Prepared", "prepared"]

TERMINALS: Final = ("till-1", "till-2", "gate-1", "gate-2", "rogue")
CUSTOMERS: Final = {"ana": 1, "ben": 2, "cyd": 3}
"""Customers, and how often the ticket of each admits."""

BILLS: Final = 3
"""Bills of each customer."""

DATABASE: Final = "tallymark.sqlite3"
RAM: Final = Path("/dev/shm")  # noqa: S108 -- a folder of its own is made in it


class Prepared(NamedTuple):
    """What a run begins with."""

    folder: Path
    secrets: Secrets
    owners: tuple[Owner, ...]
    credentials: dict[str, Any]

    def copy(self, to: Path) -> Path:
        """Return the path of a database of its own for a run."""
        path = to / "data" / DATABASE
        path.parent.mkdir(mode=0o700)
        shutil.copyfile(self.folder / "data" / DATABASE, path)
        return path


@contextmanager
def prepared() -> Iterator[Prepared]:
    """Make the world in a folder in memory, which is gone at the end."""
    with tempfile.TemporaryDirectory(
        prefix="tallymark-", dir=RAM if RAM.is_dir() else None
    ) as name:
        folder = Path(name)
        secrets = Secrets(Keyring.open(folder / "keys"), new_authority(LONG_LIVES))
        loop, chance = VirtualLoop(), Random(0)  # noqa: S311 -- repeatable is what it is for
        notes = Notes(loop.time)
        network = Network(loop, chance, CALM, notes)
        with patched(network):
            clock = MachineClock(loop)
            InstitutionMachine(
                network, clock=clock, chance=chance, notes=notes
            ).service.fails_after = 0
            server = ServerMachine(
                network,
                path=folder / "data" / DATABASE,
                secrets=secrets,
                chance=chance,
                notes=notes,
            )
            server.start()
            made = loop.run_until_complete(_furnish(network, server))
            server.stop_for_good()
            loop.close()
        yield Prepared(folder, secrets, made, network.credentials)


async def _furnish(network: Network, server: ServerMachine) -> tuple[Owner, ...]:
    loop = network.loop
    await server.serving.wait()
    operator = Life(OPERATOR)
    code = server.operator_code
    await loop.start(operator, _enrol_operator(network, code))
    codes = await loop.start(operator, _furnish_shop(network))
    for name, code in codes.items():
        await loop.start(Life(name), _enrol_terminal(network, name, code))
    owners = [
        await loop.start(Life(name), _register(network, number, name))
        for number, name in enumerate(CUSTOMERS, start=1)
    ]
    await loop.start(operator, _give(network))
    return tuple(owners)


async def _enrol_operator(network: Network, code: str) -> None:
    key = ClientKey.generate()
    request = operator_service_pb2.EnrollOperatorRequest(
        request_id=new_id(), enrolment_code=code, certificate_request=key.certificate_request()
    )
    await _operator(network).EnrollOperator(request)
    network.credentials[OPERATOR] = ((UNSAFE_KEY_HASH, key.key_hash()),)


async def _furnish_shop(network: Network) -> dict[str, str]:
    """Add a programme, a merchant, an event, a policy, and terminals; return their codes."""
    stub, contract = _operator(network), operator_service_pb2
    programme = registration_pb2.PointsProgramme(
        programme_id="beans", name="Beans", point_value=_euro(1), earn_points_max=500
    )
    await stub.CreateProgramme(contract.CreateProgrammeRequest(programme=programme))
    merchant = merchant_pb2.Merchant(merchant_id="cafe", name="Cafe", programme_id="beans")
    await stub.CreateMerchant(contract.CreateMerchantRequest(merchant=merchant))
    event = registration_pb2.Event(
        event_id="jazz",
        merchant_id="cafe",
        name="Jazz night",
        reentry_rule=registration_pb2.REENTRY_RULE_EACH_ENTRY_COUNTS,
    )
    await stub.CreateEvent(contract.CreateEventRequest(event=event))
    policy: policy_pb2.Policy = (await stub.GetPolicy(contract.GetPolicyRequest())).policy
    policy.confirm_money_from = 20_000
    policy.unconfirmed_count_max = 1_000
    policy.unconfirmed_sum_max = 10**9
    policy.new_terminal_days = 0
    await stub.SetPolicy(contract.SetPolicyRequest(policy=policy))
    codes: dict[str, str] = {}
    for name in TERMINALS:
        request = contract.CreateTerminalRequest(terminal_id=name, merchant_id="cafe")
        codes[name] = (await stub.CreateTerminal(request)).enrolment_code
    return codes


async def _enrol_terminal(network: Network, name: str, code: str) -> None:
    key = ClientKey.generate()
    request = EnrollRequest(
        request_id=new_id(), enrolment_code=code, certificate_request=key.certificate_request()
    )
    stub: Any = TerminalServiceStub(network.channel(SERVER))
    await stub.Enroll(request)
    network.credentials[name] = ((UNSAFE_KEY_HASH, key.key_hash()),)


async def _register(network: Network, number: int, login_name: str) -> Owner:
    """Register a customer with a card; the key is made from the number, so that all can be told."""
    del network
    key = DevicePrivateKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
    async with PhoneConnection(SERVER, device_key=key) as server:
        registered = await server.register_customer(
            login_name=login_name, password=PASSWORD, device_name="phone"
        )
        await server.register_card(card_number="4242424242424242", expires_on="2090-12")
    return Owner(login_name, key, registered.session.token)


async def _give(network: Network) -> None:
    """Give every customer points, a ticket and bills."""
    stub, contract = _operator(network), operator_service_pb2
    for name, entries in CUSTOMERS.items():
        grant = contract.PointsGrant(
            programme_id="beans", login_name=name, grant_reference=name, points=300
        )
        ticket = registration_pb2.Ticket(
            ticket_id=f"T-{name}", login_name=name, event_id="jazz", entries=entries
        )
        bills = [
            registration_pb2.Bill(
                merchant_id="cafe",
                bill_reference=f"{name}-{number}",
                login_name=name,
                amount=_euro(1_000 + number),
                description="water",
            )
            for number in range(BILLS)
        ]
        await stub.AddPoints(contract.AddPointsRequest(grants=[grant]))
        await stub.AddTickets(contract.AddTicketsRequest(tickets=[ticket]))
        await stub.AddBills(contract.AddBillsRequest(bills=bills))


def _operator(network: Network) -> Any:
    return OperatorServiceStub(network.channel(SERVER))


def _euro(minor_units: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="EUR", minor_units=minor_units)
