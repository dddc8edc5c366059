"""Money that moves without the customer's confirmation, and how much of it there may be in a day.

Thieves of codes work below the floor from which customers confirm. So what is below it is counted,
by customer and by new terminal, and beyond either bound of the policy the customer is asked.

A charge counts from when it is granted unasked, on the day of its scan. It stops counting for its
customer only if the credit institution refused it or never answered: then no money moved, and one
card that does not work costs nobody the day. Whatever else becomes of it, it goes on counting,
because terminals, and whoever holds a code, can bring that about as often as they like: charging,
reversing and charging again must not begin at nothing. A new terminal's count is never taken back:
many refused cards are what a thief's terminal looks like.
"""

import msgspec

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import Policy, Terminal
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.model.tallies import DAY_MILLISECONDS, Tally, TerminalDay, day_of
from tallymark_server.domain.state import Draft

__all__ = ["count_unconfirmed", "has_room", "take_back"]


def has_room(draft: Draft, policy: Policy, process: Process) -> bool:
    """Say whether the process may charge the card unasked, by what was charged so this day."""
    amount = _amount(process)
    if not amount:
        return True
    own = _customer(draft, process).unconfirmed.on(_day(process)).plus(1, amount)
    if own.count > policy.unconfirmed_count_max or own.minor_units > policy.unconfirmed_sum_max:
        return False
    terminal = _tally_of_new_terminal(draft, policy, process)
    if terminal is None:
        return True
    sold = terminal.plus(1, amount)
    return (
        sold.count <= policy.new_terminal_count_max
        and sold.minor_units <= policy.new_terminal_sum_max
    )


def count_unconfirmed(draft: Draft, policy: Policy, process: Process) -> None:
    """Count a charge that goes on unasked."""
    amount = _amount(process)
    if not amount:
        return
    customer = _customer(draft, process)
    tally = customer.unconfirmed.on(_day(process)).plus(1, amount)
    draft.put(msgspec.structs.replace(customer, unconfirmed=tally))
    terminal = _tally_of_new_terminal(draft, policy, process)
    if terminal is not None:
        draft.put(
            TerminalDay(
                partition=DIRECTORY,
                terminal_id=process.terminal_id,
                tally=terminal.plus(1, amount),
            )
        )


def take_back(draft: Draft, process: Process) -> None:
    """Count a charge no more for its customer: the institution refused it, or never answered."""
    customer = _customer(draft, process)
    if process.is_confirmed or customer.unconfirmed.day != _day(process):
        return
    tally = customer.unconfirmed.plus(-1, -_amount(process))
    draft.put(msgspec.structs.replace(customer, unconfirmed=tally))


def _tally_of_new_terminal(draft: Draft, policy: Policy, process: Process) -> Tally | None:
    """Return what the terminal charged this day; None if it is not new any more."""
    terminal = draft.get(Terminal.key_of(process.terminal_id))
    assert terminal is not None, "a calling terminal exists"
    new_since = max(terminal.enrolled_at, terminal.delegated_at)
    age_days = (process.created_at - new_since) // DAY_MILLISECONDS
    if age_days >= policy.new_terminal_days:
        return None
    kept = draft.get(TerminalDay.key_of(process.terminal_id))
    return (kept.tally if kept else Tally()).on(_day(process))


def _amount(process: Process) -> int:
    """Return what the card is to pay, in minor units of whatever currency."""
    return process.card_total.minor_units if process.card_total else 0


def _day(process: Process) -> int:
    return day_of(process.created_at)


def _customer(draft: Draft, process: Process) -> Customer:
    customer = draft.get(Customer.key_of(process.partition, process.customer_id))
    assert customer is not None, "a process that charges has a customer"
    return customer
