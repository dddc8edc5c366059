"""Processes that the clock does not end: overdue, contested, disputed; and who settles them."""

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import DisputeProcessRequest
from tallymark.v1.operator_service_pb2 import (
    PROCESS_SETTLEMENT_EXECUTED,
    PROCESS_SETTLEMENT_NOT_EXECUTED,
    ProcessSettlement,
    SettleProcessRequest,
)
from tallymark.v1.terminal_service_pb2 import CompleteProcessRequest
from tests.world.actions import ADMIT, burn, charge
from tests.world.messages import by_process, new_id
from tests.world.shop import Shop
from tests.world.terminal import Terminal

A_MONTH = 30 * 24 * 3_600
SLOW = 77_68


@pytest.fixture
async def neighbour(shop: Shop) -> Terminal:
    return await shop.world.add_terminal("till-2")


async def show_again(terminal: Terminal, code: str) -> str:
    request = terminal.resolve_request(code, burn(1), wait_milliseconds=1)
    return await terminal.reason("ResolveCode", request)


async def contested_sale(shop: Shop, neighbour: Terminal) -> p.Process:
    """Charge at the till, then show the same code next door."""
    code = await shop.phone.issue()
    process: p.Process = await shop.till.resolve(code, charge(500), burn(100))
    assert await show_again(neighbour, code) == "CODE_ALREADY_CLAIMED"
    return process


async def dispute(shop: Shop, process: p.Process) -> p.Process:
    request = DisputeProcessRequest(
        request_id=new_id(), process_id=process.process_id, statement="That was not me."
    )
    disputed: p.Process = (await shop.phone.call("DisputeProcess", request)).process
    return disputed


async def settle(
    shop: Shop, process: p.Process, settlement: ProcessSettlement.ValueType
) -> p.Process:
    request = SettleProcessRequest(
        process_id=process.process_id,
        settlement=settlement,
        note="The till's journal says so.",
    )
    settled: p.Process = (await shop.world.operator.call("SettleProcess", request)).process
    return settled


async def test_an_unreported_process_becomes_overdue_and_the_clock_never_releases_it(
    kept_shop: Shop,
) -> None:
    process = await kept_shop.scan(charge(500), burn(100), ADMIT)
    held = await kept_shop.belongings()
    await kept_shop.world.pass_time(seconds=59.999)
    on_time = await kept_shop.till.get(process.process_id)
    await kept_shop.world.pass_time(seconds=0.001)
    overdue = await kept_shop.till.get(process.process_id)
    await kept_shop.world.pass_time(seconds=A_MONTH)

    assert on_time.state == p.PROCESS_STATE_INSTRUCTED
    assert overdue.state == p.PROCESS_STATE_OVERDUE
    assert await kept_shop.till.get(process.process_id) == overdue
    assert await kept_shop.belongings() == held
    assert overdue.actions[0].HasField("instruction")
    assert [each.process_id for each in await kept_shop.unresolved()] == [process.process_id]


async def test_an_overdue_process_is_completed_late(kept_shop: Shop) -> None:
    process = await kept_shop.scan(charge(500), burn(100))
    await kept_shop.world.pass_time(seconds=3_600)

    completed = await kept_shop.till.complete(process.process_id)
    await kept_shop.world.settle()

    assert completed.process.state == p.PROCESS_STATE_COMPLETED
    assert await kept_shop.phone.points() == 200
    assert await kept_shop.unresolved() == []


async def test_an_overdue_process_is_given_up_late(shop: Shop) -> None:
    before = await shop.belongings()
    process = await shop.scan(charge(500), burn(100), ADMIT)
    await shop.world.pass_time(seconds=3_600)

    await shop.till.reverse(process.process_id)

    assert (await shop.till.get(process.process_id)).state == p.PROCESS_STATE_RELEASED
    assert await shop.belongings() == before


