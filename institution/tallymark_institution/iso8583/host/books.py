"""The host's books: what it holds, has taken and has given back, by retrieval reference number."""

import hashlib
from enum import StrEnum

import msgspec

from tallymark_institution.iso8583 import response_codes
from tallymark_institution.iso8583.host.faults import Quirk, fault_of

__all__ = ["Books", "Entry", "State"]


class State(StrEnum):
    """What became of the money."""

    DECLINED = "DECLINED"
    HELD = "HELD"
    TAKEN = "TAKEN"
    RETURNED = "RETURNED"


class Entry(msgspec.Struct, kw_only=True):
    """One charge as the host sees it."""

    reference: str
    minor_units: int
    """Amount that is held, taken or was returned."""
    state: State
    code: str
    approval: str = ""
    quirk: Quirk
    reversal_tries: int = 0
    capture_tries: int = 0


class Books:
    """What the host remembers. It books what it is told, sensible or not."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.entries: dict[str, Entry] = {}

    def authorise(self, reference: str, minor_units: int) -> Entry:
        """Decide by the amount, and hold it if approved."""
        fault = fault_of(minor_units)
        code = fault.response_code
        is_partial = code == response_codes.PARTIALLY_APPROVED
        is_approved = is_partial or code == response_codes.APPROVED
        entry = Entry(
            reference=reference,
            minor_units=minor_units // 2 if is_partial else minor_units,
            state=State.HELD if is_approved else State.DECLINED,
            code=code,
            approval=_approval(reference) if is_approved else "",
            quirk=fault.quirk,
        )
        self.entries[reference] = entry
        return entry

    def capture(self, reference: str) -> str:
        """Take what is held, and return the response code."""
        entry = self.entries.get(reference)
        if entry is None:
            return response_codes.UNABLE_TO_LOCATE
        entry.capture_tries += 1
        if entry.quirk is Quirk.CAPTURE_REFUSED:
            return "57"
        if entry.state is State.HELD:
            entry.state = State.TAKEN
        return response_codes.APPROVED if entry.state is State.TAKEN else "12"

    def reverse(self, reference: str) -> str:
        """Give back what is held or taken, and return the response code."""
        entry = self.entries.get(reference)
        if entry is None:
            return response_codes.UNABLE_TO_LOCATE
        entry.reversal_tries += 1
        if entry.quirk is Quirk.REVERSAL_REFUSED:
            return "21"
        if entry.quirk is Quirk.REVERSAL_PUT_OFF and entry.reversal_tries == 1:
            return "91"
        if entry.state is not State.DECLINED:
            entry.state = State.RETURNED
        return response_codes.APPROVED


def _approval(reference: str) -> str:
    return hashlib.sha256(reference.encode()).hexdigest()[:6].upper()
