"""What customers want: points, goods on the card, bills, the gate, or all of it in one scan."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

from tallymark.v1 import action_pb2 as a
from tallymark.v1.money_pb2 import Money
from tests.world.actions import ADMIT, CHARGE_REST, READ_POINTS, burn, charge, earn, pay_bill
from tests.world.messages import euro

__all__ = [
    "BILLS_EACH",
    "CONFIRM_FROM_CENTS",
    "TICKETS_EACH",
    "Wish",
    "bills_of",
    "everything",
    "points_only",
]

BILLS_EACH: Final = 60
TICKETS_EACH: Final = 30
"""Of each customer; they are used up in a long run, and what is refused then is tried as well."""

TROUBLESOME_CENTS: Final = (7_710, 7_751, 7_791, 7_795, 7_796)
"""Half approved, declined, turned away once, answer swallowed, answer broken: see magic amounts."""

TROUBLESOME: Final = 0.25

CONFIRM_FROM_CENTS: Final = 7_750
"""What a customer has to say yes to on the phone, most of the troublesome amounts among it."""


class Wish(NamedTuple):
    """What a sale is about."""

    actions: Sequence[a.Action]
    sale_total: Money | None = None


def bills_of(login_name: str) -> Sequence[str]:
    """Return the references of a customer's bills."""
    return [f"{login_name}-{number}" for number in range(BILLS_EACH)]


def points_only(seed: Random) -> Wish:
    """Earn, burn, both, or only read."""
    choice = seed.randrange(4)
    actions = [READ_POINTS]
    if choice in {0, 2}:
        actions.append(earn(seed.randint(1, 50)))
    if choice in {1, 2}:
        actions.append(burn(seed.randint(1, 50)))
    return Wish(actions)


def everything(login_name: str) -> Callable[[Random], Wish]:
    """Return what this customer wants: now this, now that."""
    bills = bills_of(login_name)

    def wish(seed: Random) -> Wish:
        match seed.randrange(6):
            case 0 | 1:
                return points_only(seed)
            case 2:
                return Wish([charge(_cents(seed))])
            case 3:
                return Wish([pay_bill(seed.choice(bills))])
            case 4:
                return Wish([ADMIT])
            case _:
                bill = pay_bill(seed.choice(bills), a.FUNDING_CARD)
                actions = [bill, burn(seed.randint(1, 50)), earn(1), CHARGE_REST]
                return Wish(actions, sale_total=euro(_cents(seed)))

    return wish


def _cents(seed: Random) -> int:
    if seed.random() < TROUBLESOME:
        return seed.choice(TROUBLESOME_CENTS)
    return seed.randint(100, 10_000)
