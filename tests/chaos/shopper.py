"""A phone and its owner, who go from desk to desk until they are told to stop.

A code is shown at one desk or at several at once. A desk sells, changes its mind, gives up while
its question is still under way, or takes back what it sold; what it began it always ends.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tallymark.v1.customer_service_pb2 import IssueCodeRequest
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL
from tallymark_protocol.errors import Refused, UnknownOutcome
from tests.chaos.desk import RETRY_WAIT_SECONDS, Desk, Presentation, until_answered
from tests.chaos.models import Answer, Kind
from tests.chaos.wishes import Wish
from tests.world.messages import by_process, new_id
from tests.world.phone import Phone

__all__ = ["Habits", "Shopper", "repeated"]

UNDECIDED: Final = {p.PROCESS_STATE_AUTHORISING, p.PROCESS_STATE_AWAITING_CUSTOMER}

WAIT_MILLISECONDS: Final = 300
"""For which a desk lets the server wait for the customer or the bank before it is told more."""


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How often a sale takes an unusual way, 0 to 1."""

    shown_twice: float = 0.2
    """The code is shown at two or three desks at once."""

    given_up: float = 0.05
    """The desk gives up while its question is under way."""

    left: float = 0.1
    """The customer leaves instead of taking the goods."""

    taken_back: float = 0.15
    """The goods are returned at once."""

    says_no: float = 0.2
    """The customer, asked on the phone."""

    counted_anew: float = 0.25
    """The desk reports another number of points than it had asked for."""


@dataclass
class Shopper:
    """One phone of a customer, and every sale that it was part of."""

    phone: Phone
    desks: Sequence[Desk]
    random: Random
    wish: Callable[[Random], Wish]
    habits: Habits = field(default_factory=Habits)
    deadline_seconds: float = 10.0
    sales: list[tuple[Desk, Presentation]] = field(default_factory=list)
    moved: Counter[str] = field(default_factory=Counter)
    """What came of the sales: posted, staged, released, taken back, answered on the phone."""

    async def shop(self, is_over: Callable[[], bool]) -> None:
        """Buy one thing after the other."""
        while not is_over():
            await self.buy()

    async def buy(self) -> None:
        """Show one code, and let every desk that saw it do its part."""
        wish = self.wish(self.random)
        code = await self._issue()
        count = self.random.choice((2, 3)) if self._happens(self.habits.shown_twice) else 1
        name = f"{self.phone.device_id[-8:]}-{len(self.sales)}"
        more = {"sale_total": wish.sale_total, "wait_milliseconds": WAIT_MILLISECONDS}
        shown = [
            (desk, desk.present(name, code, *wish.actions, **more))
            for desk in self.random.sample(self.desks, count)
        ]
        self.sales += shown
        await asyncio.gather(*(self._serve(desk, one) for desk, one in shown))

    async def _issue(self) -> str:
        request = IssueCodeRequest(request_id=new_id(), purpose=CODE_PURPOSE_GENERAL)
        answer = await repeated(self.phone, "IssueCode", request, self.deadline_seconds)
        return str(answer.code)

    async def _serve(self, desk: Desk, shown: Presentation) -> None:
        if self._happens(self.habits.given_up):
            await asyncio.gather(desk.claim(shown), desk.reverse(shown))
            await self._reverse(desk, shown)
            return
        heard = await until_answered(desk, shown, Kind.CLAIM)
        while shown.process is not None and shown.process.state in UNDECIDED:
            if shown.process.state == p.PROCESS_STATE_AWAITING_CUSTOMER:
                await self._answer(shown.process.process_id)
            heard = await until_answered(desk, shown, Kind.CLAIM)
        if heard != Answer.WON:
            return
        if self._happens(self.habits.left):
            await self._reverse(desk, shown)
            return
        if self._happens(self.habits.counted_anew):
            await self._count_anew(desk, shown)
        heard = await until_answered(desk, shown, Kind.COMPLETE)
        self.moved["posted"] += heard == Answer.DONE
        if heard == Answer.FROZEN or self._happens(self.habits.taken_back):
            await self._reverse(desk, shown)

    async def _answer(self, process_id: str) -> None:
        """Say yes or no on the phone, signed, to what it shows."""
        approve = not self._happens(self.habits.says_no)
        try:
            request = await self.phone.confirm_request(process_id, approve=approve)
            await repeated(self.phone, "ConfirmProcess", request, self.deadline_seconds)
        except (UnknownOutcome, Refused):  # the phone shows nothing yet, or the process has ended
            return
        self.moved["answered on the phone"] += 1

    async def _reverse(self, desk: Desk, shown: Presentation) -> None:
        heard = await until_answered(desk, shown, Kind.REVERSE)
        self.moved["taken back"] += heard == Answer.DONE
        self.moved["released"] += heard == Answer.ENDED

    async def _count_anew(self, desk: Desk, shown: Presentation) -> None:
        """Report another balance than the sale would lead to, if it has to do with points."""
        assert shown.process is not None, "a claim that won has a process"
        account = _account_in(shown.process)
        if account is None:
            return
        balance, version = account
        request = t.UpdatePointsRequest(
            request_id=new_id(),
            reference=by_process(shown.process.process_id),
            version=version,
            new_balance=max(0, balance + self.random.randint(-20, 20)),
        )
        try:
            await repeated(desk.till, "UpdatePoints", request, self.deadline_seconds)
        except Refused:  # somebody else was posted to the account, or the process is frozen
            return
        self.moved["staged"] += 1

    def _happens(self, chance: float) -> bool:
        return self.random.random() < chance


async def repeated(actor: Any, rpc: str, request: Any, deadline_seconds: float) -> Any:
    """Send the same request until it is answered."""
    while True:
        try:
            return await actor.call(rpc, request, deadline=deadline_seconds)
        except UnknownOutcome:
            await asyncio.sleep(RETRY_WAIT_SECONDS)


def _account_in(process: p.Process) -> tuple[int, int] | None:
    """Return balance and version of the points account that the process tells of."""
    for outcome in process.actions:
        if outcome.instruction.HasField("read_points"):
            told = outcome.instruction.read_points
            return told.balance, told.version
    return None
