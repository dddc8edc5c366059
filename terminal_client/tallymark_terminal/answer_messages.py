"""Messages of the contract as the terminal's values, on their way in; see server_connection.py."""

import json

from google.protobuf import json_format

from tallymark.v1 import process_pb2, terminal_service_pb2
from tallymark_terminal.action_messages import (
    money_value,
    named,
    outcome_value,
    refusal_value,
    time_value,
)
from tallymark_terminal.answers import (
    Completion,
    Knowledge,
    Receipt,
    ReceiptPosting,
    Reversal,
)
from tallymark_terminal.processes import (
    Process,
    ProcessKnowledge,
    ProcessState,
    ReversalOutcome,
    ReversalRefusal,
    StagedBalance,
)

__all__ = ["completion_value", "knowledge_value", "process_value", "reversal_value"]


def process_value(message: process_pb2.Process) -> Process:
    """Return a process."""
    staged = message.staged_balance
    return Process(
        process_id=message.process_id,
        state=named(ProcessState, process_pb2.ProcessState, message.state),
        version=message.version,
        actions=tuple(outcome_value(outcome) for outcome in message.actions),
        merchant_name=message.merchant_name,
        terminal_id=message.terminal_id,
        created_at=time_value(message.created_at),
        confirm_by=time_value(message.confirm_by),
        poll_until=time_value(message.poll_until),
        execute_by=time_value(message.execute_by),
        ended_at=time_value(message.ended_at),
        refusal=refusal_value(message.refusal) if message.HasField("refusal") else None,
        customer_reference=message.customer_reference,
        confirmation_digits=message.confirmation_digits,
        confirmed_by_customer=message.confirmed_by_customer,
        sale_total=money_value(message.sale_total),
        card_total=money_value(message.card_total),
        reverses_process_id=message.reverses_process_id,
        reversed_by_process_id=message.reversed_by_process_id,
        staged_balance=StagedBalance(new_balance=staged.new_balance, difference=staged.difference)
        if message.HasField("staged_balance")
        else None,
        disputed=message.disputed,
        points_debt=message.points_debt,
        sealed_record=message.sealed_record,
    )


def knowledge_value(
    message: terminal_service_pb2.GetProcessResponse, *, checkpoint: str
) -> Knowledge:
    """Return the answer of GetProcess, with the checkpoint that came with it."""
    return Knowledge(
        knowledge=named(ProcessKnowledge, terminal_service_pb2.ProcessKnowledge, message.knowledge),
        process=process_value(message.process) if message.HasField("process") else None,
        receipt=_receipt_value(message.receipt) if message.HasField("receipt") else None,
        failed_reason=message.failed_reason,
        checkpoint=checkpoint,
    )


def completion_value(
    message: terminal_service_pb2.CompleteProcessResponse, *, checkpoint: str
) -> Completion:
    """Return the answer of CompleteProcess, with the checkpoint that came with it."""
    return Completion(
        process=process_value(message.process),
        receipt=_receipt_value(message.receipt) if message.HasField("receipt") else None,
        checkpoint=checkpoint,
    )


def reversal_value(
    message: terminal_service_pb2.ReverseProcessResponse, *, checkpoint: str
) -> Reversal:
    """Return the answer of ReverseProcess, with the checkpoint that came with it."""
    outcome = named(ReversalOutcome, terminal_service_pb2.ReversalOutcome, message.outcome)
    refused = named(ReversalRefusal, terminal_service_pb2.ReversalRefusal, message.refused_because)
    return Reversal(
        outcome=outcome,
        refused_because=refused if outcome is ReversalOutcome.REFUSED else None,
        process=process_value(message.process) if message.HasField("process") else None,
        reversal=process_value(message.reversal) if message.HasField("reversal") else None,
        checkpoint=checkpoint,
    )


def _receipt_value(message: process_pb2.Receipt) -> Receipt:
    return Receipt(
        receipt_number=message.receipt_number,
        merchant_name=message.merchant_name,
        terminal_id=message.terminal_id,
        completed_at=time_value(message.completed_at),
        actions=tuple(outcome_value(outcome) for outcome in message.actions),
        sale_total=money_value(message.sale_total),
        card_total=money_value(message.card_total),
        paid_at_terminal=money_value(message.paid_at_terminal),
        postings=tuple(
            ReceiptPosting(
                programme_id=posting.programme_id,
                points=posting.points,
                balance_after=posting.balance_after,
            )
            for posting in message.postings
        ),
        confirmed_by_customer=message.confirmed_by_customer,
        reverses_process_id=message.reverses_process_id,
        reversed_by_process_id=message.reversed_by_process_id,
        is_signed=message.HasField("confirmation"),
        document=json.dumps(
            json_format.MessageToDict(message, preserving_proto_field_name=True),
            ensure_ascii=False,
        ),
    )
