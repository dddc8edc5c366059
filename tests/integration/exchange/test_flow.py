"""Nothing grows without bound on a stream, in either direction, and nobody is starved by one."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark.v1.terminal_service_pb2 import ExchangeCommand
from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tallymark_server.keyring import Keyring
from tallymark_server.limits import EXCHANGE_STREAMS, FORGED_CODE_CALLS, UNSAFE_WIDE_FOR_TESTS, Rate
from tallymark_server.services import exchange
from tallymark_server.services.exchange import _Stream
from tallymark_server.services.turns import Turns
from tallymark_server.storage.memory import MemoryStore
from tests.doubles.mutant import Mutant, plant
from tests.integration.exchange.gate import Gate, turns
from tests.integration.exchange.line import opened, resolving
from tests.world.actions import earn
from tests.world.messages import by_process
from tests.world.serving import world
from tests.world.shop import Shop

BOUND = 5

READS_ON = Mutant(_Stream, "_read", "while self._unanswered >= UNANSWERED_MAX", "while False")
"""The server reads whatever is sent."""

NO_TURNS = Mutant(Turns, "take", "if not self._waiting and count <= self._free", "if True")
"""A stream may have as much at work as it likes."""


async def _read_while_nothing_is_committed(gate: Gate) -> int:
    stream = gate.stream()
    commands = await gate.scans(4 * BOUND)
    gate.may_save.clear()
    for command in commands:
        stream.send(command)
    stream.close()
    taking = asyncio.create_task(stream.rest())
    await turns()
    read = stream.taken
    gate.may_save.set()
    assert sorted(await taking) == list(range(len(commands)))
    return read


async def _read_while_nobody_takes_answers(gate: Gate) -> int:
    stream = gate.stream()
    commands = await gate.scans(4 * BOUND)
    for command in commands[:1]:
        stream.send(command)
    first = await anext(stream.responses)
    for command in commands[1:]:
        stream.send(command)
    stream.close()
    await turns()
    read = stream.taken
    rest = [*(answer.correlation for answer in first.answers), *await stream.rest()]
    assert sorted(rest) == list(range(len(commands)))
    return read


async def _commands_before_a_neighbour_s(gate: Gate) -> int:
    """Return how many commands of a flood are handed to the lane before another stream's only."""
    flood, neighbour = gate.stream(0), gate.stream(1)
    commands = await gate.scans(20)
    gate.may_save.clear()
    for first in range(0, 20, 2):
        flood.send(*commands[first : first + 2])
    taking = [asyncio.create_task(flood.rest())]
    await turns()
    neighbour.send(commands[0])
    taking.append(asyncio.create_task(neighbour.rest()))
    for stream in (flood, neighbour):
        stream.close()
    await turns()
    gate.may_save.set()
    await asyncio.gather(*taking)
    callers = [command.caller.caller_id for command in gate.at_work]
    return callers.index("till-2")


async def test_a_server_that_has_not_answered_reads_no_more(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "UNANSWERED_MAX", BOUND)

    assert await _read_while_nothing_is_committed(gate) == BOUND

    plant(READS_ON, monkeypatch)
    assert await _read_while_nothing_is_committed(gate) == 4 * BOUND


async def test_a_caller_that_takes_no_answers_is_read_no_more(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "UNANSWERED_MAX", BOUND)

    assert await _read_while_nobody_takes_answers(gate) == BOUND

    plant(READS_ON, monkeypatch)
    assert await _read_while_nobody_takes_answers(gate) == 4 * BOUND


async def test_a_stream_does_not_starve_another_one(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate.exchange, "_turns", Turns(4))

    assert await _commands_before_a_neighbour_s(gate) == 6, "at work, and one batch that waited"

    gate.at_work.clear()
    plant(NO_TURNS, monkeypatch)
    assert await _commands_before_a_neighbour_s(gate) == 20