@pytest.mark.parametrize(
    ("settlement", "state", "points"),
    [
        (PROCESS_SETTLEMENT_EXECUTED, p.PROCESS_STATE_COMPLETED, 200),
        (PROCESS_SETTLEMENT_NOT_EXECUTED, p.PROCESS_STATE_RELEASED, 300),
    ],
    ids=["executed", "not executed"],
)
async def test_the_operator_settles_an_overdue_process(
    kept_shop: Shop, settlement: ProcessSettlement.ValueType, state: int, points: int
) -> None:
    process = await kept_shop.scan(charge(500), burn(100))
    await kept_shop.world.pass_time(seconds=60)

    settled = await settle(kept_shop, process, settlement)
    again = await settle(kept_shop, process, settlement)

    assert (settled.state, again.state) == (state, state)
    assert await kept_shop.phone.points() == points
    assert await kept_shop.unresolved() == []


async def test_the_operator_settles_nothing_that_is_under_way(shop: Shop) -> None:
    process = await shop.scan(burn(100))
    request = SettleProcessRequest(
        process_id=process.process_id, settlement=PROCESS_SETTLEMENT_EXECUTED, note="?"
    )

    assert await shop.world.operator.reason("SettleProcess", request) == "PROCESS_NOT_UNRESOLVED"


async def test_a_second_terminal_freezes_unconfirmed_money(shop: Shop, neighbour: Terminal) -> None:
    process = await contested_sale(shop, neighbour)
    frozen = await shop.till.get(process.process_id)
    complete = CompleteProcessRequest(request_id=new_id(), reference=by_process(process.process_id))
    refused = await shop.till.reason("CompleteProcess", complete)
    await shop.world.pass_time(seconds=A_MONTH)

    assert frozen.state == p.PROCESS_STATE_CONTESTED
    assert refused == "PROCESS_CONTESTED"
    assert (await shop.till.get(process.process_id)).state == p.PROCESS_STATE_CONTESTED
    assert [each.process_id for each in await shop.unresolved()] == [process.process_id]


async def test_the_customers_yes_thaws_it_with_a_new_time_to_execute(
    shop: Shop, neighbour: Terminal
) -> None:
    process = await contested_sale(shop, neighbour)
    await shop.world.pass_time(seconds=90)

    thawed = await shop.phone.confirm(process.process_id)
    completed = await shop.till.complete(process.process_id)

    assert thawed.state == p.PROCESS_STATE_INSTRUCTED
    assert thawed.execute_by.seconds == process.execute_by.seconds + 90
    assert completed.receipt.confirmed_by_customer


async def test_the_customers_no_releases_it(shop: Shop, neighbour: Terminal) -> None:
    before = await shop.belongings()
    process = await contested_sale(shop, neighbour)

    released = await shop.phone.confirm(process.process_id, approve=False)
    await shop.world.settle()

    ended = await shop.till.get(process.process_id)
    assert released.state == p.PROCESS_STATE_RELEASED
    assert released.refusal.reason == a.REFUSAL_REASON_CUSTOMER_DECLINED
    assert ended.actions[0].settlement == a.SETTLEMENT_RELEASED
    assert await shop.belongings() == before


async def test_a_code_shown_elsewhere_while_authorising_is_contested_when_approved(
    shop: Shop, neighbour: Terminal
) -> None:
    code = await shop.phone.issue()
    process = await shop.till.resolve(code, charge(SLOW), wait_milliseconds=1)
    await shop.world.institution_clock.somebody_waits.wait()
    await show_again(neighbour, code)
    shop.world.institution_clock.advance(8)

    contested = await shop.wait_for(process.process_id, p.PROCESS_STATE_CONTESTED)

    assert not contested.actions[0].HasField("instruction")
    assert (await shop.phone.confirm(process.process_id)).state == p.PROCESS_STATE_INSTRUCTED


async def test_the_same_terminal_may_scan_twice_without_harm(shop: Shop) -> None:
    code = await shop.phone.issue()
    process = await shop.till.resolve(code, charge(500))

    assert await show_again(shop.till, code) == "CODE_ALREADY_CLAIMED"
    assert (await shop.till.get(process.process_id)).state == p.PROCESS_STATE_INSTRUCTED


