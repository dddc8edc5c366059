"""Settle a sale: report it as executed, or take it back, each until the server has answered."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_terminal.answers import Knowledge, Receipt, Reversal
from tallymark_terminal.journal import Journal, Sale, Stage
from tallymark_terminal.processes import Process, ProcessState, ReversalOutcome
from tallymark_terminal.repeating import Progress, Repeater
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.sale_calls import SaleCalls
from tallymark_terminal.sale_results import Outcome, SaleResult
from tallymark_terminal.server_clock import ServerClock

__all__ = ["QUERY_EVERY_SECONDS", "Settling", "unknown_result", "wait_limit", "with_process"]

QUERY_EVERY_SECONDS: Final = 3.0
"""Between two questions about a process that is not decided (Alipay's interval)."""


class Settling:
    """Ends sales. Intent is written down before each call, with the id that the call repeats."""

    def __init__(  # noqa: PLR0913 - the parts of a terminal, all by keyword
        self,
        *,
        server: SaleCalls,
        journal: Journal,
        clock: ServerClock,
        repeater: Repeater,
        progress: Progress,
        request_ids: RequestIds,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Take the parts."""
        self._server = server
        self._journal = journal
        self._clock = clock
        self._repeater = repeater
        self._progress = progress
        self._request_ids = request_ids
        self._sleep = sleep

    async def complete(self, sale: Sale) -> SaleResult:
        """Report that the instructions were executed.

        A contested process is asked about until the customer has answered; what was shown stays
        shown, so nothing here ever takes the sale back.
        """
        contested_until: datetime | None = None
        while True:
            sale = await self._journal.write(
                replace(
                    sale,
                    stage=Stage.SHOWN,
                    complete_request_id=sale.complete_request_id or self._request_ids.new(),
                )
            )
            try:
                completion = await self._repeater.until_answered(
                    partial(
                        self._server.complete_process,
                        request_id=str(sale.complete_request_id),
                        reference=sale.reference,
                    ),
                    doing="reporting the execution",
                )
            except UnknownOutcome as unknown:
                return unknown_result(sale, None, unknown)
            except Refused as refused:
                # Final for that id: asking again needs another one.
                sale = await self._journal.write(replace(sale, complete_request_id=None))
                knowledge = await self.look(sale)
                result = await self._end_if_final(sale, knowledge, because=refused)
                if result is not None:
                    return result
                process = knowledge.process if knowledge else None
                if process is None:
                    return unknown_result(sale, None, refused)
                contested_until = contested_until or self._wait_limit(process)
                if self._clock.now() > contested_until:
                    return unknown_result(sale, process, refused)
                self._progress.waiting(process)
                await self._sleep(QUERY_EVERY_SECONDS)
            else:
                return await self.end(
                    sale,
                    Outcome.EXECUTED,
                    completion.process,
                    receipt=completion.receipt,
                    checkpoint=completion.checkpoint,
                )

    async def reverse(
        self, sale: Sale, *, note: str, because: TallymarkError | None = None
    ) -> SaleResult:
        """Take the sale back, whatever became of it; `because` is what stopped it, if anything."""
        if sale.reverse_request_id is None or sale.stage is not Stage.REVERSING:
            sale = replace(
                sale, reverse_request_id=self._request_ids.new(), reverse_note=note, outcome=None
            )
        sale = await self._journal.write(replace(sale, stage=Stage.REVERSING, ended_at=None))
        try:
            reversal = await self._repeater.until_answered(
                partial(
                    self._server.reverse_process,
                    request_id=str(sale.reverse_request_id),
                    reference=sale.reference,
                    note=sale.reverse_note,
                ),
                doing="taking the sale back",
            )
        except UnknownOutcome as unknown:
            return unknown_result(sale, None, unknown)
        except Refused as refused:
            if refused.reason is not Reason.PROCESS_NOT_FOUND:
                return unknown_result(sale, None, refused)
            return await self.end(sale, Outcome.NOT_REVERSED, None, because=refused)
        outcome = _outcome_of(reversal, is_refused=isinstance(because, Refused))
        if outcome is None:
            return unknown_result(sale, reversal.process, because)
        return await self.end(
            sale,
            outcome,
            reversal.process,
            reversal=reversal,
            because=because,
            checkpoint=reversal.checkpoint,
        )

    async def look(self, sale: Sale) -> Knowledge | None:
        """Return what the server knows of the sale, or None if it does not say."""
        try:
            return await self._repeater.until_answered(
                partial(self._server.get_process, sale.reference), doing="asking what became of it"
            )
        except TallymarkError:
            return None

    async def end(  # noqa: PLR0913 - what a result is made of
        self,
        sale: Sale,
        outcome: Outcome,
        process: Process | None,
        *,
        receipt: Receipt | None = None,
        reversal: Reversal | None = None,
        because: TallymarkError | None = None,
        checkpoint: str = "",
    ) -> SaleResult:
        """Write the sale down as settled and return how it ended."""
        sale = replace(with_process(sale, process), checkpoint=checkpoint or sale.checkpoint)
        await self._journal.write(sale.ended(outcome=outcome, at=self._clock.now_seconds()))
        return SaleResult(
            outcome=outcome,
            request_id=sale.request_id,
            process=process,
            receipt=receipt,
            reversal=reversal,
            reason=because.reason if because else None,
            message=because.message if because else "",
            checkpoint=checkpoint,
        )

    async def _end_if_final(
        self, sale: Sale, knowledge: Knowledge | None, *, because: Refused
    ) -> SaleResult | None:
        """End the sale if its process has ended without this report: by itself, or by a person."""
        process = knowledge.process if knowledge else None
        if knowledge is None or process is None or not process.is_final:
            return None
        if process.state is ProcessState.COMPLETED:
            return await self.end(
                sale,
                Outcome.EXECUTED,
                process,
                receipt=knowledge.receipt,
                checkpoint=knowledge.checkpoint,
            )
        return await self.end(sale, Outcome.REFUSED, process, because=because)

    def _wait_limit(self, process: Process) -> datetime:
        return wait_limit(
            process, now=self._clock.now(), patience_seconds=self._repeater.patience_seconds
        )


def with_process(sale: Sale, process: Process | None) -> Sale:
    """Return the sale with the process it led to; the telephone number is needed no more."""
    if process is None:
        return sale
    return replace(
        sale,
        process_id=process.process_id,
        state=process.state,
        telephone_number=None,
        sealed_record=process.sealed_record or sale.sealed_record,
    )


def wait_limit(process: Process, *, now: datetime, patience_seconds: float) -> datetime:
    """Return until when asking about an undecided process makes sense, by the server's time."""
    until = process.poll_until or process.confirm_by
    if until is None:
        return now + timedelta(seconds=patience_seconds)
    # One question later, so that the server's own decision at that time is heard.
    return until + timedelta(seconds=QUERY_EVERY_SECONDS)


def unknown_result(
    sale: Sale, process: Process | None, because: TallymarkError | None
) -> SaleResult:
    """Return that nobody can say yet; the journal keeps the sale."""
    return SaleResult(
        outcome=Outcome.UNKNOWN,
        request_id=sale.request_id,
        process=process,
        reason=because.reason if because else None,
        message=because.message if because else "",
    )


def _outcome_of(reversal: Reversal, *, is_refused: bool) -> Outcome | None:
    """Say what a reversal made of the sale; None if this version does not know the answer."""
    if reversal.outcome is ReversalOutcome.UNKNOWN:
        return None
    if reversal.outcome is ReversalOutcome.REFUSED:
        return Outcome.NOT_REVERSED
    state = reversal.process.state if reversal.process else None
    if is_refused or state in {ProcessState.DECLINED, ProcessState.EXPIRED}:
        return Outcome.REFUSED
    return Outcome.GIVEN_UP
