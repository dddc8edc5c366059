"""Giving up and taking back, by the caller's own request_id, whatever became of the request."""

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tallymark.v1.customer_service_pb2 import GetReceiptRequest, IssueCodeRequest
from tallymark.v1.identification_pb2 import (
    CODE_PURPOSE_GENERAL,
    Identification,
    ProcessReference,
)
from tests.world.actions import ADMIT, CHARGE_REST, burn, charge, earn, pay_bill
from tests.world.messages import by_request, euro, new_id
from tests.world.shop import Shop

SEVEN_DAYS = 7 * 24 * 3_600


async def look_up(shop: Shop, code: str, request_id: str) -> t.GetProcessResponse:
    request = t.GetProcessRequest(reference=by_request(code, request_id))
    found: t.GetProcessResponse = await shop.till.call("GetProcess", request)
    return found


async def reverse_request(shop: Shop, code: str, request_id: str) -> t.ReverseProcessResponse:
    request = t.ReverseProcessRequest(
        request_id=new_id(), reference=by_request(code, request_id), note="customer left"
    )
    reversed_: t.ReverseProcessResponse = await shop.till.call("ReverseProcess", request)
    return reversed_


async def completed_sale(shop: Shop) -> p.Process:
    process = await shop.scan(
        burn(200),
        CHARGE_REST,
        earn(12),
        ADMIT,
        pay_bill("B-7", a.FUNDING_CARD),
        sale_total=euro(1_500),
    )
    completed: p.Process = (await shop.till.complete(process.process_id)).process
    await shop.world.settle()
    return completed


async def test_a_request_that_was_never_seen_is_refused_when_it_comes_late(
    kept_shop: Shop,
) -> None:
    code, request_id = await kept_shop.phone.issue(), new_id()
    late = kept_shop.till.resolve_request(code, burn(1), request_id=request_id)

    unseen = await look_up(kept_shop, code, request_id)
    outcome = await reverse_request(kept_shop, code, request_id)
    marked = await look_up(kept_shop, code, request_id)

    assert unseen.knowledge == t.PROCESS_KNOWLEDGE_NEVER_SEEN
    assert outcome == t.ReverseProcessResponse(outcome=t.REVERSAL_OUTCOME_NEVER_SEEN)
    assert marked.knowledge == t.PROCESS_KNOWLEDGE_REVERSED_UNSEEN
    assert await kept_shop.till.reason("ResolveCode", late) == "REQUEST_REVERSED"
    other = kept_shop.till.resolve_request(code, burn(1))
    assert await kept_shop.till.reason("ResolveCode", other) == "OK"


async def test_an_open_process_is_released(kept_shop: Shop) -> None:
    before = await kept_shop.belongings()
    code, request_id = await kept_shop.phone.issue(), new_id()
    process = await kept_shop.till.resolve(
        code, charge(500), burn(100), ADMIT, pay_bill("B-7"), request_id=request_id
    )
    found = await look_up(kept_shop, code, request_id)

    outcome = await reverse_request(kept_shop, code, request_id)
    await kept_shop.world.settle()

    ended = await kept_shop.till.get(process.process_id)
    assert found.knowledge == t.PROCESS_KNOWLEDGE_FOUND
    assert found.process == process
    assert outcome.outcome == t.REVERSAL_OUTCOME_RELEASED
    assert outcome.process.state == p.PROCESS_STATE_RELEASED
    assert {action.settlement for action in ended.actions} == {a.SETTLEMENT_RELEASED}
    assert await kept_shop.belongings() == before


