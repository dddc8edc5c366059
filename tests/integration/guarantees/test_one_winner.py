"""G1: of all terminals that show a code, exactly one may execute, though answers are lost.

Each code is claimed by 2 to 8 terminals at once. Now and then a terminal's line swallows what the
server says: the terminal asks what became of its request and sends it again. Afterwards the history
of each code has to be that of one register, one terminal must have won, and each win must have
added one point.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tallymark_server.domain.model.processes import Code
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tests.chaos.desk import Desk, Presentation, open_desks, until_answered
from tests.chaos.history import History
from tests.chaos.models import Answer, Kind
from tests.chaos.proxy import DropReplies
from tests.integration.guarantees.stale_rows import plant_stale_rows
from tests.proof import Proof
from tests.world.actions import earn
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

pytestmark = pytest.mark.guarantee

DESKS = 8
CODES_AT_ONCE = 8
"""So that several codes meet in one batch of the lane; each on a phone of its own."""

LOST_REPLIES = 0.01
LOST_FOR_SECONDS = 0.1
"""Long enough for the server to decide, and to answer into the void."""


class Race(NamedTuple):
    """Phones that show codes, and desks that all want them."""

    shop: Shop
    phones: Sequence[Phone]
    desks: Sequence[Desk]
    history: History
    random: random.Random

    async def run(self, codes: Iterator[int]) -> dict[str, list[str]]:
        """Let desks claim one code after the other; return what each code's desks heard."""
        heard: dict[str, list[str]] = {}

        async def show_codes(phone: Phone) -> None:
            for number in codes:
                name = f"code-{number}"
                heard[name] = await self._claim(name, await phone.issue())

        await asyncio.gather(*(show_codes(phone) for phone in self.phones))
        return heard

    async def _claim(self, name: str, code: str) -> list[str]:
        desks = self.random.sample(self.desks, self.random.randint(2, DESKS))
        calls = [self._sell(desk, desk.present(name, code, earn(1))) for desk in desks]
        return await asyncio.gather(*calls)

    async def _sell(self, desk: Desk, shown: Presentation) -> str:
        if self.random.random() < LOST_REPLIES:
            desk.proxy.strike(DropReplies())
            asyncio.get_running_loop().call_later(LOST_FOR_SECONDS, desk.proxy.heal)
        answer = await until_answered(desk, shown, Kind.CLAIM)
        if answer == Answer.WON:
            await until_answered(desk, shown, Kind.COMPLETE)
        return answer

    def lost_replies(self) -> int:
        return sum(desk.proxy.fired[DropReplies.name] for desk in self.desks)


@asynccontextmanager
async def race(keyring: Keyring, path: Path, seed: random.Random) -> AsyncIterator[Race]:
    store = await SqliteStore.open(path / "tallymark.sqlite3", keyring.cells)
    try:
        async with world(store, keyring) as served:
            shop = await open_shop(served)
            phones = [await served.add_device(shop.phone) for _ in range(CODES_AT_ONCE)]
            history = History()
            async with open_desks(served, history, DESKS) as desks:
                yield Race(shop, phones, desks, history, seed)
    finally:
        await store.close()


def broken(heard: dict[str, list[str]], history: History) -> list[str]:
    """Return the codes of which the promise does not hold."""
    fair = Counter({Answer.WON: 1})
    unfair = [
        name
        for name, answers in heard.items()
        if Counter(one for one in answers if one != Answer.LOST) != fair
    ]
    return [*unfair, *history.not_linearizable()]


async def test_a_code_has_one_winner_though_answers_are_lost(
    keyring: Keyring, proof: Proof, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    codes = proof.trials(ci=120, campaign=10_000)
    with monkeypatch.context() as planted:
        plant_stale_rows(Code, planted)
        found_after = await codes_until_broken(keyring, tmp_path / "planted", proof.random)

    async with race(keyring, tmp_path, proof.random) as honest:
        before = await honest.shop.phone.points()
        heard = await honest.run(iter(range(codes)))
        points = await honest.shop.phone.points() - before

    counts = honest.history.counts()
    proof.record(
        "G1 codes shown at 2 to 8 terminals at once",
        trials=codes,
        failures=len(broken(heard, honest.history)) + abs(points - codes),
        faults_fired={
            "reply dropped": honest.lost_replies(),
            "decided, and nobody heard it": honest.history.decided_unheard(),
            "claims without an answer": counts["claim: unknown"],
        },
        mutants_killed={"SELECT, then UPDATE": found_after},
        figures=dict(sorted(counts.items())),
    )
    assert len(heard) == codes


async def codes_until_broken(keyring: Keyring, path: Path, seed: random.Random) -> int:
    """Return how many codes it takes to find the bug that is planted."""
    async with race(keyring, path, seed) as unfair:
        for tried in range(0, 200, CODES_AT_ONCE):
            heard = await unfair.run(iter(range(tried, tried + CODES_AT_ONCE)))
            if broken(heard, unfair.history):
                return tried + CODES_AT_ONCE
    message = "the planted bug was not found"
    raise AssertionError(message)
