"""Processes and receipts as messages: what terminals and customers may see is decided here."""

from collections.abc import Iterable

from tallymark.v1 import (
    key_pb2,
    money_pb2,
    process_pb2,
)
from tallymark_server.domain.model.actions import (
    Funding,
    PayBillGrant,
)
from tallymark_server.domain.model.processes import (
    Process,
    ProcessState,
    SignedAnswer,
    StagedBalance,
)
from tallymark_server.domain.money import Money
from tallymark_server.services.actions_out import outcome_message, refusal_message
from tallymark_server.services.values_out import (
    money_message,
    number_in_contract,
    time_message,
)

__all__ = ["process_message", "receipt_message"]

_UNDECIDED = {ProcessState.AWAITING_CUSTOMER, ProcessState.AUTHORISING}

_EXECUTABLE = {ProcessState.INSTRUCTED, ProcessState.OVERDUE, ProcessState.COMPLETED}


def process_message(process: Process, *, customer_reference: str | None) -> process_pb2.Process:
    """Return a process for its terminal, or for its customer (no customer reference).

    A terminal learns instructions only when everything is granted. What it may know of a customer
    identified by telephone, `as_terminal_sees` has decided before.
    """
    for_terminal = customer_reference is not None
    undecided = process.state in _UNDECIDED
    with_instruction = not for_terminal or process.state in _EXECUTABLE
    return process_pb2.Process(
        process_id=process.process_id,
        state=number_in_contract(process.state),
        version=process.version,
        actions=[
            outcome_message(action, with_instruction=with_instruction) for action in process.actions
        ],
        merchant_id=process.merchant_id,
        merchant_name=process.merchant_name,
        terminal_id=process.terminal_id,
        created_at=time_message(process.created_at),
        confirm_by=time_message(process.confirm_by),
        poll_until=time_message(process.closes_at if undecided else 0),
        execute_by=time_message(process.execute_by),
        ended_at=time_message(process.ended_at),
        refusal=refusal_message(process.refusal),
        customer_reference="" if undecided else customer_reference or "",
        confirmation_digits=process.digits if for_terminal else "",
        digits_needed=process.by_telephone and not for_terminal,
        confirmed_by_customer=process.is_confirmed,
        sale_total=money_message(process.sale_total),
        card_total=money_message(process.card_total),
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
        actions=[outcome_message(action, with_instruction=True) for action in process.actions],
        sale_total=money_message(process.sale_total),
        card_total=money_message(process.card_total),
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
        confirmation=_confirmation_message(process.signed_yes) if process.is_confirmed else None,
    )


def _confirmation_message(answer: SignedAnswer | None) -> process_pb2.Confirmation | None:
    if answer is None:
        return None
    return process_pb2.Confirmation(
        statement=answer.statement,
        signature=answer.signature,
        device_key=key_pb2.PublicKey(
            algorithm=answer.device_key.algorithm,  # type: ignore[arg-type]  # the same numbers
            key_bytes=answer.device_key.key_bytes,
        ),
        device_id=answer.device_id,
        confirmed_at=time_message(answer.answered_at),
    )


def _staged_message(staged: StagedBalance | None) -> process_pb2.StagedBalance | None:
    if staged is None:
        return None
    return process_pb2.StagedBalance(new_balance=staged.new_balance, difference=staged.difference)


def _sum_message(amounts: Iterable[Money]) -> money_pb2.Money | None:
    """Return the sum of amounts of one currency.

    None for no amounts, and for several currencies, which have no sum.
    """
    total: Money | None = None
    for money in amounts:
        if total is not None and total.currency_code != money.currency_code:
            return None
        total = total.plus(money.minor_units) if total else money
    return money_message(total)
