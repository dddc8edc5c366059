"""A terminal's sale loop against a double of the server, with time in the test's hand."""

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tallymark_protocol.code_format import parse
from tallymark_terminal.actions import Action, Charge, SaleRequest
from tallymark_terminal.home import Home
from tallymark_terminal.identification import Identification, ShownCode, reference_of
from tallymark_terminal.journal import Journal, Sale
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.money import Money
from tallymark_terminal.processes import Process
from tallymark_terminal.recovery import Recovery
from tallymark_terminal.renewing import Renewal
from tallymark_terminal.repeating import Repeater
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.sale import SaleLoop
from tallymark_terminal.sale_results import SaleResult
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.server_connection import ServerConnection
from tallymark_terminal.settling import Settling
from tests.doubles.terminal_service import TerminalServiceDouble

EPOCH_SECONDS = 1_900_000_000.0
"""What the server's clock says at first; it is far from this computer's on purpose."""

CHARGE = Charge(amount=Money(currency_code="EUR", minor_units=1230))


class FakeTime:
    """A steady clock that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def steady(self) -> float:
        return self.seconds

    def server_now(self) -> float:
        return EPOCH_SECONDS + self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


@dataclass
class Cashier:
    """Remembers what the terminal showed."""

    executed: list[Process] = field(default_factory=list)
    waits: list[Process] = field(default_factory=list)
    silences: list[str] = field(default_factory=list)
    can_execute: bool = True

    def waiting(self, process: Process) -> None:
        self.waits.append(process)

    def no_answer(self, doing: str) -> None:
        self.silences.append(doing)

    async def execute(self, process: Process) -> bool:
        self.executed.append(process)
        return self.can_execute


@dataclass
class Rig:
    """The double, and a terminal that can be restarted over the same journal."""

    folder: Path
    double: TerminalServiceDouble
    time: FakeTime
    cashier: Cashier
    server: ServerConnection
    journal: Journal
    loop: SaleLoop
    settling: Settling
    recovery: Recovery
    home: Home
    renewal: Renewal
    warnings: list[str]

    @classmethod
    async def build(cls, journal_path: Path, *, time: FakeTime, stack: AsyncExitStack) -> Self:
        double = TerminalServiceDouble(now=time.server_now)
        await stack.enter_async_context(double.served())
        home = Home(journal_path.parent / "home")
        identity = double.access.enrol_home(home, server=double.terminal_address)
        server = await stack.enter_async_context(
            ServerConnection(
                identity.server,
                ca_certificates_pem=identity.certificate.ca_certificates_pem,
                identity=identity.for_tls,
                steady=time.steady,
            )
        )
        file = JournalFile(journal_path)
        stack.callback(file.close)
        journal = Journal(file)
        clock = ServerClock(steady=time.steady)
        clock.set((await server.list_verification_keys()).read_at)
        cashier = Cashier()
        request_ids = RequestIds(wall_clock=time.server_now, random_bits=secrets.randbits)
        repeater = Repeater(steady=time.steady, sleep=time.sleep, progress=cashier)
        settling = Settling(
            server=server,
            journal=journal,
            clock=clock,
            repeater=repeater,
            progress=cashier,
            request_ids=request_ids,
            sleep=time.sleep,
        )
        loop = SaleLoop(
            server=server,
            journal=journal,
            clock=clock,
            repeater=repeater,
            progress=cashier,
            request_ids=request_ids,
            sleep=time.sleep,
            settling=settling,
            execute=cashier.execute,
        )
        recovery = Recovery(journal=journal, clock=clock, sale_loop=loop, settling=settling)
        warnings: list[str] = []
        renewal = Renewal(
            home=home,
            identity=identity,
            server=server,
            clock=clock,
            request_ids=request_ids,
            warn=warnings.append,
        )
        return cls(
            folder=journal_path.parent,
            double=double,
            time=time,
            cashier=cashier,
            server=server,
            journal=journal,
            loop=loop,
            settling=settling,
            recovery=recovery,
            home=home,
            renewal=renewal,
            warnings=warnings,
        )

    def code(self) -> ShownCode:
        text = self.double.issue_code()
        return ShownCode(text=text, reference=reference_of(parse(text).claims))

    async def sell(
        self, *actions: Action, identification: Identification | None = None, **request: object
    ) -> SaleResult:
        asked = SaleRequest(actions=actions or (CHARGE,), **request)  # type: ignore[arg-type] # fields by name
        return await self.loop.run(identification or self.code(), asked, asked="[]")

    async def kill_in_sale(self, *actions: Action, **request: object) -> None:
        """Make a sale and end the terminal when the double hangs."""
        sale = asyncio.create_task(self.sell(*actions, **request))  # type: ignore[arg-type] # as above
        await self.double.hanging.wait()
        sale.cancel()
        await asyncio.wait([sale])
        self.double.hangs_before = self.double.hangs_after = None

    async def resolve_again(self, sale: Sale) -> Process:
        """Let the request of a sale arrive after all."""
        return await self.server.resolve_code(
            request_id=sale.request_id,
            identification=self.code(),
            request=SaleRequest(actions=(CHARGE,)),
        )

    async def recover(self) -> list[SaleResult]:
        return [await self.recovery.resume(sale) for sale in await self.recovery.unsettled()]

    async def only_sale(self) -> Sale:
        (sale,) = await self.journal.latest(10)
        return sale
