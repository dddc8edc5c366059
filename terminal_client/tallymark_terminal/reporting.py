"""Tell a server that was restored from a backup what was executed since.

The server asks for it along with its keys. It gets back what it had sealed itself for each sale, so
it believes it, and knows again that a ticket was used, a bill paid, points spent, a card charged.
What was taken back since is taken back again, under the same request_id. Asked again, nothing
counts twice.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from tallymark_protocol.errors import Refused, TallymarkError
from tallymark_terminal.journal import Journal, Stage
from tallymark_terminal.key_table import OpenRecovery
from tallymark_terminal.server_connection import ServerConnection

__all__ = ["Reporting"]

RECORDS_MAX: Final = 50
RECORD_BYTES_MAX: Final = 48 * 1024
"""Of one call; the server takes more."""

MARGIN_SECONDS: Final = 600.0
"""Reported from so much earlier: the times of this terminal are those of the server, almost."""


class Reporting:
    """Answers the server's question, once for each recovery."""

    def __init__(
        self, *, server: ServerConnection, journal: Journal, warn: Callable[[str], None]
    ) -> None:
        """Take the server, what was written down, and what shows a warning."""
        self._server = server
        self._journal = journal
        self._warn = warn

    async def answer(self, asked: OpenRecovery) -> None:
        """Report everything, unless that was done; what fails is tried again later."""
        if await self._journal.has_reported(asked.recovery_id):
            await self._report_open(asked)
            return
        self._warn("The server was restored from a backup. This terminal reports what it sold.")
        with suppress(TallymarkError):
            await self._report(asked)
            await self._take_back_again(asked)
            await self._journal.keep_report(asked.recovery_id)

    async def _report_open(self, asked: OpenRecovery) -> None:
        """Report what is shown and cannot be completed: a sale on hold that was completed since."""
        records = [
            sale.sealed_record
            for sale in await self._journal.open_sales()
            if sale.stage is Stage.SHOWN and sale.sealed_record
        ]
        for batch in _batches(records):
            with suppress(TallymarkError):
                await self._server.report_sales(
                    recovery_id=asked.recovery_id, sealed_records=batch, is_last=True
                )

    async def _report(self, asked: OpenRecovery) -> None:
        sales = await self._journal.executed_since(asked.lost_since - MARGIN_SECONDS)
        batches = [*_batches(sale.sealed_record for sale in sales if sale.sealed_record)] or [[]]
        problems = 0
        for place, batch in enumerate(batches, start=1):
            problems += await self._server.report_sales(
                recovery_id=asked.recovery_id,
                sealed_records=batch,
                is_last=place == len(batches),
            )
        if problems:
            self._warn(f"{problems} of {len(sales)} sales have to be looked at by the operator.")

    async def _take_back_again(self, asked: OpenRecovery) -> None:
        for sale in await self._journal.taken_back_since(asked.lost_since - MARGIN_SECONDS):
            with suppress(Refused):  # what the server has lost as a whole needs no taking back
                await self._server.reverse_process(
                    request_id=str(sale.reverse_request_id),
                    reference=sale.reference,
                    note=sale.reverse_note,
                )


def _batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the records in groups that fit into a call."""
    batch: list[bytes] = []
    size_bytes = 0
    for record in records:
        if batch and (len(batch) == RECORDS_MAX or size_bytes + len(record) > RECORD_BYTES_MAX):
            yield batch
            batch, size_bytes = [], 0
        batch.append(record)
        size_bytes += len(record)
    if batch:
        yield batch
