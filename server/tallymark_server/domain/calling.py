"""Who calls, as a row."""

from tallymark_server.domain.commands import Command
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.state import Draft

__all__ = ["calling_customer"]


def calling_customer(draft: Draft, command: Command) -> Customer:
    """Return the customer who calls."""
    customer = draft.get(Customer.key_of(command.partition, command.caller.caller_id))
    assert customer is not None, "a signed-in customer exists"
    return customer
