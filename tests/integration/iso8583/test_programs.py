"""Gateway and host as programs: started, stopped, killed, without a disk, and in a whole sale."""

import asyncio
import resource
import signal
import socket
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from tallymark.v1 import process_pb2 as p
from tallymark_institution.iso8583.host.books import State
from tallymark_institution.iso8583.host.faults import FAULTS
from tallymark_institution.iso8583.host.server import CardHost
from tallymark_institution.iso8583.main import main
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationState,
    CaptureResult,
    InstitutionSilent,
    ReversalResult,
)
from tests.e2e.served import DEADLINE_SECONDS, town
from tests.integration.iso8583.programs import gateway, host_program, options
from tests.world.actions import charge
from tests.world.shop import open_shop

NEVER_DECIDED: Final = 77_92


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_both_with_code_0(tmp_path: Path, number: signal.Signals) -> None:
    async with host_program(tmp_path) as (host, port), gateway(tmp_path, port) as (program, *_):
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
    async with gateway(tmp_path, host_port) as (program, _, bank):
        await asyncio.wait_for(host.hears("0800"), DEADLINE_SECONDS)
        with pytest.raises(InstitutionSilent):
            await bank.authorise("a1", NEVER_DECIDED, deadline_seconds=1)
        await asyncio.wait_for(host.hears("0100"), DEADLINE_SECONDS)
        await program.kill()

    async with gateway(tmp_path, host_port) as (_, _, bank):
        found = await bank.institution.find("a1", deadline_seconds=DEADLINE_SECONDS)
        reversal = await bank.institution.reverse("a1", note="", deadline_seconds=DEADLINE_SECONDS)
        answer = await bank.authorise("a1", NEVER_DECIDED)

    advice = await host.hears("0420")
    assert found.state is AuthorisationState.UNKNOWN
    assert reversal is ReversalResult.REVERSED
    assert answer is AuthorisationAnswer.REVERSED_BEFORE
    assert advice.field(90)[4:10] == (await host.hears("0100")).field(11)


async def test_without_a_disk_it_ends_and_the_next_life_knows_what_was_told(
    tmp_path: Path, host: CardHost, host_port: int
) -> None:
    async with gateway(tmp_path, host_port) as (program, _, bank):
        await asyncio.wait_for(host.hears("0800"), DEADLINE_SECONDS)
        while not host.books.entries:
            try:
                await bank.authorise("a1", 1250)
            except InstitutionSilent:
                continue
        size = (tmp_path / "journal-wal").stat().st_size
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (size, size))
        with pytest.raises(InstitutionSilent):
            await bank.institution.capture("a1", deadline_seconds=DEADLINE_SECONDS)
        code = await program.ended()

    async with gateway(tmp_path, host_port) as (_, _, bank):
        found = await bank.institution.find("a1", deadline_seconds=DEADLINE_SECONDS)
        captured = await bank.institution.capture("a1", deadline_seconds=DEADLINE_SECONDS)

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
        gateway(tmp_path, host_port) as (_, port, _),
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
