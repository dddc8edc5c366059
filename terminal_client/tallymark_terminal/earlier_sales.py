"""Look at a sale that was made before, complete it, or take it back."""

from dataclasses import dataclass, replace

from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_terminal.answers import Knowledge
from tallymark_terminal.identification import ProcessReference
from tallymark_terminal.journal import Journal, Sale, Stage
from tallymark_terminal.processes import Process, ProcessKnowledge, ProcessState
from tallymark_terminal.repeating import is_not_accepted
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.sale_results import Outcome, SaleResult
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.server_connection import ServerConnection
from tallymark_terminal.settling import Settling

__all__ = ["EarlierSales", "NoSuchSale"]

_PROCESS_ID_CHARACTERS = 34


class NoSuchSale(Exception):
    """The journal has no sale to do this with; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierSales:
    """Works on one sale, named by its request id or process id."""

    server: ServerConnection
    journal: Journal
    clock: ServerClock
    settling: Settling
    request_ids: RequestIds

    async def status(self, given_id: str | None) -> SaleResult:
        """Return where a sale stands, by default the last one; raises NoSuchSale."""
        sale = await self._find(given_id)
        try:
            knowledge = await self.server.get_process(_reference(sale))
        except UnknownOutcome as unknown:
            return SaleResult(
                outcome=Outcome.UNKNOWN,
                request_id=sale.request_id,
                reason=unknown.reason,
                message=unknown.message,
            )
        except Refused as refused:
            return SaleResult(
                outcome=Outcome.NOT_ACCEPTED if is_not_accepted(refused) else Outcome.REFUSED,
                request_id=sale.request_id,
                reason=refused.reason,
                message=refused.message,
            )
        return _status(sale, knowledge)

    async def receipt(self, given_id: str | None) -> SaleResult:
        """Return a sale with its receipt; one without is refused with RECEIPT_NOT_READY."""
        result = await self.status(given_id)
        is_told = result.outcome not in {Outcome.UNKNOWN, Outcome.NOT_ACCEPTED}
        if result.receipt is not None or not is_told:
            return result
        return SaleResult(
            outcome=Outcome.REFUSED,
            request_id=result.request_id,
            reason=result.reason or Reason.RECEIPT_NOT_READY,
            message=result.message,
        )

    async def complete(self, given_id: str | None) -> SaleResult:
        """Complete a sale that was held, or repeat a completion; raises NoSuchSale."""
        sale = await self._find(given_id)
        if sale.stage in {Stage.INTENT, Stage.STAGING_POINTS, Stage.REVERSING}:
            message = f"sale {sale.request_id} was not shown yet; run recover"
            raise NoSuchSale(message)
        if sale.stage is Stage.ENDED and sale.state != ProcessState.COMPLETED:
            message = f"sale {sale.request_id} has ended ({sale.outcome}); there is nothing to do"
            raise NoSuchSale(message)
        if sale.stage is Stage.ENDED:
            return await self.status(sale.request_id)
        return await self.settling.complete(sale)

    async def reverse(self, given_id: str, *, note: str) -> SaleResult:
        """Take a sale back; raises NoSuchSale."""
        sale = await self._find(given_id)
        _reference(sale)
        result = await self.settling.reverse(sale, note=note)
        if result.outcome in {Outcome.GIVEN_UP, Outcome.REFUSED}:
            return replace(result, outcome=Outcome.REVERSED)
        return result

    async def _find(self, given_id: str | None) -> Sale:
        """Return the sale from the journal; one of a process id alone is made up for this use."""
        if given_id is None:
            latest = await self.journal.latest(1)
            if not latest:
                message = "the journal is empty"
                raise NoSuchSale(message)
            return latest[0]
        sale = await self.journal.find(given_id)
        if sale is not None:
            return sale
        if len(given_id) != _PROCESS_ID_CHARACTERS:
            message = f"the journal has no sale {given_id}; give the process id"
            raise NoSuchSale(message)
        return Sale(
            request_id=self.request_ids.new(),
            started_at=self.clock.now_seconds(),
            stage=Stage.HELD,
            asked="[]",
            process_id=given_id,
        )


def _reference(sale: Sale) -> ProcessReference:
    if sale.process_id is None and sale.reference.look_up_key is None:
        message = f"sale {sale.request_id} never led to a process; there is nothing to look at"
        raise NoSuchSale(message)
    return sale.reference


def _status(sale: Sale, knowledge: Knowledge) -> SaleResult:
    failed = knowledge.failed_reason
    return SaleResult(
        outcome=_outcome(sale, knowledge),
        request_id=sale.request_id,
        process=knowledge.process,
        receipt=knowledge.receipt,
        # The one of its own time is worth more than a later one.
        checkpoint=sale.checkpoint or (knowledge.checkpoint if knowledge.receipt else ""),
        reason=Reason(failed) if failed in Reason.__members__ else None,
        message=failed,
    )


def _outcome(sale: Sale, knowledge: Knowledge) -> Outcome:
    process: Process | None = knowledge.process
    if knowledge.knowledge is ProcessKnowledge.FAILED:
        return Outcome.REFUSED
    if knowledge.knowledge is ProcessKnowledge.REVERSED_UNSEEN:
        return Outcome.GIVEN_UP
    if process is None or not process.is_final:
        is_instructed = process is not None and process.state is ProcessState.INSTRUCTED
        return Outcome.HELD if is_instructed and sale.stage is Stage.HELD else Outcome.OPEN
    return Outcome.EXECUTED if process.state is ProcessState.COMPLETED else Outcome.REFUSED
