"""Settle what an earlier run left open: a power cut, a crash, or an unanswered call.

What the journal knows decides, so that no sale is made twice and none is lost:

    REVERSING                  taken back, with the same request_id as before
    SHOWN                      completed: the goods may be gone, the gate was opened
    HELD                       left alone: a person decides, with `complete` or `reverse`
    INTENT, STAGING_POINTS     the server is asked by the sale's own request_id:
        never seen             reversed, so that it does nothing if it still arrives
        failed, declined       written down
        not decided            waited for, as in the sale itself
        instructed             shown and completed while there is time, else taken back
"""

from datetime import timedelta
from typing import Final

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_terminal.journal import Journal, Sale, Stage
from tallymark_terminal.processes import Process, ProcessKnowledge, ProcessState
from tallymark_terminal.sale import UNDECIDED, SaleLoop
from tallymark_terminal.sale_results import Outcome, SaleResult
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.settling import Settling, unknown_result, with_process

__all__ = ["EXECUTE_WITHIN_SECONDS", "Recovery"]

EXECUTE_WITHIN_SECONDS: Final = 60.0
"""For a process that does not say until when it may be executed; the policy's default."""


class Recovery:
    """Goes on with open sales."""

    def __init__(
        self, *, journal: Journal, clock: ServerClock, sale_loop: SaleLoop, settling: Settling
    ) -> None:
        """Take the parts."""
        self._journal = journal
        self._clock = clock
        self._sale_loop = sale_loop
        self._settling = settling

    async def unsettled(self) -> list[Sale]:
        """Return the sales to settle, the oldest first; those on hold are not among them."""
        return [sale for sale in await self._journal.open_sales() if sale.stage is not Stage.HELD]

    async def forget_old(self) -> None:
        """Drop settled sales from the journal that nobody can ask for any more."""
        await self._journal.forget_before(self._clock.now_seconds())

    async def resume(self, sale: Sale) -> SaleResult:
        """Go on with one sale until it is settled or the server gives no answer."""
        if sale.stage is Stage.REVERSING:
            return await self._settling.reverse(sale, note=sale.reverse_note)
        if sale.stage is Stage.SHOWN:
            return await self._settling.complete(sale)
        knowledge = await self._settling.look(sale)
        if knowledge is None:
            return unknown_result(sale, None, None)
        if knowledge.knowledge is ProcessKnowledge.FAILED:
            failed = Refused(_reason(knowledge.failed_reason), message=knowledge.failed_reason)
            return await self._settling.end(sale, Outcome.REFUSED, None, because=failed)
        if knowledge.process is None:
            return await self._settling.reverse(sale, note="interrupted before it arrived")
        sale = with_process(sale, knowledge.process)
        if self._is_too_late(sale, knowledge.process):
            return await self._settling.reverse(sale, note="interrupted before it was shown")
        return await self._sale_loop.follow(sale, knowledge.process)

    def _is_too_late(self, sale: Sale, process: Process) -> bool:
        """Say whether the customer has gone, so that showing it now would help nobody."""
        if process.state in UNDECIDED:
            return False
        if process.is_final:
            # A gate that did not open must not use up the ticket. Whatever else is completed
            # without this terminal was settled by a person.
            is_ours = process.state is ProcessState.COMPLETED and sale.completes_by_itself
            if not is_ours or process.reversed_by_process_id:
                return False
        until = process.execute_by
        if until is None and process.created_at is not None:
            until = process.created_at + timedelta(seconds=EXECUTE_WITHIN_SECONDS)
        return until is not None and self._clock.now() > until


def _reason(name: str) -> Reason | None:
    """Return the reason with this name, if this version knows it."""
    return Reason(name) if name in Reason.__members__ else None
