"""Both sides of a day of charges, compared without the server's help."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1.credit_institution_service_pb2_grpc import CreditInstitutionServiceStub
from tallymark_server.domain.model.actions import Settlement
from tallymark_server.domain.model.processes import Process, ProcessState
from tests.doubles.unreliable_institution import Fault

__all__ = ["Books", "Entry", "broken_promises", "charged_twice", "read_books"]

_ENDS: Final = {Settlement.NONE, Settlement.SETTLED, Settlement.RELEASED, Settlement.MANUAL}


class Entry(NamedTuple):
    """An authorisation as the institution lists it."""

    is_taken: bool
    minor_units: int
    """Held or taken; 0 for nothing."""


Books = Mapping[str, Entry]

_NOTHING: Final = Entry(is_taken=False, minor_units=0)


async def read_books(stub: CreditInstitutionServiceStub, *, since: int, until: int) -> Books:
    """Return what first arrived in this span (milliseconds since 1970), by authorisation."""
    request = contract.ListAuthorizationsRequest(page_size=1000)
    request.since.FromMilliseconds(since)
    request.until.FromMilliseconds(until)
    found: dict[str, Entry] = {}
    while True:
        answer = await stub.ListAuthorizations(request)
        for one in answer.authorizations:
            is_taken = one.state == contract.AUTHORIZATION_STATE_CAPTURED
            found[one.authorisation_id] = Entry(is_taken, one.amount.minor_units)
        request.page_token = answer.next_page_token
        if not request.page_token:
            return found


def charged_twice(books: Books) -> int:
    """Count the processes for which an amount was taken more than once."""
    taken = Counter(
        identifier.partition("-")[0] for identifier, entry in books.items() if entry.is_taken
    )
    return sum(count > 1 for count in taken.values())


def broken_promises(
    processes: Iterable[Process], books: Books, faults: Mapping[str, Fault]
) -> list[str]:
    """Say what is taken and not sold, sold and not taken, still held, or known to one side only."""
    left = dict(books)
    broken = []
    for process in processes:
        if process.reverses:
            continue
        identifier = f"{process.process_id}-0"
        assert process.card_total is not None, "every process charges"
        is_sold = process.state is ProcessState.COMPLETED and not process.reversed_by
        due = Entry(is_sold, process.card_total.minor_units if is_sold else 0)
        if left.pop(identifier, _NOTHING) != due:
            broken.append(f"{process.process_id}: {faults.get(identifier, Fault.NONE)}")
        if process.actions[0].settlement not in _ENDS:
            broken.append(f"{process.process_id} is not settled")
    return [*broken, *(f"{identifier} is known to one side only" for identifier in left)]
