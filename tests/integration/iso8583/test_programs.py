"""Gateway and host as programs: started, stopped, killed, without a disk, and in a whole sale."""

import asyncio
import json
import resource
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from tallymark.v1 import process_pb2 as p
from tallymark.v1.credit_institution_service_pb2 import (
    CreditInstitutionServiceRegisterCardRequest,
)
from tallymark.v1.credit_institution_service_pb2_grpc import CreditInstitutionServiceStub
from tallymark_institution.iso8583.host.books import State
from tallymark_institution.iso8583.host.faults import FAULTS
from tallymark_institution.iso8583.host.server import CardHost
from tallymark_institution.iso8583.main import main
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationState,
    CaptureResult,
    InstitutionSilent,
)
from tallymark_server.institution import CreditInstitution, open_institution_channel
from tests.e2e.served import DEADLINE_SECONDS, Program, town
from tests.integration.iso8583.ground import NUMBER
from tests.world.actions import charge
from tests.world.shop import open_shop

PROGRAM: Final = "from tallymark_institution.iso8583.main import main; main()"

NEVER_DECIDED: Final = 77_92


@asynccontextmanager
async def gateway(folder: Path, host_port: int, *more: str) -> AsyncIterator[tuple[Program, int]]:
    """Run a gateway on the folder's journal, and give it with its port."""
    ready = folder / "gateway.json"
    program = await Program.start(PROGRAM, "serve", *options(folder, host_port), *more)
    try:
        await program.says("Listening on port")
        assert program.process.returncode is None, program.output
        yield program, int(json.loads(await asyncio.to_thread(ready.read_text))["port"])
    finally:
        await program.kill()


def options(folder: Path, host_port: int) -> list[str]:
    return [
        *("--host", f"127.0.0.1:{host_port}", "--acquirer", "123456"),
        *("--data", str(folder / "journal"), "--key-file", str(folder / "cards.key")),
        *("--ready-file", str(folder / "gateway.json")),
    ]


@asynccontextmanager
async def host_program(folder: Path) -> AsyncIterator[tuple[Program, int]]:
    ready = folder / "host.json"
    program = await Program.start(PROGRAM, "host", "--ready-file", str(ready))
    try:
        await program.says("Listening on port")
        yield program, int(json.loads(await asyncio.to_thread(ready.read_text))["port"])
    finally:
        await program.kill()


@asynccontextmanager
async def asking(port: int) -> AsyncIterator[tuple[CreditInstitution, str]]:
    """Give a client of the gateway, and the token of a card."""
    async with open_institution_channel(f"127.0.0.1:{port}") as channel:
        request = CreditInstitutionServiceRegisterCardRequest(
            request_id="card", card_number=NUMBER, expires_on="2099-12"
        )
        stub = CreditInstitutionServiceStub(channel)
        card = await stub.RegisterCard(request, timeout=DEADLINE_SECONDS)
        yield CreditInstitution(channel), card.card_token


async def authorise(
    institution: CreditInstitution, token: str, minor_units: int, *, deadline_seconds: float
) -> AuthorisationAnswer:
    """Ask until there is a line to the host."""
    result = await institution.authorise(
        f"a{minor_units}",
        card_token=token,
        currency_code="EUR",
        minor_units=minor_units,
        merchant_id="cafe",
        terminal_id="till-1",
        deadline_seconds=deadline_seconds,
    )
    return result.answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_both_with_code_0(tmp_path: Path, number: signal.Signals) -> None:
    async with host_program(tmp_path) as (host, port), gateway(tmp_path, port) as (program, _):
        for each in (program, host):
            each.send(number)
        codes = [await each.ended() for each in (program, host)]

    assert codes == [0, 0]
    assert "Traceback" not in program.output + host.output
    assert sorted(path.name for path in await asyncio.to_thread(lambda: [*tmp_path.iterdir()])) == [
        "cards.key",
        "gateway.json",
        "host.json",
        "journal",
    ]


