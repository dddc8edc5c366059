"""What a code is good for: once, here, for its purpose and until its time."""

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import (
    BillChoice,
    IssueCodeRequest,
    RevokeCodeRequest,
    TicketChoice,
)
from tallymark.v1.identification_pb2 import (
    CODE_PURPOSE_GENERAL,
    CODE_PURPOSE_POINTS,
    CODE_PURPOSE_TICKET,
    CodePurpose,
)
from tallymark.v1.policy_pb2 import PASSWORD_RULE_ALWAYS, PASSWORD_RULE_GENERAL_CODES
from tests.world.actions import ADMIT, READ_POINTS, burn, charge, earn, pay_bill
from tests.world.messages import new_id
from tests.world.phone import GOOD_CARD
from tests.world.shop import Shop

OTHER_CARD = "5555555555554444"
JAZZ = TicketChoice(event_id="jazz", ticket_id="A-1")


async def reason(shop: Shop, code: str, *actions: a.Action) -> str:
    """Return why the code is not resolved."""
    return await shop.till.reason("ResolveCode", shop.till.resolve_request(code, *actions))


async def test_a_code_for_one_terminal_works_at_no_other(kept_shop: Shop) -> None:
    neighbour = await kept_shop.world.add_terminal("till-2")
    code = await kept_shop.phone.issue(terminal_tag=await kept_shop.till.tag())
    elsewhere = neighbour.resolve_request(code, burn(1))

    assert await neighbour.reason("ResolveCode", elsewhere) == "CODE_FOR_OTHER_TERMINAL"
    assert (await kept_shop.till.resolve(code, burn(1))).state == p.PROCESS_STATE_INSTRUCTED


async def test_claiming_a_code_kills_its_siblings_of_the_same_purpose(kept_shop: Shop) -> None:
    issue = kept_shop.phone.issue
    earlier, claimed, later = [await issue() for _ in range(3)]
    of_another_purpose = await issue(CODE_PURPOSE_POINTS)

    await kept_shop.till.resolve(claimed, burn(1))

    assert await reason(kept_shop, earlier, burn(1)) == "CODE_REVOKED"
    assert await reason(kept_shop, later, burn(1)) == "CODE_REVOKED"
    assert await reason(kept_shop, of_another_purpose, burn(1)) == "OK"


async def test_the_code_before_lives_on_until_one_of_both_is_claimed(shop: Shop) -> None:
    before, _ = await shop.phone.issue(), await shop.phone.issue()

    assert await reason(shop, before, burn(1)) == "OK"


async def test_a_code_ends_at_its_second(shop: Shop) -> None:
    in_time, late = await shop.phone.issue(), await shop.phone.issue(CODE_PURPOSE_POINTS)

    shop.world.clock.move(seconds=59.999)
    assert await reason(shop, in_time, burn(1)) == "OK"
    shop.world.clock.move(seconds=240.001)
    assert await reason(shop, late, burn(1)) == "CODE_EXPIRED"


async def test_a_revoked_code_is_dead(shop: Shop) -> None:
    codes = [await shop.phone.issue(), await shop.phone.issue(CODE_PURPOSE_POINTS)]

    revoked = await shop.phone.call("RevokeCode", RevokeCodeRequest(request_id=new_id()))

    assert revoked.codes_revoked == 2
    assert {await reason(shop, code, burn(1)) for code in codes} == {"CODE_REVOKED"}


@pytest.mark.parametrize(
    "action", [charge(100), ADMIT, pay_bill("B-7")], ids=["charge", "admit", "pay bill"]
)
async def test_a_points_code_moves_points_only(shop: Shop, action: a.Action) -> None:
    code = await shop.phone.issue(CODE_PURPOSE_POINTS)

    process = await shop.till.resolve(code, burn(1), action)

    assert process.refusal.reason == a.REFUSAL_REASON_PURPOSE_NOT_ALLOWED


async def test_a_points_code_covers_every_kind_of_points_action(shop: Shop) -> None:
    code = await shop.phone.issue(CODE_PURPOSE_POINTS)

    process = await shop.till.resolve(code, burn(1), earn(1), READ_POINTS)

    assert process.state == p.PROCESS_STATE_INSTRUCTED


async def test_a_ticket_code_enters_with_its_own_ticket_and_does_nothing_else(shop: Shop) -> None:
    await shop.world.operator.add_ticket(shop.phone, "A-2")
    chosen = TicketChoice(event_id="jazz", ticket_id="A-2")

    entered = await shop.till.resolve(
        await shop.phone.issue(CODE_PURPOSE_TICKET, ticket=chosen), ADMIT
    )
    refused = await shop.till.resolve(
        await shop.phone.issue(CODE_PURPOSE_TICKET, ticket=JAZZ), burn(1)
    )

    assert entered.actions[0].instruction.admit.ticket_id == "A-2"
    assert refused.refusal.reason == a.REFUSAL_REASON_PURPOSE_NOT_ALLOWED


async def test_the_card_chosen_for_the_code_is_charged(shop: Shop) -> None:
    other = await shop.phone.add_card(OTHER_CARD)

    chosen = await shop.till.resolve(await shop.phone.issue(card_id=other.card_id), charge(100))
    default = await shop.scan(charge(100))

    last_four = [
        process.actions[0].instruction.charge.card_last_four for process in (chosen, default)
    ]
    assert last_four == [OTHER_CARD[-4:], GOOD_CARD[-4:]]


async def test_the_bill_chosen_for_the_code_is_paid_when_the_terminal_names_none(
    shop: Shop,
) -> None:
    await shop.world.operator.add_bill(shop.phone, "B-9", 5)
    chosen = BillChoice(merchant_id="cafe", bill_reference="B-9")

    unnamed = await shop.scan(pay_bill())
    process = await shop.till.resolve(await shop.phone.issue(bill=chosen), pay_bill())

    assert unnamed.refusal.reason == a.REFUSAL_REASON_BILL_REFERENCE_NEEDED
    assert unnamed.refusal.bill_references == ["B-7", "B-9"]
    assert process.actions[0].instruction.pay_bill.bill_reference == "B-9"


@pytest.mark.parametrize(
    ("rule", "purpose", "is_wanted"),
    [
        (PASSWORD_RULE_GENERAL_CODES, CODE_PURPOSE_GENERAL, True),
        (PASSWORD_RULE_GENERAL_CODES, CODE_PURPOSE_POINTS, False),
        (PASSWORD_RULE_ALWAYS, CODE_PURPOSE_POINTS, True),
    ],
    ids=[
        "general code by the rule for them",
        "points code by it",
        "points code by the rule for all",
    ],
)
async def test_the_policy_decides_which_codes_want_the_password(
    shop: Shop, rule: int, purpose: CodePurpose.ValueType, *, is_wanted: bool
) -> None:
    await shop.world.operator.set_policy(password_rule=rule)

    async def issued_with(password: str) -> str:
        request = IssueCodeRequest(request_id=new_id(), purpose=purpose, password=password)
        return await shop.phone.reason("IssueCode", request)

    assert await issued_with("") == ("PASSWORD_REQUIRED" if is_wanted else "OK")
    assert await issued_with("wrong horse") == "PASSWORD_WRONG"
    assert await issued_with("correct horse") == "OK"
