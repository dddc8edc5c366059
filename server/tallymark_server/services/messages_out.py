"""Domain values as messages of the contract; decides what a terminal and a customer may see."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import (
    action_pb2,
    key_pb2,
    merchant_pb2,
    money_pb2,
    policy_pb2,
    process_pb2,
    registration_pb2,
)
from tallymark_protocol.code_keys import VerificationKey
from tallymark_server.domain.model.actions import (
    Action,
    AdmitAsk,
    AdmitGrant,
    Ask,
    BurnPointsAsk,
    BurnPointsGrant,
    ChargeAsk,
    ChargeGrant,
    EarnPointsAsk,
    EarnPointsGrant,
    Funding,
    Grant,
    PayBillAsk,
    PayBillGrant,
    ReadPointsGrant,
    Refusal,
    Settlement,
)
from tallymark_server.domain.model.merchants import (
    Event,
    Merchant,
    PointsProgramme,
    Policy,
    Terminal,
)
from tallymark_server.domain.model.people import Card
from tallymark_server.domain.model.processes import Process, ProcessState, StagedBalance
from tallymark_server.domain.model.registrations import (
    Bill,
    PointsAccount,
    Ticket,
    TicketUse,
)
from tallymark_server.domain.money import Money

__all__ = [
    "bill_message",
    "card_message",
    "event_message",
    "merchant_message",
    "number_in_contract",
    "points_account_message",
    "policy_message",
    "process_message",
    "programme_message",
    "receipt_message",
    "terminal_message",
    "ticket_message",
    "time_message",
    "verification_key_message",
]

_UNDECIDED = {ProcessState.AWAITING_CUSTOMER, ProcessState.AUTHORISING}

_EXECUTABLE = {ProcessState.INSTRUCTED, ProcessState.OVERDUE, ProcessState.COMPLETED}


def number_in_contract(value: IntEnum) -> Any:  # noqa: ANN401 -- each enum of the contract is a type of its own
    """Return a domain value as the enum of the contract that has the same numbers."""
    return value.value


def time_message(milliseconds: int) -> Timestamp | None:
    """Return a time; None for the 0 that stands for no time."""
    if not milliseconds:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000_000)


def process_message(process: Process, *, customer_reference: str | None) -> process_pb2.Process:
    """Return a process as its terminal, or its customer (no customer reference), may see it.

    A terminal learns instructions only when everything is granted, and of a customer identified by
    telephone nothing unless the customer says yes, so that it cannot find out which numbers are
    registered, not even when the process has ended.
    """
    for_terminal = customer_reference is not None
    undecided = process.state in _UNDECIDED
    hidden = for_terminal and process.by_telephone and not process.is_confirmed
    with_instruction = not for_terminal or process.state in _EXECUTABLE
    return process_pb2.Process(
        process_id=process.process_id,
        state=number_in_contract(process.state),
        version=process.version,
        actions=[
            _outcome_message(action, hidden=hidden, with_instruction=with_instruction)
            for action in process.actions
        ],
        merchant_id=process.merchant_id,
        merchant_name=process.merchant_name,
        terminal_id=process.terminal_id,
        created_at=time_message(process.created_at),
        confirm_by=time_message(process.confirm_by),
        poll_until=time_message(process.closes_at if undecided else 0),
        execute_by=time_message(process.execute_by),
        ended_at=time_message(process.ended_at),
        refusal=_refusal_message(process.refusal),
        customer_reference="" if undecided or hidden else customer_reference or "",
        confirmation_digits=process.digits if for_terminal else "",
        digits_needed=process.by_telephone and not for_terminal,
        confirmed_by_customer=process.is_confirmed,
        sale_total=_money_message(process.sale_total),
        card_total=None if hidden else _money_message(process.card_total),
        policy_version=process.policy_version,
        reverses_process_id=process.reverses,
        reversed_by_process_id=process.reversed_by,
        staged_balance=_staged_message(process.staged),
        disputed=process.is_disputed,
        points_debt=process.debt,
    )


def receipt_message(process: Process) -> process_pb2.Receipt:
    """Return the receipt of a completed process."""
    at_terminal = [
        action.grant.amount
        for action in process.actions
        if isinstance(action.grant, PayBillGrant) and action.grant.funding is Funding.AT_TERMINAL
    ]
    return process_pb2.Receipt(
        receipt_number=process.process_id,
        merchant_id=process.merchant_id,
        merchant_name=process.merchant_name,
        terminal_id=process.terminal_id,
        completed_at=time_message(process.ended_at),
        actions=[
            _outcome_message(action, hidden=False, with_instruction=True)
            for action in process.actions
        ],
        sale_total=_money_message(process.sale_total),
        card_total=_money_message(process.card_total),
        paid_at_terminal=_sum_message(at_terminal),
        postings=[
            process_pb2.ReceiptPosting(
                programme_id=posting.programme_id,
                points=posting.points,
                balance_after=posting.balance_after,
            )
            for posting in process.postings
        ],
        confirmed_by_customer=process.is_confirmed,
        reverses_process_id=process.reverses,
        reversed_by_process_id=process.reversed_by,
    )


def card_message(card: Card, *, is_default: bool) -> registration_pb2.Card:
    """Return a card as its customer may see it."""
    return registration_pb2.Card(
        card_id=card.card_id,
        brand=card.brand,
        last_four=card.last_four,
        expires_on=card.expires_on,
        is_default=is_default,
    )


def bill_message(bill: Bill) -> registration_pb2.Bill:
    """Return a bill."""
    return registration_pb2.Bill(
        merchant_id=bill.merchant_id,
        bill_reference=bill.bill_reference,
        login_name=bill.login_name,
        amount=_money_message(bill.amount),
        description=bill.description,
        due_on=bill.due_on,
        state=number_in_contract(bill.state),
        process_id=bill.process_id,
    )


def ticket_message(ticket: Ticket, event_name: str) -> registration_pb2.Ticket:
    """Return a ticket."""
    return registration_pb2.Ticket(
        event_id=ticket.event_id,
        ticket_id=ticket.ticket_id,
        login_name=ticket.login_name,
        entries=ticket.entries,
        valid_from=time_message(ticket.valid_from),
        valid_until=time_message(ticket.valid_until),
        place=ticket.place,
        entries_used=ticket.entries_used,
        first_use=_use_message(ticket.uses[0]) if ticket.uses else None,
        last_use=_use_message(ticket.uses[-1]) if ticket.uses else None,
        event_name=event_name,
    )


def points_account_message(
    account: PointsAccount, programme_name: str, *, for_operator: bool
) -> registration_pb2.PointsAccount:
    """Return a points account."""
    return registration_pb2.PointsAccount(
        programme_id=account.programme_id,
        programme_name=programme_name,
        balance=account.balance,
        held=account.held,
        version=account.version,
        login_name=account.login_name if for_operator else "",
        debt=account.debt,
    )


def merchant_message(merchant: Merchant) -> merchant_pb2.Merchant:
    """Return a merchant."""
    return merchant_pb2.Merchant(
        merchant_id=merchant.merchant_id,
        name=merchant.name,
        programme_id=merchant.programme_id,
    )


def terminal_message(terminal: Terminal) -> merchant_pb2.Terminal:
    """Return a terminal."""
    return merchant_pb2.Terminal(
        terminal_id=terminal.terminal_id,
        merchant_id=terminal.merchant_id,
        state=number_in_contract(terminal.state),
        enrolled_at=time_message(terminal.enrolled_at),
    )


def event_message(event: Event) -> registration_pb2.Event:
    """Return an event."""
    return registration_pb2.Event(
        event_id=event.event_id,
        merchant_id=event.merchant_id,
        name=event.name,
        reentry_rule=number_in_contract(event.reentry_rule),
    )


def programme_message(programme: PointsProgramme) -> registration_pb2.PointsProgramme:
    """Return a points programme."""
    return registration_pb2.PointsProgramme(
        programme_id=programme.programme_id,
        name=programme.name,
        point_value=_money_message(programme.point_value),
        earn_points_max=programme.earn_points_max,
    )


def policy_message(policy: Policy) -> policy_pb2.Policy:
    """Return a policy."""
    return policy_pb2.Policy(
        version=policy.version,
        code_life_seconds=policy.code_life_seconds,
        points_code_life_seconds=policy.points_code_life_seconds,
        confirm_within_seconds=policy.confirm_within_seconds,
        execute_within_seconds=policy.execute_within_seconds,
        close_after_seconds=policy.close_after_seconds,
        reversal_window_seconds=policy.reversal_window_seconds,
        confirm_money_from=policy.confirm_money_from,
        confirm_points_from=policy.confirm_points_from,
        confirm_admission=policy.confirm_admission,
        password_rule=number_in_contract(policy.password_rule),
        session_life_seconds=policy.session_life_seconds,
    )


def verification_key_message(key: VerificationKey) -> key_pb2.VerificationKey:
    """Return a public key that verifies codes."""
    return key_pb2.VerificationKey(
        key_id=key.key_id,
        public_key=key_pb2.PublicKey(
            algorithm=key_pb2.KEY_ALGORITHM_ED25519,
            key_bytes=key.public_key.public_bytes_raw(),
        ),
        valid_from=Timestamp(seconds=key.valid_from_seconds),
        valid_until=Timestamp(seconds=key.valid_until_seconds),
    )


def _outcome_message(
    action: Action, *, hidden: bool, with_instruction: bool
) -> action_pb2.ActionOutcome:
    if hidden:
        return action_pb2.ActionOutcome(
            action=_ask_message(action.ask), settlement=number_in_contract(Settlement.NONE)
        )
    instruction = None
    if with_instruction and action.grant is not None:
        instruction = _instruction_message(action.grant)
    return action_pb2.ActionOutcome(
        action=_ask_message(action.ask),
        instruction=instruction,
        refusal=_refusal_message(action.refusal),
        settlement=number_in_contract(action.settlement),
    )


def _staged_message(staged: StagedBalance | None) -> process_pb2.StagedBalance | None:
    if staged is None:
        return None
    return process_pb2.StagedBalance(new_balance=staged.new_balance, difference=staged.difference)


def _ask_message(ask: Ask) -> action_pb2.Action:
    match ask:
        case ChargeAsk(amount=None):
            charge = action_pb2.ChargeAction(remainder=action_pb2.Remainder())
            return action_pb2.Action(charge=charge)
        case ChargeAsk():
            charge = action_pb2.ChargeAction(amount=_money_message(ask.amount))
            return action_pb2.Action(charge=charge)
        case PayBillAsk():
            pay_bill = action_pb2.PayBillAction(
                bill_reference=ask.bill_reference, funding=number_in_contract(ask.funding)
            )
            return action_pb2.Action(pay_bill=pay_bill)
        case AdmitAsk():
            admit = action_pb2.AdmitAction(
                event_id=ask.event_id, direction=number_in_contract(ask.direction)
            )
            return action_pb2.Action(admit=admit)
        case EarnPointsAsk():
            earn = action_pb2.EarnPointsAction(points=ask.points)
            return action_pb2.Action(earn_points=earn)
        case BurnPointsAsk():
            burn = action_pb2.BurnPointsAction(points=ask.points)
            return action_pb2.Action(burn_points=burn)
        case _:
            return action_pb2.Action(read_points=action_pb2.ReadPointsAction())


def _instruction_message(granted: Grant) -> action_pb2.Instruction:
    match granted:
        case ChargeGrant():
            charge = action_pb2.ChargeInstruction(
                amount=_money_message(granted.amount),
                card_brand=granted.card_brand,
                card_last_four=granted.card_last_four,
                authorisation_code=granted.authorisation_code,
            )
            return action_pb2.Instruction(charge=charge)
        case PayBillGrant():
            pay_bill = action_pb2.PayBillInstruction(
                bill_reference=granted.bill_reference,
                amount=_money_message(granted.amount),
                description=granted.description,
                due_on=granted.due_on,
                funding=number_in_contract(granted.funding),
            )
            return action_pb2.Instruction(pay_bill=pay_bill)
        case AdmitGrant():
            admit = action_pb2.AdmitInstruction(
                event_id=granted.event_id,
                event_name=granted.event_name,
                ticket_id=granted.ticket_id,
                direction=number_in_contract(granted.direction),
                entries_left=granted.entries_left,
                place=granted.place,
            )
            return action_pb2.Instruction(admit=admit)
        case EarnPointsGrant():
            earn = action_pb2.EarnPointsInstruction(
                programme_id=granted.programme_id,
                points=granted.points,
                balance_before=granted.balance_before,
                version=granted.version,
            )
            return action_pb2.Instruction(earn_points=earn)
        case BurnPointsGrant():
            burn = action_pb2.BurnPointsInstruction(
                programme_id=granted.programme_id,
                points=granted.points,
                value=_money_message(granted.value),
                balance_before=granted.balance_before,
                version=granted.version,
            )
            return action_pb2.Instruction(burn_points=burn)
        case ReadPointsGrant():
            read = action_pb2.ReadPointsInstruction(
                programme_id=granted.programme_id,
                balance=granted.balance,
                available=granted.available,
                version=granted.version,
            )
            return action_pb2.Instruction(read_points=read)


def _refusal_message(refusal: Refusal | None) -> action_pb2.Refusal | None:
    if refusal is None:
        return None
    return action_pb2.Refusal(
        reason=number_in_contract(refusal.reason),
        first_use=_use_message(refusal.first_use) if refusal.first_use else None,
        bill_references=refusal.bill_references,
        points_available=refusal.points_available,
        valid_from=time_message(refusal.valid_from),
        valid_until=time_message(refusal.valid_until),
    )


def _use_message(use: TicketUse) -> action_pb2.TicketUse:
    return action_pb2.TicketUse(
        used_at=time_message(use.used_at),
        terminal_id=use.terminal_id,
        direction=number_in_contract(use.direction),
    )


def _money_message(money: Money | None) -> money_pb2.Money | None:
    if money is None:
        return None
    return money_pb2.Money(currency_code=money.currency_code, minor_units=money.minor_units)


def _sum_message(amounts: Iterable[Money]) -> money_pb2.Money | None:
    """Return the sum of amounts of one currency.

    None for no amounts, and for several currencies, which have no sum.
    """
    total: Money | None = None
    for money in amounts:
        if total is not None and total.currency_code != money.currency_code:
            return None
        total = total.plus(money.minor_units) if total else money
    return _money_message(total)
