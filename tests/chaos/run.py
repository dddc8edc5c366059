"""The chaos run: real processes on lines that fail, a server that is killed, and a verdict.

    shoppers (phones) --- proxies ---+
                                     |    server  --->  credit institution
    desks (tills)     --- proxies ---+      |
                                         database  <--- an onlooker who adds up all accounts

The history is kept here, where no fault reaches it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tallymark.v1 import operator_service_pb2 as o
from tallymark.v1 import registration_pb2 as r
from tallymark_server.domain.model.registrations import ISSUER
from tests.chaos.books import Books, read_books
from tests.chaos.desk import Desk
from tests.chaos.history import History
from tests.chaos.mortal import UNLIMITED, Mortal, Onlooker, mortal
from tests.chaos.shopper import Shopper
from tests.chaos.verdict import stored_rows, wrong_charges, wrong_rows
from tests.chaos.weather import blow
from tests.chaos.wishes import CONFIRM_FROM_CENTS, TICKETS_EACH, bills_of, everything
from tests.e2e.served import SERVER, Town, institution, town
from tests.world.messages import euro
from tests.world.phone import Phone
from tests.world.terminal import Terminal

__all__ = ["Chaos", "play"]

CUSTOMERS: Final = 4
PHONES_EACH: Final = 2
DESKS: Final = 8
FIRST_POINTS: Final = 10_000

KILL_SECONDS: Final = 4.0
LOOK_SECONDS: Final = 0.05
ANSWER_SECONDS: Final = 2.0
"""After which a desk does not wait any longer for an answer: shorter than some black holes."""

PATIENCE_SECONDS: Final = 60.0
"""Within which every sale has to end and the institution to be told, once all is well."""


@dataclass
class Chaos:
    """What happened, and what was wrong afterwards."""

    history: History
    kills: int = 0
    reads: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    postings: int = 0
    processes: int = 0

    @property
    def operations(self) -> int:
        return self.history.counts().total()


@dataclass(frozen=True)
class _Cast:
    """Who takes part."""

    shoppers: Sequence[Shopper]
    server: Mortal
    onlooker: Onlooker


async def play(
    folder: Path,
    seconds: float,
    seed: Random,
    *,
    code: str = SERVER,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Chaos:
    """Let customers shop for so long, with everything going wrong; then look what came of it.

    `code` is the server program, which a test may plant a bug into.
    """
    chaos = Chaos(History.kept_in(folder / "history.jsonl"))
    async with (
        institution(folder) as (_, bank_port),
        _cast(folder, bank_port, chaos.history, seed, code) as cast,
    ):
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, over.set)
        shopping = [asyncio.create_task(one.shop(over.is_set)) for one in cast.shoppers]
        await _trouble(chaos, cast, seed, over)
        chaos.wrong["phones whose sale never ended"] = await _stuck(shopping, patience_seconds)
        books = await read_books(cast.shoppers)
        chaos.wrong["charges that differ at the institution"] = await _wrong_when_settled(
            folder / "institution", books, patience_seconds
        )
        await cast.server.stop()
    chaos.faults, chaos.kills = cast.server.fired(), cast.server.kills
    chaos.wrong.update(wrong_rows(await stored_rows(folder / "data"), books, FIRST_POINTS))
    chaos.wrong["codes whose history no register explains"] = len(chaos.history.not_linearizable())
    chaos.moved = sum((shopper.moved for shopper in cast.shoppers), Counter())
    chaos.postings, chaos.processes = books.postings, len(books.processes)
    chaos.history.close()
    assert chaos.reads, "the onlooker saw nothing"
    return chaos


@asynccontextmanager
async def _cast(
    folder: Path, bank_port: int, history: History, seed: Random, code: str
) -> AsyncIterator[_Cast]:
    """Furnish a server, kill it, and give its successor with everybody connected to it."""
    async with town(folder, bank_port, options=UNLIMITED) as first:
        phones = [phone for number in range(CUSTOMERS) for phone in await _customer(first, number)]
        tills = [await first.add_terminal(f"desk-{number}") for number in range(DESKS)]
        await first.operator.set_policy(
            code_life_seconds=3_600,
            confirm_money_from=CONFIRM_FROM_CENTS,
            confirm_points_from=1_000_000,
            unconfirmed_count_max=10_000,
            unconfirmed_sum_max=10**9,
            new_terminal_days=0,
        )
        ca_pem = first.ca_pem
    async with mortal(folder, bank_port, ca_pem=ca_pem, code=code) as server:
        desks = [await _desk(server, till, history) for till in tills]
        for phone in phones:
            await server.connect(phone)
        shoppers = [_shopper(phone, desks, seed) for phone in phones]
        yield _Cast(shoppers, server, Onlooker(folder / "data"))


async def _customer(first: Town, number: int) -> Sequence[Phone]:
    """Add a customer with a card, points, bills and tickets; return the phones."""
    phone = await first.add_phone(f"customer-{number}")
    await phone.add_card()
    await first.operator.add_points(phone, FIRST_POINTS)
    bills = [_bill(phone, reference) for reference in bills_of(phone.login_name)]
    await first.operator.call("AddBills", o.AddBillsRequest(bills=bills))
    tickets = [_ticket(phone, f"t-{number}-{place}", place % 3) for place in range(TICKETS_EACH)]
    await first.operator.call("AddTickets", o.AddTicketsRequest(tickets=tickets))
    return [phone, *[await first.add_device(phone) for _ in range(PHONES_EACH - 1)]]


def _bill(phone: Phone, reference: str) -> r.Bill:
    return r.Bill(
        merchant_id="cafe",
        bill_reference=reference,
        login_name=phone.login_name,
        amount=euro(1_000),
        description="water",
    )


def _ticket(phone: Phone, ticket_id: str, more_entries: int) -> r.Ticket:
    return r.Ticket(
        event_id="jazz",
        ticket_id=ticket_id,
        login_name=phone.login_name,
        entries=1 + more_entries,
    )


async def _desk(server: Mortal, till: Terminal, history: History) -> Desk:
    return Desk(till, await server.connect(till), history, deadline_seconds=ANSWER_SECONDS)


def _shopper(phone: Phone, desks: Sequence[Desk], seed: Random) -> Shopper:
    wish = everything(phone.login_name)
    return Shopper(phone, desks, seed, wish, deadline_seconds=ANSWER_SECONDS)


async def _trouble(chaos: Chaos, cast: _Cast, seed: Random, over: asyncio.Event) -> None:
    """Let everything go wrong at once until it is over. Then all is well."""
    await asyncio.gather(
        cast.server.die_every(KILL_SECONDS, over),
        blow(cast.server.proxies, seed, over),
        _look_throughout(chaos, cast.onlooker, over),
    )


async def _stuck(shopping: Sequence[asyncio.Task[None]], patience_seconds: float) -> int:
    """Return how many phones are in the middle of a sale that does not end."""
    ended, stuck = await asyncio.wait(shopping, timeout=patience_seconds)
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
    await asyncio.gather(*ended)
    return len(stuck)


async def _look_throughout(chaos: Chaos, onlooker: Onlooker, over: asyncio.Event) -> None:
    """Add up all accounts again and again."""
    while not over.is_set():
        accounts = await onlooker.look()
        chaos.reads += bool(accounts)
        below = [row for row in accounts if row.holder_id != ISSUER and row.available < 0]
        chaos.wrong["reads of accounts that do not sum to zero"] += bool(
            below or sum(row.balance for row in accounts)
        )
        await asyncio.sleep(LOOK_SECONDS)


async def _wrong_when_settled(journal: Path, books: Books, patience_seconds: float) -> int:
    """Return what is still wrong when the institution had time to be told everything."""
    for _ in range(round(patience_seconds / LOOK_SECONDS)):
        if not wrong_charges(journal, books):
            return 0
        await asyncio.sleep(LOOK_SECONDS)
    return wrong_charges(journal, books)
