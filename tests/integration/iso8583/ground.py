"""A card host and a gateway in this process, and the server's own client in front of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1.credit_institution_service_pb2_grpc import CreditInstitutionServiceStub
from tallymark_institution.iso8583.gateway.app import Options, serving
from tallymark_institution.iso8583.gateway.gateway import Gateway, Patience
from tallymark_institution.iso8583.gateway.host_line import LineSettings
from tallymark_institution.iso8583.gateway.messages import Acquirer
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationLookup,
    AuthorisationState,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.institution import CreditInstitution, open_institution_channel
from tallymark_server.tls.authority import Authority, ServerIdentity
from tests.world.clock import START

__all__ = [
    "DEADLINE_SECONDS",
    "NUMBER",
    "Counter",
    "MovedClock",
    "counter",
    "line_to",
    "write_identity",
]

DEADLINE_SECONDS = 30.0
"""Never reached by a test that passes."""

NUMBER = "4111111111111111"

ACQUIRER = Acquirer(institution_id="123456", merchant_type="5812")


class MovedClock:
    """Time of day that stands until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds


@dataclass(kw_only=True)
class Counter:
    """What stands before the gateway."""

    gateway: Gateway
    institution: CreditInstitution
    stub: CreditInstitutionServiceStub
    clock: MovedClock
    token: str = field(repr=False)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and do what is due then."""
        self.clock.seconds += seconds
        await self.gateway.run_due()

    async def authorise(self, authorisation_id: str, minor_units: int) -> AuthorisationAnswer:
        result = await self.institution.authorise(
            authorisation_id,
            card_token=self.token,
            currency_code="EUR",
            minor_units=minor_units,
            merchant_id="cafe",
            terminal_id="till-1",
            deadline_seconds=DEADLINE_SECONDS,
        )
        return result.answer

    async def capture(self, authorisation_id: str) -> CaptureResult:
        return await self.institution.capture(authorisation_id, deadline_seconds=DEADLINE_SECONDS)

    async def reverse(self, authorisation_id: str) -> ReversalResult:
        return await self.institution.reverse(
            authorisation_id, note="", deadline_seconds=DEADLINE_SECONDS
        )

    async def find(self, authorisation_id: str) -> AuthorisationLookup:
        return await self.institution.find(authorisation_id, deadline_seconds=DEADLINE_SECONDS)

    async def state(self, authorisation_id: str) -> AuthorisationState:
        return (await self.find(authorisation_id)).state

    def give_up_waiting(self, seconds: float = 0.05) -> None:
        """Let calls wait for the host hardly at all from now on."""
        self.gateway.patience = Patience(answer_seconds=seconds)

    async def acknowledged(self, authorisation_id: str) -> None:
        """Wait until the host has acknowledged all that it is told of an authorisation."""
        await asyncio.wait_for(self.gateway.settled(authorisation_id), DEADLINE_SECONDS)


def line_to(port: int) -> LineSettings:
    """Return a line to a host on this machine that loses no time."""
    return LineSettings(
        host="127.0.0.1",
        port=port,
        answer_seconds=5.0,
        reconnect_seconds_min=0.01,
        reconnect_seconds_max=0.05,
    )


@contextlib.asynccontextmanager
async def counter(
    folder: Path,
    line: LineSettings,
    *,
    clock: MovedClock | None = None,
    authority: Authority | None = None,
    is_up: bool = True,
) -> AsyncIterator[Counter]:
    """Serve a gateway on the folder's journal, with a registered card."""
    clock = clock or MovedClock()
    if authority is not None:
        identity = authority.issue_server(["127.0.0.1"], now=START)
        await asyncio.to_thread(write_identity, identity, folder, "gateway")
    options = Options(
        listen="127.0.0.1:0",
        data=folder / "journal",
        key_file=folder / "cards.key",
        line=line,
        acquirer=ACQUIRER,
        patience=Patience(answer_seconds=DEADLINE_SECONDS),
        certificate=folder / "gateway.pem" if authority else None,
        private_key=folder / "gateway.key" if authority else None,
        tell=print,
    )
    async with (
        serving(options, now=clock.now, grace_seconds=0) as (port, gateway),
        open_institution_channel(
            f"127.0.0.1:{port}", authority.certificates_pem if authority else ""
        ) as channel,
    ):
        stub = CreditInstitutionServiceStub(channel)
        card = await stub.RegisterCard(
            contract.CreditInstitutionServiceRegisterCardRequest(
                request_id="card", card_number=NUMBER, expires_on="2030-12"
            ),
            timeout=DEADLINE_SECONDS,
        )
        made = Counter(
            gateway=gateway,
            institution=CreditInstitution(channel),
            stub=stub,
            clock=clock,
            token=card.card_token,
        )
        if is_up:
            await asyncio.wait_for(gateway.line.signed_on(), DEADLINE_SECONDS)
        yield made


def write_identity(identity: ServerIdentity, folder: Path, name: str) -> None:
    """Write certificate and key into files of this name."""
    (folder / f"{name}.pem").write_bytes(identity.certificate_pem)
    (folder / f"{name}.key").write_bytes(identity.private_key_pem)
