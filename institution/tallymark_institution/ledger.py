"""Where authorisations are remembered: in memory, and in a journal file if there is one."""

from collections.abc import Iterable
from typing import Protocol

from tallymark_institution.authorisation import Authorisation, State

__all__ = ["ForgetfulJournal", "Ledger", "LedgerJournal"]


class LedgerJournal(Protocol):
    """What makes the ledger outlive the process."""

    def append(self, authorisation: Authorisation) -> None:
        """Begin to write a changed authorisation; does not wait."""

    async def flushed(self) -> None:
        """Return when everything appended so far is kept. Raises OSError."""


class ForgetfulJournal:
    """Keeps nothing: a restart begins afresh."""

    def append(self, authorisation: Authorisation) -> None:
        """Forget it."""

    async def flushed(self) -> None:
        """Return at once."""


class Ledger:
    """Authorisations by id. Whoever tells of one first awaits `flushed`: what is told is kept."""

    def __init__(
        self, journal: LedgerJournal, authorisations: Iterable[Authorisation] = ()
    ) -> None:
        """Start with what the journal remembered; of two with one id the later one counts."""
        self._journal = journal
        self._by_id = {known.authorisation_id: known for known in authorisations}

    def get(self, authorisation_id: str) -> Authorisation | None:
        """Return what is remembered under this id."""
        return self._by_id.get(authorisation_id)

    def between(self, since: float, until: float) -> list[Authorisation]:
        """Return what first arrived in this span (seconds since 1970), oldest first."""
        found = [
            known
            for known in self._by_id.values()
            if since <= known.arrived_at < until and known.state is not State.TURNED_AWAY
        ]
        return sorted(found, key=lambda known: (known.arrived_at, known.authorisation_id))

    def put(self, authorisation: Authorisation) -> None:
        """Remember an authorisation; one that has not changed costs nothing."""
        if self._by_id.get(authorisation.authorisation_id) != authorisation:
            self._by_id[authorisation.authorisation_id] = authorisation
            self._journal.append(authorisation)

    async def flushed(self) -> None:
        """Return when everything put so far would outlive the process. Raises OSError."""
        await self._journal.flushed()
