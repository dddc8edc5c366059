"""G5: points are neither made nor lost, however often the server is killed: the bank test.

Sixteen phones of eight customers earn, burn, change their mind, give up and take back at sixteen
desks, while a real server is killed every few seconds and started again on the same data. All
accounts are read throughout: each time they must sum to zero with the issuer's, and none be below
zero. In the end each account must hold what the receipts say.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.registrations import ISSUER, PointsAccount
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tests.chaos.books import read_books
from tests.chaos.desk import Desk, open_desks
from tests.chaos.history import History
from tests.chaos.mortal import UNLIMITED, Mortal, Onlooker, mortal
from tests.chaos.shopper import Shopper
from tests.chaos.wishes import points_only
from tests.e2e.served import town
from tests.integration.guarantees.stale_rows import plant_stale_rows
from tests.proof import Proof
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.world import World

pytestmark = pytest.mark.guarantee

CUSTOMERS = 8
CLIENTS = 16
FIRST_POINTS = 100_000

LOOK_SECONDS = 0.02
KILL_SECONDS = 5.0

KILLS_IN_CI = 2
KILL_SECONDS_IN_CI = 1.5

DEADLINE_SECONDS = 30.0
"""Never reached by a test that passes."""

Look = Callable[[], Awaitable[Sequence[PointsAccount]]]


@dataclass
class Bank:
    """Who moves points, and what was seen of the accounts meanwhile."""

    shoppers: Sequence[Shopper]
    look: Look
    reads: int = 0
    wrong_reads: int = 0
    is_unsound: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first wrong read."""

    @property
    def movements(self) -> int:
        return sum(shopper.moved.total() for shopper in self.shoppers)

    async def move(self, is_over: Callable[[], bool]) -> None:
        """Let everybody shop until it is over, and read all accounts throughout."""
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.gather(*(shopper.shop(is_over) for shopper in self.shoppers))
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def wrong_accounts(self) -> int:
        """Return how many accounts do not hold what the receipts say, or hold something back."""
        books = await read_books(self.shoppers)
        customers = [row for row in await self.look() if row.holder_id != ISSUER]
        assert len(customers) == CUSTOMERS
        return sum(
            row.balance != FIRST_POINTS + books.points[row.login_name] or row.held != 0
            for row in customers
        )

    async def _read(self) -> None:
        while True:
            accounts = await self.look()
            self.reads += bool(accounts)
            if not _is_sound(accounts):
                self.wrong_reads += 1
                self.is_unsound.set()
            await asyncio.sleep(LOOK_SECONDS)


def _is_sound(accounts: Sequence[PointsAccount]) -> bool:
    """Say whether all accounts sum to zero, and none but the issuer's is below what it holds."""
    customers = [row for row in accounts if row.holder_id != ISSUER]
    return not sum(row.balance for row in accounts) and all(
        0 <= row.held <= row.balance for row in customers
    )


async def add_phones(made: World) -> list[Phone]:
    """Add the customers with their points, each with two phones."""
    phones = []
    for number in range(CUSTOMERS):
        phone = await made.add_phone(f"customer-{number}")
        await made.operator.add_points(phone, FIRST_POINTS)
        phones += [phone, await made.add_device(phone)]
    await made.operator.set_policy(confirm_points_from=1_000_000)
    return phones


@asynccontextmanager
async def mortal_bank(
    folder: Path, history: History, seed: random.Random
) -> AsyncIterator[tuple[Bank, Mortal]]:
    async with town(folder, options=UNLIMITED) as first:
        phones = await add_phones(first)
        tills = [await first.add_terminal(f"desk-{number}") for number in range(CLIENTS)]
        ca_pem = first.ca_pem
    async with mortal(folder, institution_port=1, ca_pem=ca_pem) as server:
        desks = [Desk(till, await server.connect(till), history) for till in tills]
        for phone in phones:
            await server.connect(phone)
        shoppers = [Shopper(phone, desks, seed, points_only) for phone in phones]
        yield Bank(shoppers, Onlooker(folder / "data").look), server


async def test_points_are_conserved_though_the_server_is_killed(
    keyring: Keyring, proof: Proof, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    movements = proof.trials(ci=250, campaign=100_000)
    with monkeypatch.context() as planted:
        plant_stale_rows(PointsAccount, planted)
        found_after = await _movements_until_wrong(keyring, proof.random)

    history = History()
    async with mortal_bank(tmp_path, history, proof.random) as (bank, server):
        all_moved = asyncio.Event()
        killing = asyncio.create_task(
            server.die_every(KILL_SECONDS, all_moved)
            if proof.is_campaign
            else server.die_every(KILL_SECONDS_IN_CI, all_moved, kills_max=KILLS_IN_CI)
        )
        await bank.move(lambda: bank.movements >= movements and server.kills >= KILLS_IN_CI)
        all_moved.set()
        await killing
        wrong_accounts = await bank.wrong_accounts()

    moved: Counter[str] = sum((shopper.moved for shopper in bank.shoppers), Counter())
    proof.record(
        "G5 points of 8 customers, moved by 16 phones",
        trials=bank.movements,
        failures=bank.wrong_reads + wrong_accounts + len(history.not_linearizable()),
        faults_fired={
            "kills": server.kills,
            "calls without an answer": history.unknown(),
            **moved,
        },
        mutants_killed={"balances as they were read, then written": found_after},
        figures={
            "reads_of_all_accounts": bank.reads,
            "decided, and nobody heard it": history.decided_unheard(),
        },
    )
    assert bank.reads > 0


async def _movements_until_wrong(keyring: Keyring, seed: random.Random) -> int:
    """Return how many movements it takes to find the bug that is planted."""
    store = MemoryStore()
    async with world(store, keyring) as made, open_desks(made, History(), CLIENTS) as desks:

        async def look() -> Sequence[PointsAccount]:
            return await store.scan(PointsAccount, DIRECTORY, limit=100)

        phones = await add_phones(made)
        bank = Bank([Shopper(phone, desks, seed, points_only) for phone in phones], look)
        moving = asyncio.create_task(bank.move(bank.is_unsound.is_set))
        await asyncio.wait_for(bank.is_unsound.wait(), DEADLINE_SECONDS)
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
    return bank.movements
