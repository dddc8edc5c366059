"""From what was shown to how the sale ended, for every scan of a source."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from tallymark_protocol.errors import TallymarkError
from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.code_check import CodeCheck, RefusedHere
from tallymark_terminal.display import Display
from tallymark_terminal.identification import Identification, TelephoneNumber
from tallymark_terminal.json_view import actions_text
from tallymark_terminal.not_sent import refused_here
from tallymark_terminal.presentations import Scan
from tallymark_terminal.recovery import Recovery
from tallymark_terminal.sale import SaleLoop
from tallymark_terminal.sale_results import EXIT_CODE_OF, ExitCode, Outcome, SaleResult
from tallymark_terminal.scanner import ScannedCode
from tallymark_terminal.upkeep import Upkeep

__all__ = ["Scanning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scanning:
    """Makes one sale of each scan."""

    check: CodeCheck
    sale_loop: SaleLoop
    recovery: Recovery
    upkeep: Upkeep
    display: Display
    not_sent: Callable[[TallymarkError], SaleResult]

    async def start(self) -> ExitCode | None:
        """Read keys and time, renew the certificate if due, settle what earlier runs left open.

        Returns an exit code if the server cannot be used now.
        """
        unsettled = await self.recovery.unsettled()
        try:
            await self.upkeep.start()
        except TallymarkError as error:
            result = self.not_sent(error)
            self.display.result(result)
            # What was open stays so, and nobody can say yet what became of it.
            return ExitCode.OUTCOME_UNKNOWN if unsettled else EXIT_CODE_OF[result.outcome]
        await self.recovery.forget_old()
        await self.recover()
        return None

    async def recover(self) -> list[Outcome]:
        """Settle what earlier runs left open, show it, and return how each ended."""
        outcomes = []
        for sale in await self.recovery.unsettled():
            result = replace(await self.recovery.resume(sale), is_recovered=True)
            self.display.result(result)
            outcomes.append(result.outcome)
        return outcomes

    async def scan_all(
        self, scans: AsyncIterator[Scan], request: SaleRequest, *, is_once: bool
    ) -> AsyncIterator[Outcome]:
        """Give the outcome of each scan; with `is_once`, end after the first code that was read."""
        async for scan in scans:
            if isinstance(scan, ScannedCode):
                # A new sale may wait; one that is in the air may not.
                if Outcome.UNKNOWN in await self.recover():
                    yield Outcome.UNKNOWN
                yield await self._sell(scan, request)
                if is_once:
                    return
            else:
                result = SaleResult(outcome=Outcome.NO_CODE, message=str(scan))
                self.display.result(result, source=scan.source)
                yield result.outcome

    async def sell_by_telephone(self, number: TelephoneNumber, request: SaleRequest) -> Outcome:
        """Make one sale with the customer of a telephone number."""
        return await self._run(number, request, source="telephone number")

    async def _sell(self, scan: ScannedCode, request: SaleRequest) -> Outcome:
        try:
            code = await self.check.check(scan.text)
        except RefusedHere as refused:
            result = refused_here(refused)
        except TallymarkError as error:
            result = self.not_sent(error)
        else:
            return await self._run(code, request, source=scan.source)
        self.display.result(result, source=scan.source)
        return result.outcome

    async def _run(
        self, identification: Identification, request: SaleRequest, *, source: str
    ) -> Outcome:
        result = await self.sale_loop.run(identification, request, asked=actions_text(request))
        self.display.result(result, source=source)
        return result.outcome
