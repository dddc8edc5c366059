"""Numbers, times, amounts and uses of tickets as values of the contract."""

from enum import IntEnum
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import (
    action_pb2,
    money_pb2,
)
from tallymark_server.domain.model.registrations import (
    TicketUse,
)
from tallymark_server.domain.money import Money

__all__ = ["money_message", "number_in_contract", "time_message", "use_message"]


def number_in_contract(value: IntEnum) -> Any:  # noqa: ANN401 -- each enum of the contract is a type of its own
    """Return a domain value as the enum of the contract that has the same numbers."""
    return value.value


def time_message(milliseconds: int) -> Timestamp | None:
    """Return a time; None for the 0 that stands for no time."""
    if not milliseconds:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000_000)


def money_message(money: Money | None) -> money_pb2.Money | None:
    """Return an amount; None for none."""
    if money is None:
        return None
    return money_pb2.Money(currency_code=money.currency_code, minor_units=money.minor_units)


def use_message(use: TicketUse) -> action_pb2.TicketUse:
    """Return one pass through a gate."""
    return action_pb2.TicketUse(
        used_at=time_message(use.used_at),
        terminal_id=use.terminal_id,
        direction=number_in_contract(use.direction),
    )
