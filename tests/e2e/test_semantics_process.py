"""The real server: killed between commit and answer, and asked by 32 terminals at once."""

import asyncio
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import IssueCodeRequest
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL, CODE_PURPOSE_POINTS
from tallymark.v1.terminal_service_pb2 import CompleteProcessRequest
from tests.e2e.sales import POINTS, Buyer, open_stalls
from tests.e2e.served import Town, town
from tests.world.actions import burn
from tests.world.actor import Actor
from tests.world.messages import by_process, new_id

AT_ONCE_SECONDS = 5.0
"""A repetition is answered within a moment, not when a lock of a day has run out."""

TERMINALS = 32

SCANS_EACH = 10

WIDE = ("--address-rate", "10000", "10000", "--strangers-rate", "10000", "10000")

DIES_BEFORE_ANSWER = """
import os
import signal

from tallymark_server.main import main
from tallymark_server.storage.sqlite import SqliteStore

save, dies = SqliteStore.save, []
signal.signal(signal.SIGUSR1, lambda *_: dies.append(True))

async def save_and_die(self, *given):
    await save(self, *given)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)

SqliteStore.save = save_and_die
main()
"""
"""A server that dies, once it is told so, after its next commit and before anybody is answered."""


async def issue_request(_: Buyer) -> tuple[str, Any]:
    return "IssueCode", IssueCodeRequest(request_id=new_id(), purpose=CODE_PURPOSE_GENERAL)


async def resolve_request(buyer: Buyer) -> tuple[str, Any]:
    code = await buyer.phone.issue(CODE_PURPOSE_POINTS)
    return "ResolveCode", buyer.till.resolve_request(code, burn(10))


async def complete_request(buyer: Buyer) -> tuple[str, Any]:
    code = await buyer.phone.issue(CODE_PURPOSE_POINTS)
    process = await buyer.till.resolve(code, burn(10))
    reference = by_process(process.process_id)
    return "CompleteProcess", CompleteProcessRequest(request_id=new_id(), reference=reference)


async def test_what_a_server_had_done_when_it_died_is_answered_at_once_by_the_next(
    tmp_path: Path,
) -> None:
    """Elsewhere the dead worker's lock stayed, and the retry heard "conflict" for a day."""
    async with town(tmp_path, code=DIES_BEFORE_ANSWER) as running:
        (buyer,) = await open_stalls(running, 1)
        unanswered = await _die_in(running, buyer, issue_request)
    for prepare in (resolve_request, complete_request):
        async with town(tmp_path, code=DIES_BEFORE_ANSWER) as running:
            await running.connect_again(*buyer.actors)
            await _ask_again(buyer, *unanswered)
            unanswered = await _die_in(running, buyer, prepare)
    async with town(tmp_path) as last:
        await last.connect_again(*buyer.actors)
        await _ask_again(buyer, *unanswered)


async def _die_in(
    running: Town, buyer: Buyer, prepare: Callable[[Buyer], Awaitable[tuple[str, Any]]]
) -> tuple[str, Any]:
    """Let the server die after what it has done is durable, and before it answers."""
    rpc, request = await prepare(buyer)
    running.program.send(signal.SIGUSR1)
    heard = await _caller(buyer, rpc).reason(rpc, request)
    assert (heard, await running.program.ended()) == ("None", -signal.SIGKILL)
    return rpc, request


async def _ask_again(buyer: Buyer, rpc: str, request: Any) -> None:
    async with asyncio.timeout(AT_ONCE_SECONDS):
        answers = [await _caller(buyer, rpc).call(rpc, request) for _ in range(2)]
    assert answers[0] == answers[1]
    await _is_done_once(buyer, rpc, answers[0])


def _caller(buyer: Buyer, rpc: str) -> Actor:
    return buyer.phone if rpc == "IssueCode" else buyer.till


async def _is_done_once(buyer: Buyer, rpc: str, answer: Any) -> None:
    """Check that what was answered is so, and has happened once."""
    account = (await buyer.phone.wallet()).points_accounts[0]
    if rpc == "IssueCode":
        process = await buyer.till.resolve(answer.code, burn(10))
        assert process.state == p.PROCESS_STATE_INSTRUCTED
        await buyer.till.reverse(process.process_id)
    elif rpc == "ResolveCode":
        assert answer.process.state == p.PROCESS_STATE_INSTRUCTED
        assert (account.balance, account.held) == (POINTS, 10)
        await buyer.till.reverse(answer.process.process_id)
    else:
        assert answer.process.state == p.PROCESS_STATE_COMPLETED
        assert (account.balance, account.held) == (POINTS - 10, 0)


async def test_thirty_two_terminals_at_once_never_hear_of_a_locked_database(
    tmp_path: Path,
) -> None:
    """Elsewhere every worker had a connection of its own, and the losers of a lock were told so.

    Meanwhile somebody looks into the file all the time.
    """
    async with town(tmp_path, options=WIDE) as running:
        buyers = await open_stalls(running, TERMINALS)
        for buyer in buyers:
            await running.connect_again(*buyer.actors)
        scans = asyncio.gather(*(_scan_often(buyer) for buyer in buyers))
        looks = 0
        while not scans.done() or looks == 0:
            await asyncio.to_thread(_look_into, tmp_path / "data" / "tallymark.sqlite3")
            looks += 1
        told = await scans
        balances = [await buyer.phone.points() for buyer in buyers]
        output = running.program.output

    assert [word for words in told for word in words] == ["OK"] * (TERMINALS * SCANS_EACH)
    assert balances == [POINTS - SCANS_EACH] * TERMINALS
    assert "locked" not in output
    assert "failed" not in output


async def _scan_often(buyer: Buyer) -> list[str]:
    told = []
    for _ in range(SCANS_EACH):
        try:
            code = await buyer.phone.issue(CODE_PURPOSE_POINTS)
            process = await buyer.till.resolve(code, burn(1))
            await buyer.till.complete(process.process_id)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is no OK
            told.append(repr(error))
        else:
            told.append("OK")
    return told


def _look_into(database: Path) -> None:
    """Read the database as another program would, whatever that one is told."""
    opened = closing(sqlite3.connect(database, timeout=0))
    with suppress(sqlite3.OperationalError), opened as connection:
        connection.execute("SELECT count(*) FROM requests").fetchone()
