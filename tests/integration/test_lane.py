"""One batch of 400 commands that concern each other: all answered right, in one transaction."""

from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tallymark_protocol.errors import UnknownOutcome
from tallymark_server.domain import codes
from tallymark_server.domain.answers import (
    Done,
    ProcessAnswer,
    RefusedAnswer,
    ReversalAnswer,
    ReversalOutcome,
    RowAnswer,
    SeenProcess,
)
from tallymark_server.domain.commands import Command
from tallymark_server.domain.model.actions import (
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    Funding,
    PayBillAsk,
    RefusalReason,
)
from tallymark_server.domain.model.people import Customer, Device
from tallymark_server.domain.model.processes import Code, CodePurpose, CodeState, ProcessState
from tallymark_server.domain.model.registrations import PointsAccount
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import Key, Rows
from tallymark_server.lanes.lane import BATCH_MAX
from tallymark_server.storage.sqlite import SqliteStore
from tests.integration.lane_ground import (
    POINTS,
    add_bill,
    furnish,
    lane_over,
    name_of,
    remove_card,
    resolve,
    reverse,
    revoke_codes,
    together,
)
from tests.unit.storage.statements import statements_of
from tests.world.keys import cells_of_tests

BURN = BurnPointsAsk(points=10)
CHARGE = ChargeAsk(amount=Money(currency_code="EUR", minor_units=500))
PAY_BILL = PayBillAsk(bill_reference="", funding=Funding.AT_TERMINAL)

