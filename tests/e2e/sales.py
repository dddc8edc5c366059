"""Customers who buy until their server goes, and a log of what they sent and what was answered."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import IssueCodeRequest
from tallymark.v1.identification_pb2 import CODE_PURPOSE_POINTS
from tallymark.v1.terminal_service_pb2 import (
    PROCESS_KNOWLEDGE_NEVER_SEEN,
    CompleteProcessRequest,
    GetProcessRequest,
    ResolveCodeRequest,
)
from tests.e2e.served import DEADLINE_SECONDS, Town
from tests.world.actions import burn
from tests.world.actor import Actor
from tests.world.messages import by_process, by_request, new_id
from tests.world.phone import Phone
from tests.world.terminal import Terminal

__all__ = [
    "POINTS",
    "Buyer",
    "Log",
    "Sale",
    "buy_until_unknown",
    "lost",
    "open_stalls",
    "send_again",
    "state_of",
]

POINTS = 100_000


@dataclass
class Sale:
    """One sale: what was sent, and what was answered. Written before and after each call."""

    issue: IssueCodeRequest
    code: str = ""
    resolve: ResolveCodeRequest | None = None
    process_id: str = ""
    complete: CompleteProcessRequest | None = None
    is_completed: bool = False


@dataclass
class Log:
    """Sales by buyer; kept here, where no fault of the server reaches it."""

    on_answer: Callable[[int], None]
    sales: dict[str, list[Sale]] = field(default_factory=dict)
    answers: int = 0

    def answered(self) -> None:
        self.answers += 1
        self.on_answer(self.answers)


@dataclass(frozen=True)
class Buyer:
    """A customer at a till."""

    phone: Phone
    till: Terminal

    @property
    def actors(self) -> tuple[Phone, Terminal]:
        return self.phone, self.till


async def open_stalls(town: Town, count: int) -> list[Buyer]:
    """Add customers with points, each at a till."""
    buyers = []
    for number in range(count):
        phone = await town.add_phone(f"buyer-{number}")
        await town.operator.add_points(phone, POINTS)
        buyers.append(Buyer(phone, await town.add_terminal(f"stall-{number}")))
    return buyers


async def buy_until_unknown(buyers: Sequence[Buyer], log: Log) -> list[grpc.StatusCode]:
    """Let everybody buy until a call has no answer; return the status of these calls."""
    return await asyncio.gather(*(_buy(buyer, log) for buyer in buyers))


async def _buy(buyer: Buyer, log: Log) -> grpc.StatusCode:
    sales = log.sales.setdefault(buyer.phone.login_name, [])
    while True:
        issue = IssueCodeRequest(request_id=new_id(), purpose=CODE_PURPOSE_POINTS)
        sale = Sale(issue)
        sales.append(sale)
        try:
            sale.code = (await _call(buyer.phone, "IssueCode", issue)).code
            log.answered()
            sale.resolve = buyer.till.resolve_request(sale.code, burn(1))
            resolved = await _call(buyer.till, "ResolveCode", sale.resolve)
            sale.process_id = resolved.process.process_id
            log.answered()
            sale.complete = CompleteProcessRequest(
                request_id=new_id(), reference=by_process(sale.process_id)
            )
            await _call(buyer.till, "CompleteProcess", sale.complete)
            sale.is_completed = True
            log.answered()
        except grpc.aio.AioRpcError as error:
            return error.code()


async def _call(actor: Actor, rpc: str, request: Any) -> Any:
    """Call with nothing of ours in between."""
    method = getattr(actor.stub, rpc)
    return await method(request, metadata=actor.metadata, timeout=DEADLINE_SECONDS)


async def lost(buyers: Sequence[Buyer], log: Log) -> list[str]:
    """Return what was answered and is not there."""
    missing = []
    for buyer in buyers:
        for sale in log.sales.get(buyer.phone.login_name, []):
            if sale.code and not sale.process_id:
                again = (await buyer.phone.call("IssueCode", sale.issue)).code
                if again != sale.code:
                    missing.append("a code")
            if sale.process_id:
                state = await state_of(buyer.till, sale)
                expected = {p.PROCESS_STATE_COMPLETED}
                if not sale.is_completed:
                    expected.add(p.PROCESS_STATE_INSTRUCTED)
                if state not in expected:
                    missing.append(f"a process, {state} instead of {expected}")
    return missing


async def send_again(buyer: Buyer, log: Log) -> None:
    """Send what had no answer once more, as it was. Whatever became of it, it is done once."""
    for sale in log.sales.get(buyer.phone.login_name, [])[-1:]:
        if sale.resolve:
            answer = await buyer.till.call("ResolveCode", sale.resolve)
            sale.process_id = answer.process.process_id
        if sale.complete:
            await buyer.till.call("CompleteProcess", sale.complete)
            sale.is_completed = True


async def state_of(till: Actor, sale: Sale) -> int:
    """Return the state of the sale's process, 0 if the server never saw the request."""
    assert sale.resolve is not None
    reference = by_request(sale.code, sale.resolve.request_id)
    found = await till.call("GetProcess", GetProcessRequest(reference=reference))
    if found.knowledge == PROCESS_KNOWLEDGE_NEVER_SEEN:
        return 0
    return int(found.process.state)
