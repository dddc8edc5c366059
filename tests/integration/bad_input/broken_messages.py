"""Requests that break a rule about several fields, by the id of the rule."""

from collections.abc import Callable
from typing import Any

from tallymark.v1 import action_pb2
from tests.world.actions import CHARGE_REST, burn, charge, earn, pay_bill
from tests.world.messages import euro

__all__ = ["BROKEN_MESSAGES"]

A_PROCESS_ID = "00" + "f" * 32


def _no_one_identified(request: Any) -> None:
    request.identification.ClearField("by")


def _identified_by_process(request: Any) -> None:
    request.identification.process_id = A_PROCESS_ID


def _two_charges(request: Any) -> None:
    request.actions.extend([charge(1), CHARGE_REST, earn(1), earn(1), burn(1)])


def _a_bill_on_no_remainder(request: Any) -> None:
    del request.actions[:]
    request.actions.extend([charge(1), pay_bill("B-1", action_pb2.FUNDING_CARD)])


def _a_charge_completed_at_once(request: Any) -> None:
    request.complete_on_instruction = True


def _an_action_of_no_kind(request: Any) -> None:
    request.actions.add()


def _a_charge_of_nothing_said(request: Any) -> None:
    request.actions[0].charge.ClearField("what")


def _a_charge_of_zero(request: Any) -> None:
    request.actions[0].charge.amount.CopyFrom(euro(0))


def _a_reference_without_a_name(request: Any) -> None:
    request.reference.identification.telephone_number = "+4930123456"


def _a_reference_to_nobody(request: Any) -> None:
    request.reference.identification.ClearField("by")


def _a_ticket_code_without_ticket(request: Any) -> None:
    request.ClearField("ticket")


def _a_bill_of_zero(request: Any) -> None:
    request.bills[0].amount.minor_units = 0


_OF_REFERENCES: dict[str, Callable[[Any], None]] = {
    "process_reference.complete": _a_reference_without_a_name,
    "Identification.by": _a_reference_to_nobody,
}


def _a_longer_time_to_confirm_than_to_live(request: Any) -> None:
    request.policy.confirm_within_seconds = request.policy.close_after_seconds + 1


def _processes_forgotten_before_they_are_past_reversal(request: Any) -> None:
    request.policy.reversal_window_seconds = 86_400 * request.policy.keep_processes_days + 1


_OF_RESOLVING: dict[str, Callable[[Any], None]] = {
    "resolve_code.identification": _identified_by_process,
    "resolve_code.actions": _two_charges,
    "resolve_code.card_bill": _a_bill_on_no_remainder,
    "resolve_code.complete_on_instruction": _a_charge_completed_at_once,
    "charge.amount": _a_charge_of_zero,
    "ChargeAction.what": _a_charge_of_nothing_said,
    "Action.kind": _an_action_of_no_kind,
    "Identification.by": _no_one_identified,
}


def _in_a_batch(break_it: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda request: break_it(request.commands[0].resolve_code)


def _a_reference_without_a_name_in_a_batch(request: Any) -> None:
    _a_reference_without_a_name(request.commands[0].complete_process)


def _a_command_to_do_nothing(request: Any) -> None:
    request.commands[0].ClearField("command")


BROKEN_MESSAGES: dict[str, dict[str, Callable[[Any], None]]] = {
    "CustomerService/IssueCode": {"issue_code.ticket": _a_ticket_code_without_ticket},
    "TerminalService/ResolveCode": _OF_RESOLVING,
    "TerminalService/GetProcess": _OF_REFERENCES,
    "TerminalService/WatchProcess": _OF_REFERENCES,
    "TerminalService/CompleteProcess": _OF_REFERENCES,
    "TerminalService/ReverseProcess": _OF_REFERENCES,
    "TerminalService/UpdatePoints": _OF_REFERENCES,
    "TerminalService/Exchange": {
        **{rule: _in_a_batch(break_it) for rule, break_it in _OF_RESOLVING.items()},
        "process_reference.complete": _a_reference_without_a_name_in_a_batch,
        "ExchangeCommand.command": _a_command_to_do_nothing,
    },
    "OperatorService/AddBills": {"bill.amount": _a_bill_of_zero},
    "OperatorService/SetPolicy": {
        "policy.confirm_within": _a_longer_time_to_confirm_than_to_live,
        "policy.keep_processes": _processes_forgotten_before_they_are_past_reversal,
    },
}
"""By RPC; every rule that is reachable from the request has a row."""
