"""UpdatePoints: a balance reported by the terminal, staged now and posted by completion."""

import pytest

from tallymark.v1 import process_pb2 as p
from tallymark.v1.operator_service_pb2 import ListPointsAccountsRequest
from tallymark.v1.process_pb2 import ReceiptPosting
from tallymark.v1.terminal_service_pb2 import UpdatePointsRequest
from tallymark_server.domain.model.registrations import PointsAccount
from tests.world.actions import ADMIT, READ_POINTS, burn, earn
from tests.world.messages import by_process, new_id
from tests.world.shop import Shop
from tests.world.terminal import Terminal

VERSION = 1  # the welcome points were the first posting


async def refusal(
    terminal: Terminal, process: p.Process, new_balance: int, version: int = VERSION
) -> str:
    request = UpdatePointsRequest(
        request_id=new_id(),
        reference=by_process(process.process_id),
        version=version,
        new_balance=new_balance,
    )
    return await terminal.reason("UpdatePoints", request)


async def account(shop: Shop) -> tuple[int, int]:
    """Return the balance and what is held of it."""
    found = (await shop.phone.wallet()).points_accounts[0]
    return found.balance, found.held


@pytest.mark.parametrize(
    ("new_balance", "difference"), [(450, 450 - 300), (120, 120 - 300), (300, 0), (0, -300)]
)
async def test_a_new_balance_is_staged_and_posted_by_completion(
    kept_shop: Shop, new_balance: int, difference: int
) -> None:
    process = await kept_shop.scan(READ_POINTS)
    read = process.actions[0].instruction.read_points
    staged = await kept_shop.till.update_points(process.process_id, read.version, new_balance)
    before_completion = await account(kept_shop)
    receipt = (await kept_shop.till.complete(process.process_id)).receipt

    assert staged.staged_balance.new_balance == new_balance
    assert staged.staged_balance.difference == difference
    assert before_completion == (300, max(0, -difference))
    assert await account(kept_shop) == (new_balance, 0)
    assert list(receipt.postings) == [
        ReceiptPosting(programme_id="beans", points=difference, balance_after=new_balance)
    ]


async def test_it_stands_in_place_of_what_the_process_would_earn_and_burn(shop: Shop) -> None:
    process = await shop.scan(burn(200), earn(50))
    await shop.till.update_points(process.process_id, VERSION, 290)
    held = (await account(shop))[1]
    receipt = (await shop.till.complete(process.process_id)).receipt

    assert held == 200
    assert [posting.points for posting in receipt.postings] == [-10]
    assert await account(shop) == (290, 0)


async def test_the_last_report_counts(shop: Shop) -> None:
    process = await shop.scan(READ_POINTS)
    await shop.till.update_points(process.process_id, VERSION, 10)
    await shop.till.update_points(process.process_id, VERSION, 250)
    held = (await account(shop))[1]
    await shop.till.complete(process.process_id)

    assert held == 50
    assert await account(shop) == (250, 0)


async def test_a_staged_balance_falls_with_its_process(shop: Shop) -> None:
    before = await shop.belongings()
    process = await shop.scan(READ_POINTS, burn(20))
    await shop.till.update_points(process.process_id, VERSION, 10)

    await shop.till.reverse(process.process_id)

    assert await shop.belongings() == before


async def test_a_reversed_update_gives_the_difference_back(shop: Shop) -> None:
    process = await shop.scan(READ_POINTS)
    await shop.till.update_points(process.process_id, VERSION, 10)
    await shop.till.complete(process.process_id)

    await shop.till.reverse(process.process_id)

    assert await account(shop) == (300, 0)


async def test_a_posting_in_between_is_a_version_conflict(shop: Shop) -> None:
    process = await shop.scan(READ_POINTS)
    other = await shop.scan(earn(1))
    unposted = await refusal(shop.till, process, 250)
    await shop.till.complete(other.process_id)

    assert unposted == "OK"  # the version counts postings, not holds
    assert await refusal(shop.till, process, 250) == "POINTS_VERSION_CONFLICT"
    assert await refusal(shop.till, process, 250, version=2) == "OK"