async def test_killed_while_a_question_is_open_it_still_takes_it_back(
    tmp_path: Path, host: CardHost, host_port: int
) -> None:
    async with gateway(tmp_path, host_port) as (program, port), asking(port) as (bank, token):
        await asyncio.wait_for(host.hears("0800"), DEADLINE_SECONDS)
        with pytest.raises(InstitutionSilent):
            await authorise(bank, token, NEVER_DECIDED, deadline_seconds=1)
        await asyncio.wait_for(host.hears("0100"), DEADLINE_SECONDS)
        await program.kill()

    async with gateway(tmp_path, host_port) as (_, port), asking(port) as (bank, token):
        found = await bank.find(f"a{NEVER_DECIDED}", deadline_seconds=DEADLINE_SECONDS)
        reversal = await bank.reverse(
            f"a{NEVER_DECIDED}", note="", deadline_seconds=DEADLINE_SECONDS
        )
        answer = await authorise(bank, token, NEVER_DECIDED, deadline_seconds=DEADLINE_SECONDS)

    advice = await host.hears("0420")
    assert found.state is AuthorisationState.UNKNOWN
    assert reversal.name == "REVERSED"
    assert answer is AuthorisationAnswer.REVERSED_BEFORE
    assert advice.field(90)[4:10] == (await host.hears("0100")).field(11)


async def test_without_a_disk_it_ends_and_the_next_life_knows_what_was_told(
    tmp_path: Path, host: CardHost, host_port: int
) -> None:
    async with gateway(tmp_path, host_port) as (program, port), asking(port) as (bank, token):
        await asyncio.wait_for(host.hears("0800"), DEADLINE_SECONDS)
        while not host.books.entries:
            try:
                await authorise(bank, token, 1250, deadline_seconds=DEADLINE_SECONDS)
            except InstitutionSilent:
                continue
        size = (tmp_path / "journal-wal").stat().st_size
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (size, size))
        with pytest.raises(InstitutionSilent):
            await bank.capture("a1250", deadline_seconds=DEADLINE_SECONDS)
        code = await program.ended()

    async with gateway(tmp_path, host_port) as (_, port), asking(port) as (bank, _):
        found = await bank.find("a1250", deadline_seconds=DEADLINE_SECONDS)
        captured = await bank.capture("a1250", deadline_seconds=DEADLINE_SECONDS)

    assert code == 1
    assert "Error: The journal failed" in program.output
    assert found.state is AuthorisationState.DECIDED
    assert captured is CaptureResult.CAPTURED
    assert [entry.state for entry in host.books.entries.values()] == [State.TAKEN]


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        (("--listen", "127.0.0.1:{port}"), "Is the port in use"),
        (("--data", "{folder}"), "is a directory"),
        (("--key-file", "{folder}/nowhere/key"), "Put the key of the cards back"),
        (("--acquirer", "12a"), "1 to 11 digits"),
        (("--merchant-type", "1"), "4 to 4 digits"),
        (("--host", "nowhere"), "is not HOST:PORT"),
        (("--certificate", "{folder}"), "belong together"),
    ],
)
def test_it_says_why_it_cannot_serve(tmp_path: Path, more: tuple[str, str], advice: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        changed = [each.format(port=port, folder=tmp_path) for each in more]
        result = CliRunner().invoke(main, ["serve", *options(tmp_path, port), *changed])

    assert result.exit_code in {1, 2}
    assert advice in result.output
    assert isinstance(result.exception, SystemExit)


async def test_a_sale_passes_through_four_programs(tmp_path: Path) -> None:
    async with (
        host_program(tmp_path) as (_, host_port),
        gateway(tmp_path, host_port) as (_, port),
        town(tmp_path, port) as running,
    ):
        shop = await open_shop(running)
        paid = await shop.scan(charge(1250))
        completed = await shop.till.complete(paid.process_id)
        declined = await shop.scan(charge(77_51))

    assert paid.state == p.PROCESS_STATE_INSTRUCTED
    assert completed.process.state == p.PROCESS_STATE_COMPLETED
    assert declined.state == p.PROCESS_STATE_DECLINED


def test_the_documented_faults_are_those_of_the_program() -> None:
    text = (Path(__file__).parents[3] / "docs" / "iso8583.md").read_text("utf-8")

    missing = [
        fault.sentence
        for fault in FAULTS
        if f"| 77{fault.code:02} | {fault.sentence} |" not in text
    ]
    assert missing == []
