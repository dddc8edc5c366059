"""Every action alone and together with others: all are done, or none leaves a trace."""

import itertools
from collections.abc import Iterable

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tests.world.actions import ADMIT, CHARGE_REST, READ_POINTS, burn, charge, earn, pay_bill
from tests.world.messages import euro
from tests.world.shop import Shop

BILL_BY_CARD = pay_bill("B-7", a.FUNDING_CARD)
SALE = (burn(200), CHARGE_REST, earn(12), ADMIT, BILL_BY_CARD, READ_POINTS)
SALE_TOTAL = euro(1_500)

IN_ITS_OWN_WAY_REFUSED = {
    "burn more than there is": (burn(301), a.REFUSAL_REASON_INSUFFICIENT_POINTS),
    "charge a declined amount": (charge(77_51), a.REFUSAL_REASON_INSUFFICIENT_FUNDS),
    "earn more than allowed": (earn(501), a.REFUSAL_REASON_POINTS_OVER_LIMIT),
    "admit to no event": (
        a.Action(admit=a.AdmitAction(event_id="opera", direction=a.ADMIT_DIRECTION_ENTRY)),
        a.REFUSAL_REASON_EVENT_NOT_FOUND,
    ),
    "pay no such bill": (pay_bill("B-0"), a.REFUSAL_REASON_BILL_NOT_FOUND),
}
"""For each kind of action one that is refused; points are read always."""

GRANTED = {
    "burn_points": burn(200),
    "charge": charge(500),
    "earn_points": earn(12),
    "admit": ADMIT,
    "pay_bill": pay_bill("B-7"),
    "read_points": READ_POINTS,
}


async def test_a_charge_is_told_with_card_and_approval_code(kept_shop: Shop) -> None:
    process = await kept_shop.scan(charge(420))

    instruction = process.actions[0].instruction.charge
    assert process.state == p.PROCESS_STATE_INSTRUCTED
    assert instruction.amount == euro(420)
    assert (instruction.card_brand, instruction.card_last_four) == ("VISA", "4242")
    assert len(instruction.authorisation_code) == 6


async def test_a_bill_is_told_with_its_amount_and_paid_on_completion(kept_shop: Shop) -> None:
    process = await kept_shop.scan(pay_bill())
    open_before = (await kept_shop.phone.wallet()).bills
    receipt = (await kept_shop.till.complete(process.process_id)).receipt

    instruction = process.actions[0].instruction.pay_bill
    assert instruction.bill_reference == "B-7"
    assert instruction.amount == euro(1_000)
    assert instruction.description == "water"
    assert len(open_before) == 1
    assert receipt.paid_at_terminal == euro(1_000)
    assert not (await kept_shop.phone.wallet()).bills


async def test_points_are_read_earned_and_burned(kept_shop: Shop) -> None:
    process = await kept_shop.scan(READ_POINTS, earn(12), burn(200))
    held = (await kept_shop.phone.wallet()).points_accounts[0]
    receipt = (await kept_shop.till.complete(process.process_id)).receipt

    read, earned, burned = (action.instruction for action in process.actions)
    assert (read.read_points.balance, read.read_points.available) == (300, 300)
    assert (earned.earn_points.points, earned.earn_points.balance_before) == (12, 300)
    assert burned.burn_points.value == euro(200)
    assert (held.balance, held.held) == (300, 200)
    assert [(each.points, each.balance_after) for each in receipt.postings] == [
        (12, 312),
        (-200, 112),
    ]
    assert await kept_shop.phone.points() == 112


async def test_a_ticket_admits_and_is_used_on_completion(kept_shop: Shop) -> None:
    process = await kept_shop.scan(ADMIT)
    unused = (await kept_shop.phone.wallet()).tickets[0]
    await kept_shop.till.complete(process.process_id)

    instruction = process.actions[0].instruction.admit
    assert (instruction.event_name, instruction.ticket_id) == ("Jazz night", "A-1")
    assert instruction.entries_left == 0
    assert unused.entries_used == 0
    assert (await kept_shop.phone.wallet()).tickets[0].entries_used == 1