@pytest.mark.parametrize("is_confirmed", [True, False], ids=["confirmed", "without money"])
async def test_what_was_confirmed_or_moves_no_money_is_not_frozen(
    shop: Shop, neighbour: Terminal, *, is_confirmed: bool
) -> None:
    await shop.world.operator.set_policy(confirm_money_from=0)
    code = await shop.phone.issue()
    action = charge(500) if is_confirmed else burn(100)
    process = await shop.till.resolve(code, action, wait_milliseconds=1)
    if is_confirmed:
        await shop.phone.confirm(process.process_id)
        await shop.wait_for(process.process_id, p.PROCESS_STATE_INSTRUCTED)

    await show_again(neighbour, code)

    assert (await shop.till.get(process.process_id)).state == p.PROCESS_STATE_INSTRUCTED


async def test_a_disputed_instruction_is_frozen(shop: Shop) -> None:
    process = await shop.scan(burn(100))

    disputed = await dispute(shop, process)

    assert disputed.state == p.PROCESS_STATE_CONTESTED
    assert disputed.disputed
    assert (await settle(shop, process, PROCESS_SETTLEMENT_NOT_EXECUTED)).state == 8
    assert await shop.unresolved() == []


async def test_a_disputed_question_is_a_no(shop: Shop) -> None:
    await shop.world.operator.set_policy(confirm_points_from=0)
    process = await shop.scan(burn(100), wait_milliseconds=1)

    disputed = await dispute(shop, process)

    assert disputed.state == p.PROCESS_STATE_DECLINED
    assert (await shop.phone.wallet()).points_accounts[0].held == 0


async def test_a_disputed_receipt_stays_and_is_marked_for_the_operator(shop: Shop) -> None:
    process = await shop.scan(burn(100))
    await shop.till.complete(process.process_id)

    disputed = await dispute(shop, process)

    assert disputed.state == p.PROCESS_STATE_COMPLETED
    assert [each.process_id for each in await shop.unresolved()] == [process.process_id]


@pytest.mark.parametrize(
    "settlement", [PROCESS_SETTLEMENT_EXECUTED, PROCESS_SETTLEMENT_NOT_EXECUTED]
)
async def test_the_operator_closes_a_dispute_of_a_completed_sale(
    shop: Shop, settlement: ProcessSettlement.ValueType
) -> None:
    process = await shop.scan(charge(500))
    await shop.till.complete(process.process_id)
    await dispute(shop, process)

    settled = await settle(shop, process, settlement)
    again = await settle(shop, process, settlement)

    assert (settled.state, settled.disputed) == (p.PROCESS_STATE_COMPLETED, False)
    assert again.state == settled.state, "the same settlement again changes nothing"
    assert await shop.unresolved() == []


async def test_the_operator_closes_a_settlement_that_no_retry_could_close(shop: Shop) -> None:
    process = await shop.scan(charge(77_71))
    await shop.till.complete(process.process_id)
    await shop.world.settle()

    waiting = [one.process_id for one in await shop.unresolved()]
    settled = await settle(shop, process, PROCESS_SETTLEMENT_EXECUTED)

    assert waiting == [process.process_id]
    assert settled.actions[0].settlement == a.SETTLEMENT_SETTLED
    assert await shop.unresolved() == []


async def test_a_late_no_to_a_disputed_sale_leaves_it_to_the_operator(shop: Shop) -> None:
    process = await shop.scan(charge(500))
    await shop.world.pass_time(seconds=61)
    await dispute(shop, process)

    answered = await shop.phone.confirm(process.process_id, approve=False)

    assert answered.state == p.PROCESS_STATE_CONTESTED, "goods may be gone"
    assert [one.process_id for one in await shop.unresolved()] == [process.process_id]


async def test_what_ended_without_doing_anything_cannot_be_disputed(shop: Shop) -> None:
    process = await shop.scan(charge(77_51))

    disputed = await dispute(shop, process)

    assert (disputed.state, disputed.disputed) == (p.PROCESS_STATE_DECLINED, False)
    assert await shop.unresolved() == []
