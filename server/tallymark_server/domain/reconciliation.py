"""Compares how charges stand here with how they stand at the credit institution.

What is not asked for or released here has no line there, a decline, or a reversal. What is held
here is decided there, and what is taken here is captured there, with the same amount.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum, IntEnum, auto
from typing import Final

from tallymark_server.domain.authorisation import AuthorisationState, ListedAuthorisation
from tallymark_server.domain.model.actions import Action, ChargeGrant, Settlement
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.money import Money
from tallymark_server.domain.value import Value

__all__ = ["Charge", "Difference", "DifferenceKind", "charges_of", "compare", "sums"]


class DifferenceKind(IntEnum):
    """How a charge differs; numbers as in the contract."""

    ONLY_HERE = 1
    ONLY_THERE = 2
    AMOUNT = 3
    STATE = 4


class Charge(Value, frozen=True, kw_only=True):
    """A charge as the server knows it, with what undid it taken into account."""

    authorisation_id: str
    process_id: str
    settlement: Settlement
    amount: Money | None
    """What is held or taken; None for nothing."""

    is_taken: bool
    is_under_way: bool
    """Whether something is still to be done about it, so that both sides may change."""


class Difference(Value, frozen=True, kw_only=True):
    """A charge about which the two sides differ; one of them may not have it at all."""

    kind: DifferenceKind
    authorisation_id: str
    here: Charge | None
    there: ListedAuthorisation | None

    @property
    def is_under_way(self) -> bool:
        """Whether it may end by itself."""
        return self.here is not None and self.here.is_under_way


class _Stand(Enum):
    NOTHING = auto()
    HELD = auto()
    TAKEN = auto()
    UNDECIDED = auto()


_TO_BE_TAKEN: Final = {Settlement.CAPTURE_PENDING, Settlement.SETTLED, Settlement.MANUAL}
"""In a completed process. In others these are about what is given back."""


def charges_of(process: Process, reversal: Process | None) -> Iterator[Charge]:
    """Yield the charges of a process that is itself no reversal; it may have been undone by one."""
    for place, action in enumerate(process.actions):
        if action.authorisation is not None:
            last = reversal.actions[place] if reversal else action
            yield _charge(process, last, is_undone=reversal is not None)


def compare(
    authorisation_id: str, here: Charge | None, there: ListedAuthorisation | None
) -> Difference | None:
    """Return how two records of one charge differ, or None."""
    kind = None
    if here is None:
        kind = DifferenceKind.ONLY_THERE
    elif there is None:
        kind = DifferenceKind.ONLY_HERE if here.amount else None
    elif _stand_here(here) is not _stand_there(there):
        kind = DifferenceKind.STATE
    elif here.amount != there.amount:
        kind = DifferenceKind.AMOUNT
    if kind is None:
        return None
    return Difference(kind=kind, authorisation_id=authorisation_id, here=here, there=there)


def sums(amounts: Iterable[Money | None]) -> list[Money]:
    """Return the sum of each currency, by its code."""
    totals: Counter[str] = Counter()
    for money in amounts:
        if money is not None:
            totals[money.currency_code] += money.minor_units
    return [Money(currency_code=code, minor_units=totals[code]) for code in sorted(totals)]


def _charge(process: Process, last: Action, *, is_undone: bool) -> Charge:
    granted, authorisation = last.grant, last.authorisation
    assert isinstance(granted, ChargeGrant), "only charges are authorised"
    assert authorisation is not None, "the caller has checked it"
    is_completed = process.state is ProcessState.COMPLETED and not is_undone
    is_taken = is_completed and last.settlement in _TO_BE_TAKEN
    counts = is_taken or last.settlement is Settlement.HELD
    return Charge(
        authorisation_id=authorisation.authorisation_id,
        process_id=process.process_id,
        settlement=last.settlement,
        amount=granted.amount if counts else None,
        is_taken=is_taken,
        is_under_way=authorisation.task is not None or not process.is_final,
    )


def _stand_here(charge: Charge) -> _Stand:
    if charge.amount is None:
        return _Stand.NOTHING
    return _Stand.TAKEN if charge.is_taken else _Stand.HELD


def _stand_there(listed: ListedAuthorisation) -> _Stand:
    if listed.state is AuthorisationState.UNKNOWN:
        return _Stand.UNDECIDED
    if listed.state is AuthorisationState.CAPTURED:
        return _Stand.TAKEN
    is_held = listed.state is AuthorisationState.DECIDED and listed.amount is not None
    return _Stand.HELD if is_held else _Stand.NOTHING
