"""A confirmed process's receipt carries the customer's signed yes, which proves itself."""

import pytest

from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import (
    DisputeProcessRequest,
    GetReceiptRequest,
    GetReceiptResponse,
)
from tallymark.v1.operator_service_pb2 import PROCESS_SETTLEMENT_EXECUTED, SettleProcessRequest
from tallymark.v1.terminal_service_pb2 import GetProcessRequest
from tallymark_protocol.confirmation import ActionKind, Decision, read_confirmation
from tallymark_protocol.device_key import DevicePublicKey, KeyAlgorithm
from tests.world.actions import ADMIT, burn, charge, earn
from tests.world.clock import START
from tests.world.messages import by_process, new_id
from tests.world.phone import Phone
from tests.world.shop import Shop


async def confirmed(shop: Shop, phone: Phone) -> p.Receipt:
    """Sell something that the customer confirms on this phone, and return the till's receipt."""
    await shop.world.operator.set_policy(confirm_money_from=5_000)
    process = await shop.scan(charge(5_000), burn(20), earn(3), ADMIT, wait_milliseconds=1)
    await phone.confirm(process.process_id)
    await shop.wait_for(process.process_id, p.PROCESS_STATE_INSTRUCTED)
    receipt: p.Receipt = (await shop.till.complete(process.process_id)).receipt
    return receipt


async def receipt_of(phone: Phone, process_id: str) -> p.Receipt:
    answer: GetReceiptResponse
    answer = await phone.call("GetReceipt", GetReceiptRequest(process_id=process_id))
    return answer.receipt


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
async def test_the_receipt_of_both_sides_carries_a_yes_that_anybody_can_check(
    kept_shop: Shop, algorithm: KeyAlgorithm
) -> None:
    phone = await kept_shop.world.add_device(kept_shop.phone, algorithm)

    receipt = await confirmed(kept_shop, phone)

    kept = receipt.confirmation
    assert kept == (await receipt_of(kept_shop.phone, receipt.receipt_number)).confirmation
    key = DevicePublicKey.parse(kept.device_key.algorithm, kept.device_key.key_bytes)
    assert key.algorithm is algorithm
    assert key == phone.device_key.public()
    assert key.verify(kept.statement, kept.signature)
    assert kept.device_id == phone.device_id
    assert kept.confirmed_at.ToMilliseconds() == START

    said = read_confirmation(kept.statement)
    assert said.authorises
    assert said.process_id == receipt.receipt_number
    assert (said.merchant_id, said.terminal_id) == ("cafe", "till-1")
    assert said.card_total is not None
    assert said.card_total.minor_units == receipt.card_total.minor_units == 5_000
    assert {action.kind: action.points for action in said.actions if action.points} == {
        ActionKind.BURN_POINTS: 20,
        ActionKind.EARN_POINTS: 3,
    }


async def test_the_merchant_learns_nothing_of_the_customer_from_the_yes(shop: Shop) -> None:
    receipt = await confirmed(shop, shop.phone)

    shown = receipt.SerializeToString()
    for secret in (shop.phone.customer_id, shop.phone.login_name, shop.phone.secret):
        assert secret.encode() not in shown
    assert shop.phone.device_id.encode() not in receipt.confirmation.statement


async def test_the_terminal_sees_no_yes_before_it_has_completed(shop: Shop) -> None:
    await shop.world.operator.set_policy(confirm_money_from=5_000)
    process = await shop.scan(charge(5_000), wait_milliseconds=1)
    await shop.phone.confirm(process.process_id)
    await shop.wait_for(process.process_id, p.PROCESS_STATE_INSTRUCTED)

    seen = await shop.till.call(
        "GetProcess", GetProcessRequest(reference=by_process(process.process_id))
    )

    assert seen.process.confirmed_by_customer
    assert not seen.HasField("receipt")


async def test_what_nobody_was_asked_about_has_no_yes(shop: Shop) -> None:
    process = await shop.scan(earn(1))

    receipt = (await shop.till.complete(process.process_id)).receipt

    assert not receipt.confirmed_by_customer
    assert not receipt.HasField("confirmation")


async def test_a_reversal_has_no_yes_of_its_own(shop: Shop) -> None:
    receipt = await confirmed(shop, shop.phone)

    reversal = (await shop.till.reverse(receipt.receipt_number)).reversal

    taken_back = await receipt_of(shop.phone, reversal.process_id)
    assert not taken_back.confirmed_by_customer
    assert not taken_back.HasField("confirmation")
    first = await receipt_of(shop.phone, receipt.receipt_number)
    assert first.confirmation == receipt.confirmation


async def test_a_later_no_does_not_take_the_yes_from_the_receipt(shop: Shop) -> None:
    """The goods may be gone, and an operator found that they were: the yes still proves itself."""
    await shop.world.operator.set_policy(confirm_money_from=5_000)
    process_id = (await shop.scan(charge(5_000), wait_milliseconds=1)).process_id
    await shop.phone.confirm(process_id)
    await shop.wait_for(process_id, p.PROCESS_STATE_INSTRUCTED)
    dispute = DisputeProcessRequest(request_id=new_id(), process_id=process_id)
    await shop.phone.call("DisputeProcess", dispute)
    await shop.world.pass_time(seconds=61)
    await shop.phone.confirm(process_id, approve=False)

    settle = SettleProcessRequest(
        process_id=process_id, settlement=PROCESS_SETTLEMENT_EXECUTED, note="handed over"
    )
    await shop.world.operator.call("SettleProcess", settle)

    receipt = await receipt_of(shop.phone, process_id)
    assert receipt.confirmed_by_customer
    assert read_confirmation(receipt.confirmation.statement).decision is Decision.APPROVE