@pytest.mark.parametrize("kinds", list(itertools.combinations(GRANTED, 2)), ids="+".join)
async def test_any_two_actions_go_together(shop: Shop, kinds: Iterable[str]) -> None:
    process = await shop.scan(*(GRANTED[kind] for kind in kinds))
    completed = (await shop.till.complete(process.process_id)).process

    assert [action.instruction.WhichOneof("kind") for action in process.actions] == list(kinds)
    assert completed.state == p.PROCESS_STATE_COMPLETED
    done = {a.SETTLEMENT_SETTLED, a.SETTLEMENT_CAPTURE_PENDING, a.SETTLEMENT_NONE}
    assert {action.settlement for action in completed.actions} <= done


async def test_all_six_actions_are_settled_by_one_scan(kept_shop: Shop) -> None:
    process = await kept_shop.scan(*SALE, sale_total=SALE_TOTAL)
    receipt = (await kept_shop.till.complete(process.process_id)).receipt
    await kept_shop.world.settle()

    wallet = await kept_shop.phone.wallet()
    settled = [
        action.settlement for action in (await kept_shop.till.get(process.process_id)).actions
    ]
    assert receipt.card_total == euro(1_500 + 1_000 - 200)
    assert settled == [a.SETTLEMENT_SETTLED] * 5 + [a.SETTLEMENT_NONE]
    assert not wallet.bills
    assert wallet.tickets[0].entries_used == 1
    assert wallet.points_accounts[0].balance == 112


@pytest.mark.parametrize("why", IN_ITS_OWN_WAY_REFUSED)
async def test_one_refused_action_leaves_all_others_undone(kept_shop: Shop, why: str) -> None:
    refused, reason = IN_ITS_OWN_WAY_REFUSED[why]
    kind = refused.WhichOneof("kind")
    asked = [*(action for name, action in GRANTED.items() if name != kind), refused]
    before = await kept_shop.belongings()

    process = await kept_shop.scan(*asked)
    await kept_shop.world.settle()

    assert process.state == p.PROCESS_STATE_DECLINED
    assert process.refusal.reason == reason
    assert [action.refusal.reason for action in process.actions] == [0] * 5 + [reason]
    assert not any(action.HasField("instruction") for action in process.actions)
    assert await kept_shop.belongings() == before
    ended = await kept_shop.till.get(process.process_id)
    held = {a.SETTLEMENT_HELD, a.SETTLEMENT_RELEASE_PENDING, a.SETTLEMENT_MANUAL}
    assert not held & {action.settlement for action in ended.actions}


async def test_every_refused_action_is_told_with_its_own_reason(shop: Shop) -> None:
    process = await shop.scan(burn(301), pay_bill("B-0"), earn(12))

    assert process.refusal.reason == a.REFUSAL_REASON_INSUFFICIENT_POINTS
    assert process.refusal.points_available == 300
    assert [action.refusal.reason for action in process.actions] == [
        a.REFUSAL_REASON_INSUFFICIENT_POINTS,
        a.REFUSAL_REASON_BILL_NOT_FOUND,
        0,
    ]


async def test_a_refused_process_has_used_its_code_up(shop: Shop) -> None:
    code = await shop.phone.issue()
    await shop.till.resolve(code, burn(301))

    again = shop.till.resolve_request(code, burn(1))

    assert await shop.till.reason("ResolveCode", again) == "CODE_ALREADY_CLAIMED"


async def test_points_may_pay_for_everything_and_then_no_card_is_needed(shop: Shop) -> None:
    ben = await shop.world.add_phone("ben")
    await shop.world.operator.add_points(ben, 250)

    process = await shop.till.resolve(
        await ben.issue(), burn(250), CHARGE_REST, sale_total=euro(250)
    )
    receipt = (await shop.till.complete(process.process_id)).receipt

    assert process.actions[1].instruction.charge.amount == euro(0)
    assert not process.actions[1].instruction.charge.card_last_four
    assert receipt.card_total == euro(0)
    assert await ben.points() == 0
