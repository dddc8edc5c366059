"""Real servers whose data goes back, and real servers that are only killed."""

import asyncio
import json
import shutil
import signal
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from tallymark.v1 import action_pb2, operator_service_pb2, terminal_service_pb2
from tallymark_protocol.witness import WITNESS_KEY
from tallymark_server.restore import main as restore
from tests.e2e.sales import Buyer, Log, buy_until_unknown, open_stalls
from tests.e2e.served import Program, Town, server, town
from tests.proof import Proof
from tests.world.actions import burn
from tests.world.actor import DEADLINE_SECONDS
from tests.world.terminal import Terminal

EXIT_WENT_BACK = 5


def open_recovery(folder: Path) -> str | None:
    """Return what the ready file says of a recovery."""
    found: str | None = json.loads((folder / "server.json").read_text())["open_recovery"]
    return found


async def stop(running: Town) -> int:
    running.program.send(signal.SIGTERM)
    return await running.program.ended()


async def told(till: Terminal, *, shows: str = "") -> str:
    """Return the witness of an answer to a terminal that shows one."""
    request = terminal_service_pb2.ListVerificationKeysRequest()
    metadata = ((WITNESS_KEY, shows),) if shows else ()
    call = till.stub.ListVerificationKeys(request, metadata=metadata, timeout=DEADLINE_SECONDS)
    await call
    return str(dict(await call.trailing_metadata())[WITNESS_KEY])


async def test_a_backup_that_is_put_back_is_said_loudly_and_told_to_everybody(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as running:
        (buyer,) = await open_stalls(running, 1)
        operator = running.operator
        request = operator_service_pb2.BackupRequest(name="night")
        backup = await operator.call("Backup", request)
        process = await buyer.till.resolve(await buyer.phone.issue(), burn(1))
        await buyer.till.complete(process.process_id)
        assert await stop(running) == 0

    arguments = [backup.path, "--data", str(tmp_path / "data")]
    result = await asyncio.to_thread(CliRunner().invoke, restore, arguments)
    assert result.exit_code == 0, result.output

    async with town(tmp_path) as again:
        await again.connect_again(operator, *buyer.actors)
        asked = operator_service_pb2.GetRecoveryRequest()
        recovery = (await operator.call("GetRecovery", asked)).recovery
        refused = await buyer.till.resolve(await buyer.phone.issue(), burn(1))

        assert "THE DATABASE IS OLDER THAN WHAT WAS ANSWERED" in again.program.output
        assert await asyncio.to_thread(open_recovery, tmp_path) == recovery.recovery_id
        assert recovery.lost_at_least > 0
        assert refused.refusal.reason == action_pb2.REFUSAL_REASON_RESTORE_UNSETTLED


async def test_a_server_whose_keys_went_back_too_stops_when_a_client_shows_it(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as running:
        (buyer,) = await open_stalls(running, 1)
        assert await stop(running) == 0
    await asyncio.to_thread(shutil.copytree, tmp_path / "data", tmp_path / "old")
    async with town(tmp_path) as running:
        await running.connect_again(*buyer.actors)
        await buyer.till.resolve(await buyer.phone.issue(), burn(1))
        witness = await told(buyer.till)
        assert await stop(running) == 0
    await asyncio.to_thread(shutil.rmtree, tmp_path / "data")
    await asyncio.to_thread(shutil.copytree, tmp_path / "old", tmp_path / "data")

    async with town(tmp_path) as running:
        await running.connect_again(*buyer.actors)
        assert await asyncio.to_thread(open_recovery, tmp_path) is None
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await told(buyer.till, shows=witness)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await running.program.ended() == EXIT_WENT_BACK

    async with town(tmp_path):
        assert await asyncio.to_thread(open_recovery, tmp_path) is not None


@pytest.mark.guarantee
async def test_a_killed_server_never_looks_like_a_restored_one(
    tmp_path: Path, proof: Proof
) -> None:
    kills = proof.trials(ci=4, campaign=1_000)
    taken_for_restored = 0
    fired = {"while it starts": 0, "while it serves": 0}
    async with town(tmp_path) as running:
        buyers = await open_stalls(running, 2)
        await running.program.kill()
    for number in range(kills):
        if number % 2:
            await _kill_a_start(tmp_path, proof.random.uniform(0.2, 1.5))
            fired["while it starts"] += 1
            continue
        async with town(tmp_path) as running:
            taken_for_restored += await asyncio.to_thread(open_recovery, tmp_path) is not None
            await running.connect_again(*(actor for buyer in buyers for actor in buyer.actors))
            await _kill_at_answer(running.program, buyers, proof.random.randint(1, 30))
            fired["while it serves"] += 1
    async with town(tmp_path):
        taken_for_restored += await asyncio.to_thread(open_recovery, tmp_path) is not None

    proof.record(
        "G17 kills that look like a restore",
        trials=kills,
        failures=taken_for_restored,
        faults_fired=fired,
        mutants_killed=("a mark that leads the journal",),
    )


async def _kill_a_start(folder: Path, after_seconds: float) -> None:
    program = await server(folder, 1)
    with_end = asyncio.create_task(program.process.wait())
    await asyncio.wait({with_end}, timeout=after_seconds)
    await program.kill()
    await with_end


async def _kill_at_answer(program: Program, buyers: list[Buyer], at_answer: int) -> None:
    def on_answer(answers: int) -> None:
        if answers == at_answer:
            program.send(signal.SIGKILL)

    await buy_until_unknown(buyers, Log(on_answer))
    await program.ended()
