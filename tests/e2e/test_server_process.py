"""The server as a process: stopped, killed, started twice, and its disk full."""

import asyncio
import resource
import signal
from pathlib import Path

import grpc
import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import WatchProcessesRequest
from tests.e2e.sales import (
    POINTS,
    Buyer,
    Log,
    buy_until_unknown,
    lost,
    open_stalls,
    send_again,
    state_of,
)
from tests.e2e.served import Program, institution, server, town
from tests.world.actions import burn, charge

REPLY_SWALLOWED = 77_95

REPLY_BEFORE_SAVE = """
import time, asyncio
from tallymark_server.lanes import lane
from tallymark_server.main import main

async def run_batch(self, waiting):
    batch = lane.Batch(self._memory, presumes=False)
    await self._decide(batch, waiting)
    for answer, outcome in batch.outcomes:
        answer.done() or answer.set_result(outcome)
    await asyncio.to_thread(time.sleep, 0.05)  # a disk as slow as disks are
    await self._save(batch)
    self._on_commit(batch.changes)

lane.Lane._run_batch = run_batch
main()
"""
"""A server with a planted bug: it answers, and saves afterwards."""


def killing(program: Program, number: signal.Signals, at_answer: int) -> Log:
    """Return a log that sends a signal with one of the answers."""

    def on_answer(answers: int) -> None:
        if answers == at_answer:
            program.send(number)

    return Log(on_answer)