async def test_streams_leave_the_lane_to_calls(gate: Gate) -> None:
    """However much is sent, two batches of the lane are at work, and a call waits for no more."""
    streams = [gate.stream(number % 2) for number in range(4)]
    scans = await gate.scans(200)
    gate.may_save.clear()
    for stream in streams:
        for _ in range(4):
            stream.send(*scans)
        stream.close()
    taking = [asyncio.create_task(stream.rest()) for stream in streams]
    await turns()
    at_work = len(gate.at_work)
    gate.may_save.set()
    await asyncio.gather(*taking)

    assert at_work == exchange.AT_WORK_MAX
    assert len(gate.at_work) == 4 * 4 * 200


async def test_who_closes_its_direction_gets_every_answer_and_a_good_end(shop: Shop) -> None:
    requests = [shop.till.resolve_request(await shop.phone.issue(), earn(1)) for _ in range(7)]

    async with opened(shop.till) as line:
        for command in resolving(requests):
            await line.send(command)
        answers = await line.end()

    assert sorted(answer.correlation for answer in answers) == list(range(7))


async def test_a_server_that_stops_answers_what_it_has_read(gate: Gate) -> None:
    stream = gate.stream()
    (scan,) = await gate.scans(1)
    gate.may_save.clear()
    stream.send(scan)
    answering = asyncio.ensure_future(anext(stream.responses))
    await turns()
    gate.exchange._feed.close()  # noqa: SLF001 -- as the server does when it is told to stop
    await turns()
    gate.may_save.set()

    assert [answer.correlation for answer in (await answering).answers] == [0]
    with pytest.raises(NotDone) as stopped:
        await anext(stream.responses)
    assert stopped.value.reason is Reason.SHUTTING_DOWN


async def test_answers_come_in_any_order(gate: Gate) -> None:
    """What waits for nothing overtakes what waits for the disk."""
    stream = gate.stream()
    scan, known = (await gate.scans(1))[0], (await gate.scans(1))[0]
    known.get_process.reference.resolve_request_id = known.resolve_code.request_id
    known.correlation = 7
    gate.may_save.clear()
    stream.send(scan)
    stream.send(known)
    first = await anext(stream.responses)
    gate.may_save.set()
    second = await anext(stream.responses)
    stream.close()

    assert [answer.correlation for answer in (*first.answers, *second.answers)] == [7, 0]
    assert await stream.rest() == []


async def test_a_terminal_has_a_few_streams_of_commands(shop: Shop) -> None:
    known = contract.GetProcessRequest(reference=by_process("00" + "f" * 32))
    look = ExchangeCommand(get_process=known)

    async with AsyncExitStack() as stack:
        for _ in range(UNSAFE_WIDE_FOR_TESTS.terminal_streams // EXCHANGE_STREAMS):
            line = await stack.enter_async_context(opened(shop.till))
            await line.ask(look)
        one_more = await stack.enter_async_context(opened(shop.till))
        assert await one_more.reason() == "RATE_LIMITED"


async def test_each_command_counts_as_a_call_and_a_forged_code_as_many(keyring: Keyring) -> None:
    limits = UNSAFE_WIDE_FOR_TESTS._replace(
        terminal=Rate(per_second=1, burst=FORGED_CODE_CALLS + 2)
    )
    async with world(MemoryStore(), keyring, limits=limits) as served:
        till = await served.add_terminal()
        nothing = till.resolve_request("TM1:NO CODE AT ALL", earn(1))
        async with opened(till) as line:
            answers = await line.ask(*resolving([nothing] * 6))

    reasons = [answer.failure.reason for answer in answers]
    assert reasons == ["CODE_MALFORMED"] + ["RATE_LIMITED"] * 5


async def test_streams_that_break_give_their_places_back(gate: Gate) -> None:
    """One that broke before its work had begun kept them for ever."""
    (scan,) = await gate.scans(1)
    for _ in range(exchange.AT_WORK_MAX):
        broken = gate.stream()
        broken.send(scan)
        waiting = asyncio.ensure_future(anext(broken.responses))
        await broken.is_read.wait()
        waiting.cancel()
        await asyncio.wait({waiting})
        await broken.responses.aclose()

    whole = gate.stream()
    whole.send(*[scan] * 200)
    whole.close()

    assert len(await whole.rest()) == 200
