"""Codes for one terminal, whose tag the phone has scanned."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import CodeAnswer
from tallymark_server.domain.commands import (
    CreateTerminal,
    IssueCode,
    RevokeTerminal,
    TerminalTag,
)
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.actions import (
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    Funding,
    PayBillAsk,
    ReadPointsAsk,
    Refusal,
    RefusalReason,
)
from tallymark_server.domain.model.processes import CodePurpose, ProcessState
from tallymark_server.domain.money import Money
from tests.unit.domain.furniture import PARTITION, euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import OPERATOR, SmallWorld, device_caller

READ = ReadPointsAsk()
TAG = TerminalTag(terminal_id="till-2", merchant_id="cafe")
NOT_BOUND = Refusal(reason=RefusalReason.CODE_NOT_BOUND)
REST = ChargeAsk(amount=None)


def charge(minor_units: int) -> ChargeAsk:
    return ChargeAsk(amount=euro(minor_units))


def test_a_bound_code_is_good_at_its_terminal_only() -> None:
    world = SmallWorld()
    code = world.issue(tag=TAG)

    elsewhere = [world.try_resolve(code, READ, by=one) for one in ("till-1", "gate-1")]

    assert {reason_of(answer) for answer in elsewhere} == {Reason.CODE_FOR_OTHER_TERMINAL}
    assert world.resolve(code, READ, by="till-2").state is ProcessState.INSTRUCTED
    assert reason_of(world.try_resolve(code, READ)) == Reason.CODE_FOR_OTHER_TERMINAL


def test_a_bound_code_is_not_contested_by_other_terminals() -> None:
    world = SmallWorld()
    code = world.issue(tag=TAG)
    process = world.resolve(code, charge(100), by="till-2")
    world.authorised(process)

    world.try_resolve(code, charge(100))

    assert world.again(process).state is ProcessState.INSTRUCTED


def test_the_answer_names_the_terminal_and_whose_it_is() -> None:
    answer = SmallWorld().try_issue(tag=TAG)

    assert isinstance(answer, CodeAnswer)
    assert (answer.bound_terminal_id, answer.bound_merchant_name) == ("till-2", "Cafe")


def test_a_code_without_a_tag_names_nobody() -> None:
    answer = SmallWorld().try_issue()

    assert isinstance(answer, CodeAnswer)
    assert (answer.bound_terminal_id, answer.bound_merchant_name) == ("", "")


@pytest.mark.parametrize(
    "tag",
    [
        TerminalTag(),
        TerminalTag(terminal_id="till-7", merchant_id="cafe"),
        TerminalTag(terminal_id="till-2", merchant_id="hall"),
        TerminalTag(terminal_id="till-9", merchant_id="cafe"),
        TerminalTag(terminal_id="till-1", merchant_id="cafe"),
    ],
    ids=["not good", "of nobody", "of another merchant", "not enrolled", "revoked"],
)
def test_a_tag_is_that_of_a_terminal_that_may_call(tag: TerminalTag) -> None:
    world = SmallWorld()
    world.ask(RevokeTerminal(caller=OPERATOR, partition=DIRECTORY, terminal_id="till-1"))
    create = CreateTerminal(
        caller=OPERATOR,
        partition=DIRECTORY,
        terminal_id="till-9",
        merchant_id="cafe",
        code_hash="code-9",
    )
    world.ask(create)

    assert reason_of(world.try_issue(tag=tag)) == Reason.TAG_INVALID


def test_the_same_request_gets_its_code_though_the_tag_is_no_good_any_more() -> None:
    world = SmallWorld()
    request = world.request("IssueCode")

    def issue(tag: TerminalTag) -> object:
        command = IssueCode(
            caller=device_caller("ana-1"),
            partition=PARTITION,
            request=request,
            cti_hash="cti",
            text_hash="text",
            key_id=1,
            expires_at_seconds=world.now // 1000 + 60,
            purpose=CodePurpose.GENERAL,
            card_id="",
            bill=None,
            ticket=None,
            tag=tag,
        )
        return world.ask(command)

    first = issue(TAG)

    assert isinstance(first, CodeAnswer)
    assert issue(TerminalTag()) == first


@pytest.mark.parametrize(
    ("bind_from", "asks", "needed"),
    [
        (None, [charge(1_000_000)], False),
        (1_000, [charge(999)], False),
        (1_000, [charge(1_000)], True),
        (0, [charge(1)], True),
        (0, [READ, BurnPointsAsk(points=1)], False),
        (1_000, [REST], True),
        (1_000, [REST, BurnPointsAsk(points=1)], True),
        (1_000, [REST, BurnPointsAsk(points=901)], False),
        (1_000, [charge(1), PayBillAsk(bill_reference="B-1", funding=Funding.AT_TERMINAL)], False),
    ],
)
@pytest.mark.parametrize("is_bound", [True, False])
def test_from_an_amount_on_only_a_bound_code_pays(
    bind_from: int | None, asks: list[Ask], *, needed: bool, is_bound: bool
) -> None:
    world = SmallWorld()
    world.set_policy(bind_money_from=bind_from, confirm_money_from=0)

    code = world.issue(tag=TAG if is_bound else None)
    process = world.resolve(code, *asks, sale_total=euro(1_900), by="till-2")

    if needed and not is_bound:
        assert process.state is ProcessState.DECLINED
        assert process.refusal == NOT_BOUND
        assert [action.refusal for action in process.actions].count(NOT_BOUND) == 1
        assert world.account().held == 0, "all or nothing"
    else:
        assert process.refusal is None


@pytest.mark.parametrize("number", ["number-of-ana", "number-of-nobody"])
@pytest.mark.parametrize(
    ("asks", "sale_total", "is_refused"),
    [
        ([charge(1_000)], None, True),
        ([charge(999)], None, False),
        ([REST], 1_000, True),
        ([REST], 999, False),
        ([charge(999)], 5_000, False),
        ([READ], 5_000, False),
        ([REST, BurnPointsAsk(points=1)], 5_000, False),
    ],
)
def test_what_any_number_would_be_refused_is_refused_at_once(
    number: str, asks: list[Ask], sale_total: int | None, *, is_refused: bool
) -> None:
    world = SmallWorld()
    world.set_policy(bind_money_from=1_000)

    total = None if sale_total is None else euro(sale_total)
    process = world.resolve(number, *asks, sale_total=total)

    assert (process.state is ProcessState.DECLINED) == is_refused
    assert (process.refusal == NOT_BOUND) == is_refused
    assert bool(process.customer_id) == (number == "number-of-ana" and not is_refused)
    assert process.version == 1
    assert bool(process.timer_at) != is_refused


def test_what_the_bills_bring_above_the_amount_only_the_phone_sees_refused() -> None:
    world = SmallWorld()
    world.set_policy(bind_money_from=1_500)
    pay = PayBillAsk(bill_reference="B-1", funding=Funding.CARD)

    process = world.resolve("number-of-ana", REST, pay, sale_total=euro(900))

    assert process.state is ProcessState.AWAITING_CUSTOMER
    assert process.actions[0].refusal == NOT_BOUND
    world.confirm(process, digits=process.digits)
    assert world.again(process).refusal == NOT_BOUND


def test_amounts_are_compared_in_minor_units_of_any_currency() -> None:
    world = SmallWorld()
    world.set_policy(bind_money_from=1_000)
    yen = ChargeAsk(amount=Money(currency_code="JPY", minor_units=1_000))

    assert world.resolve(world.issue(), yen).refusal == NOT_BOUND
