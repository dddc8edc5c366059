"""What clients do while a server is recorded, and what is whole about it in every state.

Buyers pay a bill, use a ticket and earn points with each scan, all at the same time, so that many
of them share a commit.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from tallymark.v1 import identification_pb2, operator_service_pb2, registration_pb2
from tallymark.v1.customer_service_pb2 import IssueCodeRequest
from tallymark.v1.terminal_service_pb2 import ResolveCodeRequest
from tallymark_server.domain.model.registrations import Bill, BillState, PointsAccount, Ticket
from tallymark_server.domain.state import Row
from tallymark_server.keyring import Keyring
from tallymark_server.keys.cells import Cells
from tests.crash.found import Found
from tests.crash.recorded import Record
from tests.crash.servers import Site
from tests.world.actions import ADMIT, earn, pay_bill
from tests.world.messages import euro, new_id
from tests.world.phone import Phone
from tests.world.terminal import Terminal

__all__ = ["Buyer", "ScansAreWhole", "buy", "open_stalls", "scan_request"]

R = TypeVar("R", bound=Row)

POINTS: Final = 5
"""Earned with each scan."""


class Buyer(NamedTuple):
    """A customer at a till, who owes a number of bills and has a ticket for as many entries."""

    phone: Phone
    till: Terminal
    bills: tuple[str, ...]


async def open_stalls(site: Site, buyers: int, scans: int) -> list[Buyer]:
    """Add customers with all that their scans will take."""
    await site.operator.set_policy(unconfirmed_count_max=10_000, confirm_admission=False)
    made = []
    for number in range(buyers):
        phone = await site.add_phone(f"buyer-{number}")
        till = await site.add_terminal(f"stall-{number}")
        bills = tuple(f"buyer-{number}-bill-{scan}" for scan in range(scans))
        await site.operator.add_ticket(phone, f"buyer-{number}-ticket", entries=scans)
        await site.operator.add_points(phone, 1)
        for first in range(0, scans, 100):
            owed = [
                registration_pb2.Bill(
                    merchant_id="cafe",
                    bill_reference=reference,
                    login_name=phone.login_name,
                    amount=euro(1),
                )
                for reference in bills[first : first + 100]
            ]
            await site.operator.call("AddBills", operator_service_pb2.AddBillsRequest(bills=owed))
        made.append(Buyer(phone, till, bills))
    return made


async def buy(buyers: list[Buyer], record: Record) -> None:
    """Let everybody scan for every bill."""
    await asyncio.gather(*(_buy(buyer, record) for buyer in buyers))


async def _buy(buyer: Buyer, record: Record) -> None:
    for bill in buyer.bills:
        issue = IssueCodeRequest(
            request_id=new_id(), purpose=identification_pb2.CODE_PURPOSE_GENERAL
        )
        code = (await buyer.phone.call("IssueCode", issue)).code
        record.mark(issue.request_id)
        resolve = scan_request(buyer.till, code, bill)
        process = (await buyer.till.call("ResolveCode", resolve)).process
        record.mark(resolve.request_id)
        request_id = new_id()
        await buyer.till.complete(process.process_id, request_id=request_id)
        record.mark(request_id)


def scan_request(till: Terminal, code: str, bill: str) -> ResolveCodeRequest:
    """Return the request that pays a bill, uses a ticket and earns points."""
    return till.resolve_request(code, pay_bill(bill), ADMIT, earn(POINTS))


class ScansAreWhole:
    """Demands that each scan has paid its bill, used its ticket and earned its points, or nothing.

    Points are double entry, so all accounts come to zero besides.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder of the server, whose keys open its rows."""
        self._cells: Cells = Keyring.open(folder / "data" / "keys", make_missing=False).cells
        self.scans = 0
        """Scans in the last state that was looked at."""

    def __call__(self, found: Found) -> Iterator[str]:
        """Say what is not whole."""
        paid = Counter(
            bill.customer_id for bill in self._rows(found, Bill) if bill.state is BillState.PAID
        )
        used = Counter(
            {ticket.customer_id: len(ticket.uses) for ticket in self._rows(found, Ticket)}
        )
        accounts = list(self._rows(found, PointsAccount))
        earned = Counter({account.holder_id: account.balance - 1 for account in accounts})
        for buyer in paid | used:
            if not paid[buyer] == used[buyer] == earned[buyer] / POINTS:
                yield (
                    f"{paid[buyer]} bills paid, {used[buyer]} entries used and "
                    f"{earned[buyer]} points earned"
                )
        if total := sum(account.balance for account in accounts):
            yield f"points come to {total}"
        self.scans = paid.total()

    def _rows(self, found: Found, table: type[R]) -> Iterator[R]:
        read: Any = msgspec.json.Decoder(table).decode
        for (partition, key), body in found.tables[table.table].items():
            text = body if table.is_open else self._opened(table, f"{partition:03d}{key}", body)
            yield read(text)

    def _opened(self, table: type[Row], row_key: str, body: str) -> bytes:
        return self._cells.open(table.table, row_key, body)
