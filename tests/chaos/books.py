"""What the desks know in the end of every sale, and what must be left on each account by it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tests.chaos.desk import until_answered
from tests.chaos.models import Kind
from tests.chaos.shopper import Shopper, repeated
from tests.world.messages import by_process

__all__ = ["Books", "read_books"]


@dataclass
class Books:
    """Processes as GetProcess tells of them after everything was over."""

    processes: dict[str, p.Process] = field(default_factory=dict)
    """By id, those that take another one back among them."""

    points: Counter[str] = field(default_factory=Counter)
    """What was posted to each customer's account, by login name."""

    postings: int = 0

    @property
    def standing(self) -> Sequence[p.Process]:
        """Processes that had effects which still hold."""
        return [
            process
            for process in self.processes.values()
            if process.state == p.PROCESS_STATE_COMPLETED
            and not process.reverses_process_id
            and not process.reversed_by_process_id
        ]

    def enter(self, login_name: str, process: p.Process, receipt: p.Receipt | None) -> None:
        """Enter one process and what it posted."""
        self.processes[process.process_id] = process
        for posting in receipt.postings if receipt else ():
            self.points[login_name] += posting.points
            self.postings += 1


async def read_books(shoppers: Sequence[Shopper]) -> Books:
    """Ask after every sale, by the request that each desk had written down."""
    books = Books()
    await asyncio.gather(*(_read_sales(books, shopper) for shopper in shoppers))
    return books


async def _read_sales(books: Books, shopper: Shopper) -> None:
    for desk, shown in shopper.sales:
        await until_answered(desk, shown, Kind.LOOK_UP)
        if shown.process is None:
            continue
        books.enter(shopper.phone.login_name, shown.process, shown.receipt)
        taken_back_by = shown.process.reversed_by_process_id
        if taken_back_by:
            request = t.GetProcessRequest(reference=by_process(taken_back_by))
            answer = await repeated(desk.till, "GetProcess", request, desk.deadline_seconds)
            books.enter(shopper.phone.login_name, answer.process, answer.receipt)
