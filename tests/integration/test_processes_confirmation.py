"""The customer is asked on the phone when the policy wants it, and only a timely yes goes on."""

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1.action_pb2 import Action
from tallymark.v1.customer_service_pb2 import DisputeProcessRequest
from tests.world.actions import ADMIT, READ_POINTS, burn, charge, earn, pay_bill
from tests.world.messages import euro, new_id
from tests.world.shop import Shop


@pytest.fixture(autouse=True)
async def floors(shop: Shop) -> None:
    """Ask from 50 EUR and from 200 points."""
    await shop.world.operator.set_policy(confirm_money_from=5_000, confirm_points_from=200)


async def ask(shop: Shop, *actions: Action) -> p.Process:
    """Scan without waiting for the customer's answer."""
    return await shop.scan(*actions, wait_milliseconds=1)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (charge(4_999), p.PROCESS_STATE_INSTRUCTED),
        (charge(5_000), p.PROCESS_STATE_AWAITING_CUSTOMER),
        (burn(199), p.PROCESS_STATE_INSTRUCTED),
        (burn(200), p.PROCESS_STATE_AWAITING_CUSTOMER),
        (ADMIT, p.PROCESS_STATE_INSTRUCTED),
        (pay_bill("B-7"), p.PROCESS_STATE_INSTRUCTED),
    ],
    ids=["below 50 EUR", "50 EUR", "below 200 points", "200 points", "admission", "bill in cash"],
)
async def test_the_floor_decides_who_is_asked(
    shop: Shop, action: Action, state: p.ProcessState.ValueType
) -> None:
    process = await shop.scan(
        action, wait_milliseconds=5_000 if state == p.PROCESS_STATE_INSTRUCTED else 1
    )

    assert process.state == state


async def test_the_policy_may_want_every_admission_confirmed(shop: Shop) -> None:
    await shop.world.operator.set_policy(confirm_admission=True)

    process = await ask(shop, ADMIT)
    confirmed = await shop.phone.confirm(process.process_id)

    assert process.state == p.PROCESS_STATE_AWAITING_CUSTOMER
    assert process.policy_version == confirmed.policy_version == 4
    assert confirmed.state == p.PROCESS_STATE_INSTRUCTED


async def test_the_customer_sees_the_amounts_and_the_terminal_no_instruction(shop: Shop) -> None:
    asked = await ask(shop, charge(5_000), earn(12))
    shown = (await shop.phone.processes())[0]

    assert shown.actions[0].instruction.charge.amount == euro(5_000)
    assert shown.actions[0].instruction.charge.card_last_four == "4242"
    assert shown.merchant_name == "Cafe"
    assert shown.terminal_id == "till-1"
    assert not any(action.HasField("instruction") for action in asked.actions)
    assert not shown.customer_reference
    assert asked.confirm_by.seconds - asked.created_at.seconds == 45


async def test_nothing_is_authorised_before_the_customer_said_yes(shop: Shop) -> None:
    process = await ask(shop, charge(5_000))
    await shop.world.settle()
    before = await shop.world.institution.find(f"{process.process_id}-0", deadline_seconds=10)
    await shop.phone.confirm(process.process_id)
    instructed = await shop.wait_for(process.process_id, p.PROCESS_STATE_INSTRUCTED)

    assert before.state == "NEVER_SEEN"
    assert instructed.confirmed_by_customer
    assert (await shop.till.complete(process.process_id)).receipt.confirmed_by_customer


async def test_a_no_releases_everything(shop: Shop) -> None:
    before = await shop.belongings()
    process = await ask(shop, charge(5_000), burn(100), ADMIT, pay_bill("B-7"))
    held = await shop.belongings()

    declined = await shop.phone.confirm(process.process_id, approve=False)

    assert declined.state == p.PROCESS_STATE_DECLINED
    assert declined.refusal.reason == a.REFUSAL_REASON_CUSTOMER_DECLINED
    assert held != before
    assert await shop.belongings() == before


async def test_silence_expires_the_process_and_a_late_answer_is_refused(shop: Shop) -> None:
    before = await shop.belongings()
    process = await ask(shop, charge(5_000), burn(100), ADMIT)
    late = await shop.phone.confirm_request(process.process_id)
    await shop.world.pass_time(seconds=44.999)
    waiting = await shop.till.get(process.process_id)
    await shop.world.pass_time(seconds=0.001)

    ended = await shop.till.get(process.process_id)
    assert waiting.state == p.PROCESS_STATE_AWAITING_CUSTOMER
    assert ended.state == p.PROCESS_STATE_EXPIRED
    assert ended.refusal.reason == a.REFUSAL_REASON_CUSTOMER_SILENT
    assert await shop.phone.reason("ConfirmProcess", late) == "PROCESS_NOT_AWAITING"
    assert await shop.belongings() == before


async def test_a_late_answer_is_refused_even_before_the_server_noticed_the_time(
    shop: Shop,
) -> None:
    process = await ask(shop, charge(5_000))
    late = await shop.phone.confirm_request(process.process_id)
    shop.world.clock.move(seconds=45)

    assert await shop.phone.reason("ConfirmProcess", late) == "PROCESS_NOT_AWAITING"


async def test_only_the_first_answer_counts(shop: Shop) -> None:
    process = await ask(shop, burn(200))
    other = await shop.phone.confirm_request(process.process_id, approve=False)
    await shop.phone.confirm(process.process_id)

    assert await shop.phone.reason("ConfirmProcess", other) == "PROCESS_NOT_AWAITING"
    assert (await shop.till.get(process.process_id)).state == p.PROCESS_STATE_INSTRUCTED


async def test_nobody_answers_for_somebody_else(shop: Shop) -> None:
    process = await ask(shop, burn(200))
    ben = await shop.world.add_phone("ben")
    answer = await shop.phone.confirm_request(process.process_id)
    dispute = DisputeProcessRequest(request_id=new_id(), process_id=process.process_id)

    assert await ben.reason("ConfirmProcess", answer) == "PROCESS_NOT_FOUND"
    assert await ben.reason("DisputeProcess", dispute) == "PROCESS_NOT_FOUND"
    assert (await shop.till.get(process.process_id)).state == p.PROCESS_STATE_AWAITING_CUSTOMER


async def test_the_terminal_may_give_up_while_the_customer_thinks(shop: Shop) -> None:
    before = await shop.belongings()
    process = await ask(shop, burn(200))

    released = (await shop.till.reverse(process.process_id)).process

    assert released.state == p.PROCESS_STATE_RELEASED
    assert released.refusal.reason == a.REFUSAL_REASON_RELEASED_BY_TERMINAL
    assert await shop.belongings() == before


async def test_a_gate_process_completes_by_the_customers_yes(shop: Shop) -> None:
    process = await shop.scan(
        burn(200), READ_POINTS, complete_on_instruction=True, wait_milliseconds=1
    )

    confirmed = await shop.phone.confirm(process.process_id)

    assert confirmed.state == p.PROCESS_STATE_COMPLETED
    assert await shop.phone.points() == 100
