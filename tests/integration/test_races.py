"""Many terminals at once: one wins, every time, and whoever loses is told so."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tallymark_server.domain.model.processes import Code
from tallymark_server.domain.processes import resolve
from tests.integration.guarantees.stale_rows import plant_stale_rows
from tests.world.actions import ADMIT, READ_POINTS, burn
from tests.world.messages import by_process, by_request, new_id
from tests.world.shop import Shop
from tests.world.terminal import Terminal

TRIES = {2: 300, 8: 100}
CODES_AT_ONCE = 5
"""So that several unclaimed codes meet in one batch of the lane."""

OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


async def open_tills(shop: Shop, count: int) -> list[Terminal]:
    """Return terminals, each on a connection of its own."""
    tills = [await shop.world.add_terminal(f"desk-{number}") for number in range(count)]
    for till in tills:
        await shop.world.connect(till, OWN_CONNECTION)
    return tills


async def race(shop: Shop, tills: Sequence[Terminal], tries: int) -> Counter[tuple[int, str]]:
    """Let all tills claim each code at once, several codes at a time.

    Count how many won a code, and what the others heard.
    """
    devices = [await shop.world.add_device(shop.phone) for _ in range(CODES_AT_ONCE)]
    seen: Counter[tuple[int, str]] = Counter()
    for _ in range(tries // CODES_AT_ONCE):
        codes = await asyncio.gather(*(device.issue() for device in devices))
        calls = [
            till.reason("ResolveCode", till.resolve_request(code, READ_POINTS))
            for code in codes
            for till in tills
        ]
        answers = await asyncio.gather(*calls)
        for place in range(0, len(answers), len(tills)):
            heard = answers[place : place + len(tills)]
            losers = sorted({answer for answer in heard if answer != "OK"})
            seen[heard.count("OK"), " ".join(losers)] += 1
    return seen


@pytest.mark.parametrize("count", TRIES)
async def test_one_terminal_wins_a_code_and_the_others_hear_it(kept_shop: Shop, count: int) -> None:
    tills = await open_tills(kept_shop, count)

    seen = await race(kept_shop, tills, TRIES[count])

    print(f"{count} terminals, {TRIES[count]} codes: {dict(seen)}")  # noqa: T201 -- N is shown
    assert seen == {(1, "CODE_ALREADY_CLAIMED"): TRIES[count]}


async def test_the_race_finds_a_claim_that_is_not_written_down(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "_claim", lambda *_: None)
    tills = await open_tills(shop, 2)

    seen = await race(shop, tills, tries=5)

    assert max(winners for winners, _ in seen) > 1


@pytest.mark.parametrize("tallymark", ["sqlite"], indirect=True)
async def test_the_race_finds_a_batch_whose_commands_do_not_see_each_other(
    kept_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_stale_rows(Code, monkeypatch)
    tills = await open_tills(kept_shop, 8)

    seen = await race(kept_shop, tills, tries=30)

    assert max(winners for winners, _ in seen) > 1


async def test_no_ticket_admits_more_often_than_it_is_good_for(kept_shop: Shop) -> None:
    gates = await open_tills(kept_shop, 8)
    admitted: Counter[int] = Counter()
    for number in range(25):
        ben = await kept_shop.world.add_phone(f"ben{number}")
        await kept_shop.world.operator.add_ticket(ben, f"B-{number}", entries=3)
        devices = [ben, *[await kept_shop.world.add_device(ben) for _ in gates[1:]]]
        codes = [await device.issue() for device in devices]
        answers = await asyncio.gather(
            *(
                gate.resolve(code, ADMIT, complete_on_instruction=True)
                for gate, code in zip(gates, codes, strict=True)
            )
        )
        admitted[[answer.state for answer in answers].count(p.PROCESS_STATE_COMPLETED)] += 1

    assert admitted == {3: 25}


async def test_resolving_and_reversing_the_same_request_has_one_winner(kept_shop: Shop) -> None:
    before = await kept_shop.belongings()
    hasty, thoughtful = await open_tills(kept_shop, 2)
    thoughtful.identity = hasty.identity  # one terminal on two connections
    await kept_shop.world.connect(thoughtful, OWN_CONNECTION)
    seen: Counter[tuple[str, int, int]] = Counter()
    for number in range(200):
        code, request_id = await kept_shop.phone.issue(), new_id()
        resolve_request = hasty.resolve_request(code, burn(1), request_id=request_id)
        reverse_request = t.ReverseProcessRequest(
            request_id=new_id(), reference=by_request(code, request_id)
        )
        calls = [
            hasty.reason("ResolveCode", resolve_request),
            thoughtful.call("ReverseProcess", reverse_request),
        ]
        if number % 2:
            reversal, resolved = await asyncio.gather(*reversed(calls))
        else:
            resolved, reversal = await asyncio.gather(*calls)
        look_up = t.GetProcessRequest(reference=by_request(code, request_id))
        found = await hasty.call("GetProcess", look_up)
        seen[resolved, reversal.outcome, found.process.state] += 1

    print(f"resolve against reverse, 200 times: {dict(seen)}")  # noqa: T201 -- N is shown
    resolve_first = ("OK", t.REVERSAL_OUTCOME_RELEASED, p.PROCESS_STATE_RELEASED)
    reverse_first = ("REQUEST_REVERSED", t.REVERSAL_OUTCOME_NEVER_SEEN, 0)
    assert set(seen) == {resolve_first, reverse_first}
    assert await kept_shop.belongings() == before


async def test_completing_and_reversing_a_process_end_it_once(kept_shop: Shop) -> None:
    before = await kept_shop.phone.points()
    hasty, thoughtful = await open_tills(kept_shop, 2)
    thoughtful.identity = hasty.identity
    await kept_shop.world.connect(thoughtful, OWN_CONNECTION)
    seen: Counter[tuple[str, int]] = Counter()
    for _ in range(100):
        process = await hasty.resolve(await kept_shop.phone.issue(), burn(1))
        complete = t.CompleteProcessRequest(
            request_id=new_id(), reference=by_process(process.process_id)
        )
        completed, reversal = await asyncio.gather(
            hasty.reason("CompleteProcess", complete), thoughtful.reverse(process.process_id)
        )
        seen[completed, reversal.outcome] += 1

    assert set(seen) <= {
        ("OK", t.REVERSAL_OUTCOME_COMPENSATED),
        ("PROCESS_NOT_INSTRUCTED", t.REVERSAL_OUTCOME_RELEASED),
    }
    assert await kept_shop.phone.points() == before


async def test_processes_of_one_customer_never_spend_more_than_there_is(kept_shop: Shop) -> None:
    tills = await open_tills(kept_shop, 8)
    devices = [await kept_shop.world.add_device(kept_shop.phone) for _ in tills]

    async def spend(till: Terminal, number: int) -> int:
        process = await till.resolve(await devices[number].issue(), burn(70))
        if process.state == p.PROCESS_STATE_INSTRUCTED:
            await till.complete(process.process_id)
        return int(process.state)

    states = await asyncio.gather(*(spend(till, place) for place, till in enumerate(tills)))

    assert Counter(states) == {p.PROCESS_STATE_INSTRUCTED: 4, p.PROCESS_STATE_DECLINED: 4}
    assert await kept_shop.phone.points() == 300 - 4 * 70