async def test_sigterm_under_load_finishes_what_was_accepted(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        buyers = await open_stalls(running, 8)
        log = killing(running.program, signal.SIGTERM, at_answer=200)
        unknown = await buy_until_unknown(buyers, log)
        code = await running.program.ended()

    assert code == 0
    assert "Traceback" not in running.program.output
    # gRPC itself cancels a call that reaches it in the very moment in which it stops.
    assert set(unknown) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert log.answers >= 200
    async with town(tmp_path) as again:
        await again.connect_again(*(actor for buyer in buyers for actor in buyer.actors))
        assert await lost(buyers, log) == []
        for buyer in buyers:  # what was not answered was not accepted either
            last = log.sales[buyer.phone.login_name][-1]
            if last.resolve and not last.process_id:
                assert await state_of(buyer.till, last) == 0
            if last.complete and not last.is_completed:
                assert await state_of(buyer.till, last) == p.PROCESS_STATE_INSTRUCTED


async def test_sigterm_ends_waiting_calls_and_streams_at_once(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        (buyer,) = await open_stalls(running, 1)
        await running.operator.set_policy(confirm_points_from=0)
        news = buyer.phone.watch("WatchProcesses", WatchProcessesRequest())
        request = buyer.till.resolve_request(
            await buyer.phone.issue(), burn(1), wait_milliseconds=30_000
        )
        waiting = asyncio.create_task(buyer.till.call("ResolveCode", request))
        told = await news.read()
        running.program.send(signal.SIGTERM)
        process = (await waiting).process
        code = await running.program.ended()

    assert code == 0
    assert process.process_id == told.process.process_id
    assert process.state == p.PROCESS_STATE_AWAITING_CUSTOMER


async def test_whatever_was_answered_before_sigkill_is_there_after_a_restart(
    tmp_path: Path,
) -> None:
    log, answers = Log(lambda _: None), 0
    buyers: list[Buyer] = []
    for at_answer in (150, 151, 152):
        async with town(tmp_path) as running:
            buyers = buyers or await open_stalls(running, 8)
            await running.connect_again(*(actor for buyer in buyers for actor in buyer.actors))
            assert await lost(buyers, log) == []
            for buyer in buyers:
                await send_again(buyer, log)
            log.on_answer = killing(running.program, signal.SIGKILL, at_answer + answers).on_answer
            unknown = await buy_until_unknown(buyers, log)
            assert set(unknown) == {grpc.StatusCode.UNAVAILABLE}
            answers = log.answers

    async with town(tmp_path) as running:
        await running.connect_again(*(actor for buyer in buyers for actor in buyer.actors))
        assert await lost(buyers, log) == []
        for buyer in buyers:
            await send_again(buyer, log)
            sent = [sale for sale in log.sales[buyer.phone.login_name] if sale.complete]
            assert await buyer.phone.points() == POINTS - len(sent)
    print(f"3 kills, {answers} answers, none lost")  # noqa: T201 -- N is shown


async def test_the_check_finds_a_server_that_answers_before_it_saves(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        buyers = await open_stalls(running, 8)
        actors = [actor for buyer in buyers for actor in buyer.actors]
        running.program.send(signal.SIGTERM)
        await running.program.ended()
    async with town(tmp_path, code=REPLY_BEFORE_SAVE) as running:
        await running.connect_again(*actors)
        log = killing(running.program, signal.SIGKILL, at_answer=40)
        await buy_until_unknown(buyers, log)

    async with town(tmp_path) as again:
        await again.connect_again(*actors)
        missing = await lost(buyers, log)

    print(f"answered before saving: {len(missing)} of {log.answers} lost")  # noqa: T201 -- the same
    assert missing


async def test_a_charge_under_way_is_taken_up_after_a_restart(tmp_path: Path) -> None:
    async with institution(tmp_path) as (bank, bank_port):
        async with town(tmp_path, bank_port) as running:
            (buyer,) = await open_stalls(running, 1)
            await running.operator.set_policy(confirm_money_from=1_000_000)
            await buyer.phone.add_card()
            request = buyer.till.resolve_request(
                await buyer.phone.issue(), charge(REPLY_SWALLOWED), wait_milliseconds=1
            )
            process = (await buyer.till.call("ResolveCode", request)).process
            await bank.says("7795 minor units")

        async with town(tmp_path, bank_port) as again:
            await again.connect_again(*buyer.actors)
            request.wait_milliseconds = 30_000
            decided = (await buyer.till.call("ResolveCode", request)).process

    assert process.state == p.PROCESS_STATE_AUTHORISING
    assert decided.process_id == process.process_id
    assert decided.state == p.PROCESS_STATE_INSTRUCTED


async def test_a_capture_under_way_is_taken_up_after_a_restart(tmp_path: Path) -> None:
    async with institution(tmp_path) as (bank, bank_port):
        async with town(tmp_path, bank_port) as running:
            (buyer,) = await open_stalls(running, 1)
            await buyer.phone.add_card()
            process = await buyer.till.resolve(await buyer.phone.issue(), charge(500))
            bank.send(signal.SIGSTOP)
            completed = (await buyer.till.complete(process.process_id)).process
        bank.send(signal.SIGCONT)

        async with town(tmp_path, bank_port) as again:
            await again.connect_again(*buyer.actors)
            news = buyer.phone.watch("WatchProcesses", WatchProcessesRequest())
            settlement = completed.actions[0].settlement
            while settlement != a.SETTLEMENT_SETTLED:
                settlement = (await news.read()).process.actions[0].settlement

    assert completed.actions[0].settlement == a.SETTLEMENT_CAPTURE_PENDING


async def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        second = await server(tmp_path, 1)
        code = await second.ended()
        still_serving = await running.operator.set_policy(confirm_points_from=7)

    assert code == 1
    assert "Another server uses" in second.output
    assert "Traceback" not in second.output
    assert still_serving.confirm_points_from == 7


@pytest.mark.parametrize("option", ["--listen", "--operator-listen"])
async def test_a_port_in_use_is_told(tmp_path: Path, option: str) -> None:
    async with town(tmp_path / "first") as running:
        second = await server(tmp_path / "second", 1, option, f"127.0.0.1:{running.app.port}")
        code = await second.ended()

    assert code == 1
    assert str(running.app.port) in second.lines[-1]
    assert "in use" in second.lines[-1]
    assert "Traceback" not in second.output
    assert not (tmp_path / "second" / "server.json").exists()


async def test_a_database_that_was_damaged_is_told_without_a_traceback(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        running.program.send(signal.SIGTERM)  # so that everything is in the one file
        await running.program.ended()
    file = tmp_path / "data" / "tallymark.sqlite3"
    file.write_bytes(file.read_bytes()[:100] + bytes(file.stat().st_size - 100))

    second = await server(tmp_path, 1)

    assert await second.ended() == 1
    assert "cannot start" in second.output
    assert "Traceback" not in second.output


async def test_the_ready_file_of_a_server_that_ended_tells_nobody_that_the_next_one_serves(
    tmp_path: Path,
) -> None:
    old = tmp_path / "second" / "server.json"
    old.parent.mkdir()
    old.write_text('{"port": 1}')
    async with town(tmp_path / "first") as running:
        second = await server(old.parent, 1, "--listen", f"127.0.0.1:{running.app.port}")
        await second.ended()

    assert not old.exists()


async def test_a_full_disk_stops_the_server_and_loses_nothing(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        buyers = await open_stalls(running, 4)
        pid = running.program.process.pid

        def fill_disk(answers: int) -> None:
            if answers == 60:
                log_bytes = (tmp_path / "data" / "tallymark.sqlite3-wal").stat().st_size
                limit = (log_bytes, resource.RLIM_INFINITY)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)

        log = Log(fill_disk)
        unknown = await buy_until_unknown(buyers, log)
        code = await running.program.ended()

    assert code == 3
    assert set(unknown) == {grpc.StatusCode.UNAVAILABLE}
    async with town(tmp_path) as again:
        await again.connect_again(*(actor for buyer in buyers for actor in buyer.actors))
        assert await lost(buyers, log) == []
