"""The credit institution: the simulated one, under its own service, which may lie on top."""

import asyncio
from random import Random
from typing import Any, Final

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import credit_institution_service_pb2_grpc as contract_grpc
from tallymark_institution import simulator
from tallymark_institution.authorisation import Authorisation, State
from tallymark_institution.ledger import Ledger
from tallymark_institution.services.error_interceptor import ErrorInterceptor
from tallymark_institution.services.simulated_institution import SimulatedInstitution
from tallymark_protocol.errors import UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.simulation.hosts import Host
from tests.simulation.network import Network
from tests.simulation.notes import Notes
from tests.simulation.server_machine import MachineClock
from tests.simulation.virtual_loop import Life

__all__ = ["INSTITUTION", "Books", "InstitutionMachine"]

INSTITUTION: Final = "institution"

SLOW_SECONDS: Final = 40.0
"""How late a slow authorisation is decided: after the server's call has ended."""

TOKEN_KEY: Final = bytes(32)


class Books:
    """Everything that the institution remembers, for whoever compares the two sides at the end."""

    def __init__(self) -> None:
        """Start empty."""
        self.by_id: dict[str, Authorisation] = {}

    def append(self, authorisation: Authorisation) -> None:
        """Remember a changed authorisation."""
        self.by_id[authorisation.authorisation_id] = authorisation

    async def flushed(self) -> None:
        """Return at once: this machine never crashes."""


class _Lying(SimulatedInstitution):
    """Fails now and then after it has done what it was asked; may keep no mark of a reversal."""

    chance: Random
    notes: Notes
    fails_after: float
    keeps_no_mark: bool
    books: Ledger

    async def Authorize(
        self,
        request: contract.AuthorizeRequest,
        context: Any,
    ) -> contract.AuthorizeResponse:
        answer = await super().Authorize(request, context)
        known = self.books.get(request.authorisation_id)
        if known is not None and known.state is not State.DECIDED:
            return answer
        self._fail_perhaps("institution failed after executing")
        return answer

    async def Capture(self, request: contract.CaptureRequest, context: Any) -> Any:
        answer = await super().Capture(request, context)
        self._fail_perhaps("institution failed after executing")
        return answer

    async def Reverse(self, request: contract.ReverseRequest, context: Any) -> Any:
        known = self.books.get(request.authorisation_id)
        is_unseen = known is None or known.state is State.TURNED_AWAY
        if is_unseen and self.keeps_no_mark:
            self.notes.reach("reversal of an unseen authorisation left no mark", INSTITUTION)
            return contract.ReverseResponse(result=contract.REVERSE_RESULT_NEVER_SEEN)
        answer = await super().Reverse(request, context)
        self._fail_perhaps("institution failed after executing")
        return answer

    def _fail_perhaps(self, what: str) -> None:
        if self.chance.random() < self.fails_after:
            self.notes.reach(what, INSTITUTION)
            raise UnknownOutcome(Reason.INSTITUTION_UNAVAILABLE)


class InstitutionMachine:
    """Serves the institution; it never crashes, but is often not reached."""

    def __init__(
        self, network: Network, *, clock: MachineClock, chance: Random, notes: Notes
    ) -> None:
        """Choose how it lies in this run."""
        self.books = Books()
        ledger = Ledger(self.books)
        loop = network.loop

        async def sleep(seconds: float) -> None:
            woken = loop.create_future()
            if seconds < 1e9:
                loop.call_later(max(seconds, 0.0), _wake, woken)
            await woken

        self.service = _Lying(
            ledger=ledger,
            token_key=TOKEN_KEY,
            slow_seconds=SLOW_SECONDS,
            now=clock.now_seconds,
            sleep=sleep,
            tell=lambda line: notes.write(INSTITUTION, line),
        )
        self.service.chance = chance
        self.service.notes = notes
        self.service.books = ledger
        self.service.fails_after = chance.choice((0.0, 0.0, 0.05, 0.3))
        self.service.keeps_no_mark = chance.random() < 0.5
        host = Host(Life(INSTITUTION))
        name = contract.DESCRIPTOR.services_by_name["CreditInstitutionService"].full_name
        host.serve(
            self.service,
            contract_grpc.add_CreditInstitutionServiceServicer_to_server,
            ErrorInterceptor(name),
        )
        network.hosts[INSTITUTION] = host
        network.stored.add(f"/{name}/Authorize")

    def settle(self, now: float) -> None:
        """Decide whatever is to be decided by now, so that the books say how everything stands."""
        for known in list(self.books.by_id.values()):
            self.books.append(simulator.settle(known, now=now))


def _wake(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)
