"""One scan settles everything: each kind of action alone, and combined."""

from tallymark.v1 import action_pb2 as a
from tests.world.actions import (
    ADMIT,
    CHARGE_REST,
    burn,
    charge,
    earn,
    pay_bill,
)
from tests.world.messages import euro
from tests.world.world import World

COMPLETED, INSTRUCTED, DECLINED = 6, 3, 7


async def test_a_charge_is_authorised_then_captured(tallymark: World) -> None:
    phone = await tallymark.add_phone()
    await phone.add_card()
    till = await tallymark.add_terminal()

    process = await till.resolve(await phone.issue(), charge(420))
    completed = await till.complete(process.process_id)
    await tallymark.settle()

    assert process.state == INSTRUCTED
    assert process.actions[0].instruction.charge.amount == euro(420)
    assert process.actions[0].instruction.charge.card_last_four == "4242"
    assert completed.process.state == COMPLETED
    assert (await till.get(process.process_id)).actions[0].settlement == a.SETTLEMENT_SETTLED


async def test_burn_charge_the_rest_earn_and_admit_in_one_scan(tallymark: World) -> None:
    phone = await tallymark.add_phone()
    await phone.add_card()
    await tallymark.operator.add_points(phone, 300)
    await tallymark.operator.add_ticket(phone, "A-1")
    await tallymark.operator.add_bill(phone, "B-7", 1_000)
    till = await tallymark.add_terminal()

    process = await till.resolve(
        await phone.issue(),
        burn(200),
        CHARGE_REST,
        earn(12),
        ADMIT,
        pay_bill("B-7", a.FUNDING_CARD),
        sale_total=euro(1_500),
    )
    receipt = (await till.complete(process.process_id)).receipt

    assert process.state == INSTRUCTED
    assert receipt.card_total == euro(1_500 + 1_000 - 200)
    assert [posting.points for posting in receipt.postings] == [-200, 12]
    assert await phone.points() == 112
