"""One sale from the scan to its end, so that no lost answer charges twice or loses a sale.

    write INTENT -> ResolveCode -+-> refused ----------------------------------> ended
                                 +-> no answer for long -> give up
                                 +-> not decided: GetProcess every 3 s until poll_until -> give up
                                 +-> INSTRUCTED -> (UpdatePoints) -> write SHOWN -> show
                                                         -> CompleteProcess -> ended
    give up: write REVERSING -> ReverseProcess -> ended

Every call is repeated with its own request_id until it is answered. What stays unanswered is
UNKNOWN, never refused: the journal keeps it, and recovery.py goes on where it stopped, also after
a crash. What the journal does not have as SHOWN was never shown, so it may be taken back; what it
has as SHOWN may have been executed, so it is only ever completed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome
from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.answers import Knowledge
from tallymark_terminal.identification import CodeReference, Identification, ShownCode
from tallymark_terminal.instructions import (
    BurnPointsInstruction,
    EarnPointsInstruction,
    ReadPointsInstruction,
)
from tallymark_terminal.journal import Journal, Sale, Stage
from tallymark_terminal.processes import Process, ProcessState
from tallymark_terminal.repeating import Progress, Repeater, is_not_accepted
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.sale_calls import SaleCalls
from tallymark_terminal.sale_results import Outcome, SaleResult
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.settling import (
    QUERY_EVERY_SECONDS,
    Settling,
    wait_limit,
    with_process,
)

__all__ = ["UNDECIDED", "SaleLoop"]

UNDECIDED: Final = frozenset(
    {
        ProcessState.AWAITING_CUSTOMER,
        ProcessState.AUTHORISING,
        ProcessState.CONTESTED,
        ProcessState.UNKNOWN,
    }
)
"""States in which there is nothing to do but to ask again."""


class SaleLoop:
    """Makes sales, one at a time."""

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
        settling: Settling,
        execute: Callable[[Process], Awaitable[bool]],
    ) -> None:
        """Take the parts.

        `execute` does what a process instructs, for example shows it to the cashier or opens a
        gate, and returns whether it worked; if not, the sale is taken back.
        """
        self._server = server
        self._journal = journal
        self._clock = clock
        self._repeater = repeater
        self._progress = progress
        self._request_ids = request_ids
        self._sleep = sleep
        self._settling = settling
        self._execute = execute

    async def run(
        self, identification: Identification, request: SaleRequest, *, asked: str
    ) -> SaleResult:
        """Make one sale; `asked` is the request as the journal shows it to people."""
        sale = await self._journal.write(self._intent(identification, request, asked))
        try:
            process = await self._repeater.until_answered(
                partial(
                    self._server.resolve_code,
                    request_id=sale.request_id,
                    identification=identification,
                    request=request,
                ),
                doing="asking what to do",
                is_first=True,
            )
        except Refused as refused:
            outcome = Outcome.NOT_ACCEPTED if is_not_accepted(refused) else Outcome.REFUSED
            return await self._settling.end(sale, outcome, None, because=refused)
        except UnknownOutcome as unknown:
            return await self._settling.reverse(
                sale, note="the server gave no answer", because=unknown
            )
        return await self.follow(sale, process)

    async def follow(self, sale: Sale, process: Process) -> SaleResult:
        """Go on from a process that the server has: wait until it is decided, and do it."""
        sale = with_process(sale, process)
        if process.state in UNDECIDED:
            await self._journal.write(sale)
            process = await self._wait_for_decision(sale, process)
            sale = with_process(sale, process)
        if process.state is ProcessState.INSTRUCTED and sale.set_points is not None:
            return await self._stage_points(sale, process, new_balance=sale.set_points)
        if process.state in {ProcessState.INSTRUCTED, ProcessState.COMPLETED}:
            return await self._show(sale, process)
        if process.is_final:
            return await self._settling.end(sale, Outcome.REFUSED, process)
        return await self._settling.reverse(sale, note="not decided in time")

    async def _wait_for_decision(self, sale: Sale, process: Process) -> Process:
        """Ask about the process until it is decided or it makes no sense any more."""
        limit = self._wait_limit(process)
        state = process.state
        while process.state in UNDECIDED and self._clock.now() < limit:
            self._progress.waiting(process)
            await self._sleep(QUERY_EVERY_SECONDS)
            try:
                knowledge = await self._server.get_process(sale.reference)
            except TallymarkError:
                self._progress.no_answer("asking whether it is decided")
                continue
            if knowledge.process is None:
                # The server forgot it, as after a restored backup; giving up settles that too.
                return process
            process = knowledge.process
            if process.state is not state:
                limit, state = self._wait_limit(process), process.state
        return process

    async def _stage_points(self, sale: Sale, process: Process, *, new_balance: int) -> SaleResult:
        """Report the new balance; a sale whose points cannot be set is taken back."""
        version = sale.update_version
        if version is None:
            version = _points_version(process)
        sale = await self._journal.write(
            replace(
                sale,
                stage=Stage.STAGING_POINTS,
                update_request_id=sale.update_request_id or self._request_ids.new(),
                update_version=version,
            )
        )
        try:
            process = await self._repeater.until_answered(
                partial(
                    self._server.update_points,
                    request_id=str(sale.update_request_id),
                    reference=sale.reference,
                    version=version,
                    new_balance=new_balance,
                ),
                doing="reporting the points",
                is_first=True,
            )
        except TallymarkError as error:
            return await self._settling.reverse(
                sale, note="the points could not be set", because=error
            )
        return await self._show(with_process(sale, process), process)

    async def _show(self, sale: Sale, process: Process) -> SaleResult:
        """Write down that it is shown, show it, and report it."""
        sale = await self._journal.write(
            replace(
                sale,
                stage=Stage.HELD if sale.is_held else Stage.SHOWN,
                complete_request_id=self._request_ids.new(),
            )
        )
        if not await self._execute(process):
            return await self._settling.reverse(sale, note="it could not be executed")
        if sale.is_held:
            return SaleResult(outcome=Outcome.HELD, request_id=sale.request_id, process=process)
        if process.state is ProcessState.COMPLETED:
            knowledge = await self._look_for_receipt(sale, process)
            return await self._settling.end(
                sale,
                Outcome.EXECUTED,
                process,
                receipt=knowledge.receipt if knowledge else None,
                checkpoint=knowledge.checkpoint if knowledge else "",
            )
        return await self._settling.complete(sale)

    async def _look_for_receipt(self, sale: Sale, process: Process) -> Knowledge | None:
        """Look at what completed by itself; an admission alone needs no receipt."""
        if all(outcome.action.kind == "admit" for outcome in process.actions):
            return None
        return await self._settling.look(sale)

    def _intent(self, identification: Identification, request: SaleRequest, asked: str) -> Sale:
        reference: CodeReference | None = None
        number: str | None = None
        if isinstance(identification, ShownCode):
            reference = identification.reference
        else:
            number = identification.number
        return Sale(
            request_id=self._request_ids.new(),
            started_at=self._clock.now_seconds(),
            stage=Stage.INTENT,
            asked=asked,
            set_points=request.set_points,
            is_held=request.is_held,
            completes_by_itself=request.complete_on_instruction,
            code_partition=reference.partition if reference else None,
            code_hash=reference.cti_hash if reference else None,
            code_expires_at=reference.expires_at_seconds if reference else None,
            telephone_number=number,
        )

    def _wait_limit(self, process: Process) -> datetime:
        return wait_limit(
            process, now=self._clock.now(), patience_seconds=self._repeater.patience_seconds
        )


def _points_version(process: Process) -> int:
    """Return the version of the points account that the instructions are based on."""
    for outcome in process.actions:
        match outcome.instruction:
            case (
                ReadPointsInstruction(version=version)
                | EarnPointsInstruction(version=version)
                | BurnPointsInstruction(version=version)
            ):
                return version
    return 0
