"""A gate asks in one call; whoever is refused learns why, and when the ticket was first used."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1 import registration_pb2 as r
from tallymark.v1.action_pb2 import Action
from tallymark.v1.operator_service_pb2 import CreateEventRequest
from tests.world.actions import ADMIT, EXIT, READ_POINTS, burn, charge, pay_bill
from tests.world.clock import START
from tests.world.shop import Shop
from tests.world.terminal import Terminal

NOW = START // 1_000


@pytest.fixture
async def gate(shop: Shop) -> Terminal:
    return await shop.world.add_terminal("gate-north")


async def pass_gate(shop: Shop, gate: Terminal, action: Action = ADMIT) -> p.Process:
    process: p.Process = await gate.resolve(
        await shop.phone.issue(), action, complete_on_instruction=True
    )
    return process


def at_event(
    event_id: str, direction: a.AdmitDirection.ValueType = a.ADMIT_DIRECTION_ENTRY
) -> Action:
    return Action(admit=a.AdmitAction(event_id=event_id, direction=direction))


async def add_event(shop: Shop, rule: r.ReentryRule.ValueType, entries: int) -> None:
    """Add the event "fair" with a ticket for it."""
    event = r.Event(event_id="fair", merchant_id="cafe", name="Fair", reentry_rule=rule)
    await shop.world.operator.call("CreateEvent", CreateEventRequest(event=event))
    await shop.world.operator.add_ticket(shop.phone, "F-1", event_id="fair", entries=entries)


async def test_one_call_admits_and_uses_the_ticket(kept_shop: Shop) -> None:
    process = await kept_shop.scan(ADMIT, complete_on_instruction=True)

    assert process.state == p.PROCESS_STATE_COMPLETED
    assert process.actions[0].instruction.admit.ticket_id == "A-1"
    assert process.actions[0].settlement == a.SETTLEMENT_SETTLED
    assert (await kept_shop.phone.wallet()).tickets[0].entries_used == 1


async def test_one_call_moves_points_as_well(shop: Shop, gate: Terminal) -> None:
    process = await gate.resolve(
        await shop.phone.issue(), burn(10), READ_POINTS, ADMIT, complete_on_instruction=True
    )

    assert process.state == p.PROCESS_STATE_COMPLETED
    assert await shop.phone.points() == 290


@pytest.mark.parametrize("action", [charge(1), pay_bill("B-7")], ids=["charge", "pay bill"])
async def test_one_call_is_not_for_money(shop: Shop, action: Action) -> None:
    request = shop.till.resolve_request(
        await shop.phone.issue(), action, complete_on_instruction=True
    )

    assert await shop.till.reason("ResolveCode", request) == "REQUEST_INVALID"


async def test_the_refusal_tells_the_first_use_with_time_and_gate(
    kept_shop: Shop,
) -> None:
    north = await kept_shop.world.add_terminal("gate-north")
    south = await kept_shop.world.add_terminal("gate-south")
    await pass_gate(kept_shop, north)
    kept_shop.world.clock.move(seconds=754.5)

    refused = await pass_gate(kept_shop, south)

    first_use = refused.refusal.first_use
    assert refused.state == p.PROCESS_STATE_DECLINED
    assert refused.refusal.reason == a.REFUSAL_REASON_ALREADY_ADMITTED
    assert first_use.terminal_id == "gate-north"
    assert first_use.used_at == Timestamp(seconds=NOW)
    assert first_use.direction == a.ADMIT_DIRECTION_ENTRY


async def test_a_ticket_for_three_entries_admits_three_times(shop: Shop, gate: Terminal) -> None:
    await add_event(shop, r.REENTRY_RULE_EACH_ENTRY_COUNTS, entries=3)

    passes = [await pass_gate(shop, gate, at_event("fair")) for _ in range(4)]

    left = [each.actions[0].instruction.admit.entries_left for each in passes[:3]]
    assert left == [2, 1, 0]
    assert passes[3].refusal.reason == a.REFUSAL_REASON_ALREADY_ADMITTED


async def test_an_exit_must_lie_between_two_entries_if_the_event_wants_it(
    shop: Shop, gate: Terminal
) -> None:
    await add_event(shop, r.REENTRY_RULE_EXIT_BETWEEN, entries=2)
    exit_ = at_event("fair", a.ADMIT_DIRECTION_EXIT)

    too_early = await pass_gate(shop, gate, exit_)
    await pass_gate(shop, gate, at_event("fair"))
    inside = await pass_gate(shop, gate, at_event("fair"))
    out = await pass_gate(shop, gate, exit_)
    again = await pass_gate(shop, gate, at_event("fair"))

    assert too_early.refusal.reason == a.REFUSAL_REASON_NOT_INSIDE
    assert inside.refusal.reason == a.REFUSAL_REASON_STILL_INSIDE
    assert inside.refusal.first_use.terminal_id == "gate-north"
    assert out.state == again.state == p.PROCESS_STATE_COMPLETED


async def test_coming_back_after_an_exit_is_free_if_the_event_says_so(
    shop: Shop, gate: Terminal
) -> None:
    await add_event(shop, r.REENTRY_RULE_FREE_AFTER_EXIT, entries=1)
    exit_ = at_event("fair", a.ADMIT_DIRECTION_EXIT)

    for _ in range(3):
        entered = await pass_gate(shop, gate, at_event("fair"))
        refused = await pass_gate(shop, gate, at_event("fair"))
        assert entered.actions[0].instruction.admit.entries_left == 0
        assert refused.refusal.reason == a.REFUSAL_REASON_ALREADY_ADMITTED
        assert (await pass_gate(shop, gate, exit_)).state == p.PROCESS_STATE_COMPLETED


async def test_a_ticket_admits_from_its_first_to_its_last_moment(
    shop: Shop, gate: Terminal
) -> None:
    window = {"valid_from": Timestamp(seconds=NOW + 10), "valid_until": Timestamp(seconds=NOW + 20)}
    event = r.Event(
        event_id="fair",
        merchant_id="cafe",
        name="Fair",
        reentry_rule=r.REENTRY_RULE_EACH_ENTRY_COUNTS,
    )
    await shop.world.operator.call("CreateEvent", CreateEventRequest(event=event))
    await shop.world.operator.add_ticket(shop.phone, "F-1", event_id="fair", entries=9, **window)
    answers = []
    for moment in (9.999, 10, 19.999, 20):
        shop.world.clock.milliseconds = START + round(moment * 1_000)
        answers.append(await pass_gate(shop, gate, at_event("fair")))

    assert [answer.state for answer in answers] == [7, 6, 6, 7]
    assert answers[0].refusal.reason == a.REFUSAL_REASON_TICKET_NOT_YET_VALID
    assert answers[0].refusal.valid_from == window["valid_from"]
    assert answers[3].refusal.reason == a.REFUSAL_REASON_TICKET_NO_LONGER_VALID
    assert answers[3].refusal.valid_until == window["valid_until"]


async def test_a_ticket_held_by_one_process_is_not_for_another(shop: Shop) -> None:
    await shop.scan(ADMIT)

    assert (await shop.scan(ADMIT)).refusal.reason == a.REFUSAL_REASON_TICKET_IN_USE


async def test_the_second_ticket_admits_when_the_first_is_used(shop: Shop, gate: Terminal) -> None:
    await shop.world.operator.add_ticket(shop.phone, "A-2")

    passes = [await pass_gate(shop, gate) for _ in range(3)]

    used = [each.actions[0].instruction.admit.ticket_id for each in passes]
    assert used == ["A-1", "A-2", ""]


async def test_a_gate_of_another_merchant_admits_nobody(shop: Shop) -> None:
    elsewhere = await shop.world.add_terminal("hall-1", merchant_id="hall")

    refused = await pass_gate(shop, elsewhere)

    assert refused.refusal.reason == a.REFUSAL_REASON_EVENT_NOT_FOUND


async def test_without_a_ticket_nobody_enters_and_nobody_leaves(shop: Shop, gate: Terminal) -> None:
    ben = await shop.world.add_phone("ben")

    for action in (ADMIT, EXIT):
        refused = await gate.resolve(await ben.issue(), action)
        assert refused.refusal.reason == a.REFUSAL_REASON_NO_TICKET