async def test_a_completed_process_is_undone_by_a_linked_one(kept_shop: Shop) -> None:
    sale = await completed_sale(kept_shop)

    outcome = await kept_shop.till.reverse(sale.process_id)
    await kept_shop.world.settle()
    later = await kept_shop.till.reverse(sale.process_id)

    wallet = await kept_shop.phone.wallet()
    books = await kept_shop.world.institution.find(f"{sale.process_id}-1", deadline_seconds=10)
    assert outcome.outcome == t.REVERSAL_OUTCOME_COMPENSATING
    assert outcome.process.state == p.PROCESS_STATE_COMPLETED
    assert outcome.process.reversed_by_process_id == outcome.reversal.process_id
    assert outcome.reversal.reverses_process_id == sale.process_id
    assert outcome.reversal.state == p.PROCESS_STATE_COMPLETED
    assert later.outcome == t.REVERSAL_OUTCOME_COMPENSATED
    assert later.reversal.process_id == outcome.reversal.process_id
    assert books.state == "REVERSED"
    assert [bill.bill_reference for bill in wallet.bills] == ["B-7"]
    assert wallet.tickets[0].entries_used == 0
    assert wallet.points_accounts[0].balance == 300


async def test_what_was_undone_can_be_done_again(shop: Shop) -> None:
    sale = await completed_sale(shop)
    await shop.till.reverse(sale.process_id)

    again = await completed_sale(shop)

    assert again.state == p.PROCESS_STATE_COMPLETED
    assert await shop.phone.points() == 112


async def test_without_a_card_it_is_compensated_at_once(shop: Shop) -> None:
    process = await shop.scan(burn(100))
    await shop.till.complete(process.process_id)

    outcome = await shop.till.reverse(process.process_id)

    assert outcome.outcome == t.REVERSAL_OUTCOME_COMPENSATED
    assert await shop.phone.points() == 300


async def test_a_sale_that_is_not_captured_yet_is_only_reversed(shop: Shop) -> None:
    process = await shop.scan(charge(77_68), wait_milliseconds=1)
    await shop.world.institution_clock.somebody_waits.wait()
    shop.world.institution_clock.advance(8)
    await shop.wait_for(process.process_id, p.PROCESS_STATE_INSTRUCTED)
    await shop.till.complete(process.process_id)
    await shop.till.reverse(process.process_id)
    await shop.world.settle()
    await shop.world.settle()

    books = await shop.world.institution.find(f"{process.process_id}-0", deadline_seconds=10)
    assert books.state == "REVERSED"
    assert await shop.unresolved() == []


@pytest.mark.parametrize(
    ("seconds_late", "outcome", "why"),
    [
        (0, t.REVERSAL_OUTCOME_COMPENSATED, t.REVERSAL_REFUSAL_UNSPECIFIED),
        (0.001, t.REVERSAL_OUTCOME_REFUSED, t.REVERSAL_REFUSAL_WINDOW_OVER),
    ],
    ids=["in the last moment", "too late"],
)
async def test_the_window_for_reversals_ends_after_seven_days(
    shop: Shop, seconds_late: float, outcome: int, why: int
) -> None:
    process = await shop.scan(burn(100))
    await shop.till.complete(process.process_id)
    shop.world.clock.move(seconds=SEVEN_DAYS + seconds_late)

    answer = await shop.till.reverse(process.process_id)

    assert answer.outcome == outcome
    assert answer.refused_because == why
    assert answer.process.state == p.PROCESS_STATE_COMPLETED
    assert answer.HasField("reversal") == (outcome == t.REVERSAL_OUTCOME_COMPENSATED)


async def test_a_reversal_is_not_reversed(shop: Shop) -> None:
    process = await shop.scan(burn(100))
    await shop.till.complete(process.process_id)
    reversal = (await shop.till.reverse(process.process_id)).reversal

    answer = await shop.till.reverse(reversal.process_id)

    assert answer.outcome == t.REVERSAL_OUTCOME_REFUSED
    assert answer.refused_because == t.REVERSAL_REFUSAL_IS_REVERSAL
    assert await shop.phone.points() == 300


async def test_a_process_that_did_nothing_counts_as_released(shop: Shop) -> None:
    process = await shop.scan(burn(301))

    answer = await shop.till.reverse(process.process_id)

    assert answer.outcome == t.REVERSAL_OUTCOME_RELEASED
    assert answer.process.state == p.PROCESS_STATE_DECLINED