async def test_the_programmes_bound_and_other_holds_limit_the_balance(shop: Shop) -> None:
    await shop.scan(burn(120))
    process = await shop.scan(READ_POINTS)

    assert await refusal(shop.till, process, 801) == "POINTS_OVER_LIMIT"
    assert await refusal(shop.till, process, 119) == "POINTS_BELOW_HOLDS"
    assert await refusal(shop.till, process, 800) == "OK"
    assert await refusal(shop.till, process, 120) == "OK"


async def test_what_is_staged_away_cannot_be_burned_by_another_process(shop: Shop) -> None:
    process = await shop.scan(READ_POINTS)
    await shop.till.update_points(process.process_id, VERSION, 100)

    other = await shop.scan(burn(101))

    assert other.state == p.PROCESS_STATE_DECLINED
    assert other.refusal.points_available == 100


async def test_only_an_instructed_process_with_points_of_ones_own_is_updated(shop: Shop) -> None:
    neighbour = await shop.world.add_terminal("till-2")
    entry = await shop.scan(ADMIT)
    overdue = await shop.scan(READ_POINTS)
    await shop.world.pass_time(seconds=60)
    mine = await shop.scan(READ_POINTS)
    completed = await shop.scan(READ_POINTS)
    await shop.till.complete(completed.process_id)

    assert await refusal(shop.till, entry, 1) == "PROCESS_NOT_INSTRUCTED"
    assert await refusal(shop.till, overdue, 1) == "PROCESS_NOT_INSTRUCTED"
    assert await refusal(shop.till, completed, 1) == "PROCESS_NOT_INSTRUCTED"
    assert await refusal(neighbour, mine, 1) == "PROCESS_NOT_FOUND"


async def test_a_process_without_points_has_none_to_update(shop: Shop) -> None:
    process = await shop.scan(ADMIT)

    assert await refusal(shop.till, process, 1) == "NO_POINTS_IN_PROCESS"


async def test_spent_points_become_a_debt_that_blocks_nothing(kept_shop: Shop) -> None:
    earned = await kept_shop.scan(earn(100))
    await kept_shop.till.complete(earned.process_id)
    spent = await kept_shop.scan(burn(370))
    await kept_shop.till.complete(spent.process_id)

    reversal = (await kept_shop.till.reverse(earned.process_id)).reversal
    wallet = await kept_shop.phone.wallet()
    later = await kept_shop.scan(earn(5))
    await kept_shop.till.complete(later.process_id)

    assert reversal.points_debt == 70
    assert (wallet.points_accounts[0].balance, wallet.points_accounts[0].debt) == (0, 70)
    assert await kept_shop.phone.points() == 5


async def test_points_held_by_another_process_are_not_taken_back(shop: Shop) -> None:
    earned = await shop.scan(earn(100))
    await shop.till.complete(earned.process_id)
    held = await shop.scan(burn(350))

    reversal = (await shop.till.reverse(earned.process_id)).reversal
    await shop.till.complete(held.process_id)

    assert reversal.points_debt == 50
    assert await account(shop) == (0, 0)


async def test_every_posting_is_balanced_by_the_issuer(kept_shop: Shop) -> None:
    earned = await kept_shop.scan(earn(100))
    await kept_shop.till.complete(earned.process_id)
    await kept_shop.till.reverse(earned.process_id)
    updated = await kept_shop.scan(READ_POINTS)
    version = updated.actions[0].instruction.read_points.version
    await kept_shop.till.update_points(updated.process_id, version, 17)
    await kept_shop.till.complete(updated.process_id)

    rows = await kept_shop.world.store.scan(PointsAccount, 0, limit=10)
    listed = await kept_shop.world.operator.call("ListPointsAccounts", ListPointsAccountsRequest())
    assert sum(row.balance for row in rows) == 0
    assert [each.balance for each in listed.points_accounts if each.login_name == "ana"] == [17]


async def test_no_report_takes_points_that_the_customer_would_have_to_confirm(shop: Shop) -> None:
    await shop.world.operator.set_policy(confirm_points_from=100)
    process = await shop.scan(READ_POINTS)

    assert await refusal(shop.till, process, 300 - 100) == "POINTS_OVER_LIMIT"
    assert await refusal(shop.till, process, 300 - 99) == "OK"
