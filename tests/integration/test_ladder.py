"""The policy ladder over the wire: who is asked, what must be bound, and what the operator sets."""

from collections.abc import Mapping

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import operator_service_pb2 as o
from tallymark.v1 import process_pb2 as p
from tallymark_server.domain.model.journal import JournalEntry
from tests.world.actions import charge
from tests.world.calls import ROWS_MAX
from tests.world.shop import Shop
from tests.world.world import World

AWAITING = p.PROCESS_STATE_AWAITING_CUSTOMER
INSTRUCTED = p.PROCESS_STATE_INSTRUCTED


async def scan(shop: Shop, minor_units: int, tag: str = "") -> p.Process:
    """Scan and wait until it is decided, or the customer is asked."""
    code = await shop.phone.issue(terminal_tag=tag)
    process: p.Process = await shop.till.resolve(code, charge(minor_units), wait_milliseconds=1)
    if process.state == AWAITING:
        return process
    return await shop.wait_for(process.process_id, INSTRUCTED)


async def test_the_policy_is_told_with_all_its_numbers(in_memory: World) -> None:
    changes: Mapping[str, int] = {
        "bind_money_from": 0,
        "unconfirmed_count_max": 1,
        "unconfirmed_sum_max": 2,
        "new_terminal_days": 3,
        "new_terminal_count_max": 4,
        "new_terminal_sum_max": 5,
        "tag_life_seconds": 60,
    }
    before = (await in_memory.operator.call("GetPolicy", o.GetPolicyRequest())).policy
    assert not before.HasField("bind_money_from")
    assert (before.unconfirmed_count_max, before.unconfirmed_sum_max) == (10, 15_000)

    await in_memory.operator.set_policy(**changes)

    after = (await in_memory.operator.call("GetPolicy", o.GetPolicyRequest())).policy
    assert after.HasField("bind_money_from")
    assert {name: getattr(after, name) for name in changes} == changes


async def test_below_the_floor_the_customer_is_asked_when_the_day_is_full(kept_shop: Shop) -> None:
    await kept_shop.world.operator.set_policy(unconfirmed_count_max=2)
    unasked = [await scan(kept_shop, 100) for _ in range(2)]
    await kept_shop.till.reverse(unasked[0].process_id)

    asked = await scan(kept_shop, 100)
    confirmed = await kept_shop.phone.confirm(asked.process_id)

    assert [process.state for process in unasked] == [INSTRUCTED] * 2
    assert asked.state == AWAITING, "what was reversed goes on counting"
    assert confirmed.confirmed_by_customer


async def test_a_declined_card_costs_nobody_the_day(kept_shop: Shop) -> None:
    await kept_shop.world.operator.set_policy(unconfirmed_count_max=1)
    declined = await kept_shop.scan(charge(7_705))

    assert declined.refusal.reason != a.REFUSAL_REASON_UNSPECIFIED
    assert (await scan(kept_shop, 100)).state == INSTRUCTED


async def test_a_new_terminal_asks_when_its_own_day_is_full(kept_shop: Shop) -> None:
    await kept_shop.world.operator.set_policy(new_terminal_days=1, new_terminal_count_max=1)
    first = await scan(kept_shop, 100)
    second = await scan(kept_shop, 100)
    kept_shop.world.clock.move(seconds=24 * 3600)
    third = await scan(kept_shop, 100)

    assert [first.state, second.state, third.state] == [INSTRUCTED, AWAITING, INSTRUCTED]


@pytest.mark.parametrize("with_tag", [True, False])
async def test_from_an_amount_on_only_a_bound_code_pays(shop: Shop, *, with_tag: bool) -> None:
    await shop.world.operator.set_policy(bind_money_from=500)
    tag = await shop.till.tag() if with_tag else ""

    small = await scan(shop, 499, tag)
    code = await shop.phone.issue(terminal_tag=await shop.till.tag() if with_tag else "")
    large = await shop.till.resolve(code, charge(500))

    assert small.state == INSTRUCTED
    expected = INSTRUCTED if with_tag else p.PROCESS_STATE_DECLINED
    refused = a.REFUSAL_REASON_UNSPECIFIED if with_tag else a.REFUSAL_REASON_CODE_NOT_BOUND
    assert (large.state, large.refusal.reason) == (expected, refused)
    assert large.actions[0].refusal.reason == refused


async def test_the_journal_tells_which_terminal_froze_which_process(kept_shop: Shop) -> None:
    neighbour = await kept_shop.world.add_terminal("till-2")
    code = await kept_shop.phone.issue()
    process = await kept_shop.till.resolve(code, charge(500))
    for _ in range(3):  # only the first one freezes it
        shown = neighbour.resolve_request(code, charge(500))
        assert await neighbour.reason("ResolveCode", shown) == "CODE_ALREADY_CLAIMED"

    entries = await kept_shop.world.store.journal(0, after_sequence=0, limit=ROWS_MAX)
    froze = [entry.record.process_id for entry in entries if _is_freeze(entry, "till-2")]

    assert froze == [process.process_id]


def _is_freeze(entry: JournalEntry, terminal_id: str) -> bool:
    """Say whether the terminal showed a code that another one had claimed, and stopped the sale."""
    record = entry.record
    is_its = (record.command, record.caller) == ("ResolveCode", f"terminal/{terminal_id}")
    return is_its and "CODE_ALREADY_CLAIMED" in record.payload and bool(record.process_id)