async def test_a_request_that_failed_is_found_with_its_reason(shop: Shop) -> None:
    code, request_id = await shop.phone.issue(), new_id()
    shop.world.clock.move(seconds=60)
    request = shop.till.resolve_request(code, burn(1), request_id=request_id)
    await shop.till.reason("ResolveCode", request)

    found = await look_up(shop, code, request_id)

    assert found.knowledge == t.PROCESS_KNOWLEDGE_FAILED
    assert found.failed_reason == "CODE_EXPIRED"


async def test_it_is_found_by_the_codes_reference_without_the_code(shop: Shop) -> None:
    issue = IssueCodeRequest(request_id=new_id(), purpose=CODE_PURPOSE_GENERAL)
    issued = await shop.phone.call("IssueCode", issue)
    request = shop.till.resolve_request(issued.code, burn(1))
    process = (await shop.till.call("ResolveCode", request)).process
    shop.world.clock.move(seconds=3_600)
    by_reference = ProcessReference(
        identification=Identification(code_reference=issued.code_reference),
        resolve_request_id=request.request_id,
    )

    found = await shop.till.call("GetProcess", t.GetProcessRequest(reference=by_reference))
    by_code = await look_up(shop, issued.code, request.request_id)

    assert found.process.process_id == by_code.process.process_id == process.process_id


async def test_another_terminal_neither_finds_nor_reverses_it(shop: Shop) -> None:
    neighbour = await shop.world.add_terminal("till-2")
    code, request_id = await shop.phone.issue(), new_id()
    process = await shop.till.resolve(code, burn(1), request_id=request_id)
    by_id = t.ReverseProcessRequest(
        request_id=new_id(),
        reference=ProcessReference(identification=Identification(process_id=process.process_id)),
    )
    get = t.GetProcessRequest(reference=by_request(code, request_id))

    assert await neighbour.reason("ReverseProcess", by_id) == "PROCESS_NOT_FOUND"
    unseen = await neighbour.call("GetProcess", get)
    assert unseen.knowledge == t.PROCESS_KNOWLEDGE_NEVER_SEEN
    assert (await shop.till.get(process.process_id)).state == p.PROCESS_STATE_INSTRUCTED


async def test_both_sides_have_the_same_receipt_before_and_after_a_reversal(
    kept_shop: Shop,
) -> None:
    async def receipts(process_id: str) -> tuple[p.Receipt, p.Receipt]:
        reference = ProcessReference(identification=Identification(process_id=process_id))
        terminals = await kept_shop.till.call(
            "GetProcess", t.GetProcessRequest(reference=reference)
        )
        phones = await kept_shop.phone.call("GetReceipt", GetReceiptRequest(process_id=process_id))
        return terminals.receipt, phones.receipt

    sale = await completed_sale(kept_shop)
    at_the_till, on_the_phone = await receipts(sale.process_id)
    reversal = (await kept_shop.till.reverse(sale.process_id)).reversal
    await kept_shop.world.settle()

    assert at_the_till == on_the_phone
    assert at_the_till.card_total == euro(2_300)
    after, after_on_the_phone = await receipts(sale.process_id)
    assert after == after_on_the_phone
    assert after.reversed_by_process_id == reversal.process_id
    of_reversal, on_the_phone = await receipts(reversal.process_id)
    assert of_reversal == on_the_phone
    assert of_reversal.reverses_process_id == sale.process_id
    assert [posting.points for posting in of_reversal.postings] == [200, -12]


async def test_there_is_no_receipt_before_completion(shop: Shop) -> None:
    process = await shop.scan(burn(1))
    request = GetReceiptRequest(process_id=process.process_id)

    assert await shop.phone.reason("GetReceipt", request) == "RECEIPT_NOT_READY"
