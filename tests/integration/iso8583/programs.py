"""Gateway and host as programs of their own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tallymark.v1.credit_institution_service_pb2 import (
    CreditInstitutionServiceRegisterCardRequest,
)
from tallymark.v1.credit_institution_service_pb2_grpc import CreditInstitutionServiceStub
from tallymark_server.domain.authorisation import AuthorisationAnswer
from tallymark_server.institution import CreditInstitution, open_institution_channel
from tests.e2e.served import DEADLINE_SECONDS, Program
from tests.integration.iso8583.ground import NUMBER

__all__ = ["PROGRAM", "Bank", "gateway", "host_program", "options"]

PROGRAM: Final = "from tallymark_institution.iso8583.main import main; main()"


class Bank:
    """A client of a gateway, with the token of a card."""

    def __init__(self, institution: CreditInstitution, token: str) -> None:
        self.institution = institution
        self._token = token

    async def authorise(
        self,
        authorisation_id: str,
        minor_units: int,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> AuthorisationAnswer:
        result = await self.institution.authorise(
            authorisation_id,
            card_token=self._token,
            currency_code="EUR",
            minor_units=minor_units,
            merchant_id="cafe",
            terminal_id="till-1",
            deadline_seconds=deadline_seconds,
        )
        return result.answer


def options(folder: Path, host_port: int) -> list[str]:
    """Return what a gateway on this folder is started with."""
    return [
        *("--host", f"127.0.0.1:{host_port}", "--acquirer", "123456"),
        *("--data", str(folder / "journal"), "--key-file", str(folder / "cards.key")),
        *("--ready-file", str(folder / "gateway.json")),
    ]


@asynccontextmanager
async def gateway(
    folder: Path, host_port: int, *, code: str = PROGRAM
) -> AsyncIterator[tuple[Program, int, Bank]]:
    """Run a gateway on the folder's journal, and give it with its port and a client."""
    program = await Program.start(code, "serve", *options(folder, host_port))
    try:
        port = await _port(program, folder / "gateway.json")
        async with open_institution_channel(f"127.0.0.1:{port}") as channel:
            request = CreditInstitutionServiceRegisterCardRequest(
                request_id="card", card_number=NUMBER, expires_on="2099-12"
            )
            stub = CreditInstitutionServiceStub(channel)
            card = await stub.RegisterCard(request, timeout=DEADLINE_SECONDS)
            yield program, port, Bank(CreditInstitution(channel), card.card_token)
    finally:
        await program.kill()


@asynccontextmanager
async def host_program(folder: Path) -> AsyncIterator[tuple[Program, int]]:
    """Run a host, and give it with its port."""
    ready = folder / "host.json"
    program = await Program.start(PROGRAM, "host", "--ready-file", str(ready))
    try:
        yield program, await _port(program, ready)
    finally:
        await program.kill()


async def _port(program: Program, ready: Path) -> int:
    await program.says("Listening on port")
    assert program.process.returncode is None, program.output
    return int(json.loads(await asyncio.to_thread(ready.read_text))["port"])
