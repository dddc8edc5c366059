"""How often a customer is asked about sales at which somebody gave their telephone number.

Whoever knows a number can have its owner's phone ask at any terminal. One who is asked often enough
says yes at last to be left alone, so a customer is asked one thing at a time, and after a few
questions without a yes not at all for a while. The terminal is not told: for it, that is one more
number that does not answer.
"""

from typing import Final

import msgspec

from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Process, ProcessState

__all__ = ["PAUSE_SECONDS", "PAUSE_SECONDS_MAX", "UNANSWERED_MAX", "may_ask", "remember_prompt"]

UNANSWERED_MAX: Final = 3
"""Questions in a row without a yes: a mistyped number, or a phone left in the other room."""

PAUSE_SECONDS: Final = 3_600
"""Pause after them, and twice as long after each further one: an attack of a day asks 7 times."""

PAUSE_SECONDS_MAX: Final = 24 * 3_600
"""Longest pause, so that the owner of the number is never shut out for good."""


def may_ask(customer: Customer, now: int) -> bool:
    """Say whether the customer may be asked now about a sale by telephone number."""
    return not customer.prompt_process_id and now >= customer.prompts_from


def remember_prompt(customer: Customer, process: Process) -> Customer:
    """Return the customer as one of these processes leaves them: being asked, or asked no more."""
    if process.by_telephone and process.state is ProcessState.AWAITING_CUSTOMER:
        return msgspec.structs.replace(customer, prompt_process_id=process.process_id)
    if customer.prompt_process_id != process.process_id:
        return customer
    unanswered = 0 if process.is_confirmed else customer.prompts_unanswered + 1
    return msgspec.structs.replace(
        customer,
        prompt_process_id="",
        prompts_unanswered=unanswered,
        prompts_from=process.ended_at + 1000 * _pause_seconds(unanswered),
    )


def _pause_seconds(unanswered: int) -> int:
    if unanswered < UNANSWERED_MAX:
        return 0
    return min(PAUSE_SECONDS_MAX, PAUSE_SECONDS << min(unanswered - UNANSWERED_MAX, 10))
