"""The calls that a sale makes, whichever way they travel: one by one, or over a stream."""

from typing import Protocol

from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.answers import Completion, Knowledge, Reversal
from tallymark_terminal.identification import Identification, ProcessReference
from tallymark_terminal.processes import Process

__all__ = ["SaleCalls"]


class SaleCalls(Protocol):
    """Each raises TallymarkError; the same values again are the same request."""

    async def resolve_code(
        self, *, request_id: str, identification: Identification, request: SaleRequest
    ) -> Process:
        """Ask what to do."""

    async def get_process(self, reference: ProcessReference) -> Knowledge:
        """Ask what the server knows of a process."""

    async def complete_process(self, *, request_id: str, reference: ProcessReference) -> Completion:
        """Report that the instructions were executed."""

    async def reverse_process(
        self, *, request_id: str, reference: ProcessReference, note: str
    ) -> Reversal:
        """Give a process up, or take a completed one back."""

    async def update_points(
        self, *, request_id: str, reference: ProcessReference, version: int, new_balance: int
    ) -> Process:
        """Report the balance that the points account is to have."""