COMMANDS_OF_ONE = 8
DOOMED = BATCH_MAX // 2 + 2
"""Where a command that raises stands in place of a repetition."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", cells_of_tests())
    yield store
    await store.close()


def commands_of(number: int) -> list[Command]:
    """Return eight commands about one customer, in the order in which they arrive."""
    name = name_of(number)
    general = CodePurpose.GENERAL
    changed: Command = add_bill(name, 1_000 + number)
    asked: Ask = PAY_BILL
    if number % 2:
        changed, asked = remove_card(name), CHARGE
    return [
        changed,
        resolve(name, f"sale {name}", asked, purpose=general),
        resolve(name, f"sale {name}", asked, purpose=general),
        resolve(name, f"late {name}", CHARGE, purpose=general),
        resolve(name, f"burn {name}", BURN),
        reverse(f"give up {name}", f"burn {name}"),
        reverse(f"give up {name}", f"burn {name}"),
        reverse(f"never {name}", f"unseen {name}"),
    ]


def check_answers(number: int, answers: Sequence[object]) -> None:
    changed, sale, repeated, late, burned, given_up, given_up_again, unseen = answers
    assert isinstance(sale, ProcessAnswer)
    if number % 2:
        assert changed == Done()
        assert sale.process.state is ProcessState.DECLINED
        assert sale.process.actions[0].refusal is not None
        assert sale.process.actions[0].refusal.reason is RefusalReason.NO_CARD
    else:
        assert changed == RowAnswer(is_new=True)
        assert sale.process.state is ProcessState.INSTRUCTED
        assert getattr(sale.process.actions[0].grant, "amount", None) == Money(
            currency_code="EUR", minor_units=1_000 + number
        )
    assert repeated == SeenProcess(process_id=sale.process.process_id)
    assert isinstance(late, RefusedAnswer)
    assert late.reason == "CODE_ALREADY_CLAIMED"
    assert isinstance(given_up, ReversalAnswer)
    assert given_up_again == given_up
    if given_up.outcome is ReversalOutcome.RELEASED:  # both were under way: either may be first
        assert isinstance(burned, ProcessAnswer)
        assert burned.process.state is ProcessState.INSTRUCTED
    else:
        assert given_up.outcome is ReversalOutcome.NEVER_SEEN
        assert burned == RefusedAnswer(reason="REQUEST_REVERSED")
    assert unseen == ReversalAnswer(outcome=ReversalOutcome.NEVER_SEEN)


async def test_400_commands_in_one_batch_are_all_answered_right(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = BATCH_MAX // COMMANDS_OF_ONE
    doomed = name_of(customers)
    await furnish(store, customers + 1)
    original = codes.revoke_live_codes

    def revoke_and_raise(*arguments: object) -> int:
        original(*arguments)  # type: ignore[arg-type]  # passed on as they come
        message = "the text of a fault"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(codes, "revoke_live_codes", revoke_and_raise)
    commands = [command for number in range(customers) for command in commands_of(number)]
    commands[DOOMED] = revoke_codes(doomed)

    async with lane_over(store) as lane, statements_of(store) as statements:
        answers = await together(lane, commands)

    raised = answers[DOOMED]
    assert len(answers) == BATCH_MAX
    assert statements.count("COMMIT") == 1
    assert isinstance(raised, UnknownOutcome)
    assert raised.reason == "INTERNAL"
    assert "fault" not in str(raised)
    assert [type(answer) for answer in answers].count(UnknownOutcome) == 1
    for number in range(customers):
        place = number * COMMANDS_OF_ONE
        mine = answers[place : place + COMMANDS_OF_ONE]
        if raised not in mine:
            check_answers(number, mine)


async def test_nothing_of_the_command_that_raised_is_kept(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnish(store, 2)
    original = codes.revoke_live_codes

    def revoke_and_raise(*arguments: object) -> int:
        original(*arguments)  # type: ignore[arg-type]  # passed on as they come
        raise ZeroDivisionError

    monkeypatch.setattr(codes, "revoke_live_codes", revoke_and_raise)
    async with lane_over(store) as lane:
        await together(lane, [revoke_codes(name_of(0)), resolve(name_of(1), "r1", BURN)])

    states = [code.state for code in await store.scan(Code, 0, limit=10)]
    devices = await store.scan(Device, 0, limit=10)
    entries = await store.journal(0, after_sequence=0, limit=10)
    assert sorted(states) == [CodeState.ISSUED] * 3 + [CodeState.CLAIMED]
    assert [len(device.live_codes) for device in devices] == [2, 1]
    assert [entry.record.command for entry in entries] == ["ResolveCode"]


async def test_points_of_a_batch_add_up(store: SqliteStore) -> None:
    await furnish(store, 100)
    commands = [resolve(name_of(number), f"r{number}", BURN) for number in range(100)]

    async with lane_over(store) as lane:
        await together(lane, commands)

    accounts = await store.scan(PointsAccount, 0, limit=200)
    assert sum(account.balance for account in accounts) == 0
    assert sum(account.held for account in accounts) == 100 * BURN.points
    assert {account.balance for account in accounts} == {POINTS, -100 * POINTS}


async def test_the_number_of_statements_does_not_depend_on_the_number_of_commands(
    store: SqliteStore,
) -> None:
    await furnish(store, 1 + 1 + 10 + BATCH_MAX)
    counts = {}
    first = 1
    async with lane_over(store) as lane:
        await together(lane, [resolve(name_of(0), "warm", BURN)])  # what all need is read once
        for size in (1, 10, BATCH_MAX):
            numbers = range(first, first + size)
            first += size
            commands = [resolve(name_of(number), f"r{number}", BURN) for number in numbers]
            async with statements_of(store) as statements:
                await together(lane, commands)
            counts[size] = len(statements)

    print(f"statements by commands in a batch: {counts}")  # noqa: T201 -- the figure itself
    assert len(set(counts.values())) == 1
    processes = [row for row in await store.scan(Customer, 0, limit=1_000) if row.last_event]
    assert len(processes) == 1 + 1 + 10 + BATCH_MAX


async def test_rows_that_were_just_committed_are_not_read_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    load = store.load

    async def watched(keys: Iterable[Key[Any]]) -> Rows:
        keys = list(keys)
        read.update(key.table.table for key in keys)
        return await load(keys)

    await furnish(store, 1)
    async with lane_over(store) as lane:
        await together(lane, [resolve(name_of(0), "r", BURN)])
        monkeypatch.setattr(store, "load", watched)
        await together(lane, [reverse(name_of(0), "r")])

    assert read == {"requests"}, "only whether these requests were decided before"
