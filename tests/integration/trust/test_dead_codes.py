"""G10 and G11: no code is accepted after its time, and none a second time, whatever the clock does.

The clock of these servers is the real one, over a machine's time that the tests step.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tallymark_server.clock import STEP_SECONDS_MAX, SystemClock
from tallymark_server.domain.processes import resolve
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.store import last_decision
from tests.proof import Proof
from tests.world.actions import burn
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import MovedClock
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.shop import Shop, open_shop
from tests.world.terminal import Terminal
from tests.world.world import World

pytestmark = pytest.mark.guarantee

CODE_LIFE_MILLISECONDS = 60_000

STEPS_SECONDS = (-86_400, -3_600, -61, -5, -1, 0)
"""Back by as much, after a code's time was over."""


class SteppedClock(MovedClock):
    """The server's own clock, over a machine's time that passes, or is stepped."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_milliseconds = 0
        self.restart()

    def restart(self, not_before: int = 0) -> None:
        """Take the clock of a server that starts now."""
        self._clock = SystemClock(
            not_before,
            machine=lambda: self.milliseconds * 1_000_000,
            steady=lambda: self._passed_milliseconds * 1_000_000,
        )

    def now(self) -> int:
        return self._clock.now()

    def move(self, *, seconds: float) -> None:
        super().move(seconds=seconds)
        self._passed_milliseconds += round(seconds * 1_000)

    def step(self, *, seconds: float) -> None:
        """Set the machine's time, without any time that passes."""
        super().move(seconds=seconds)


@asynccontextmanager
async def stepped(keyring: Keyring) -> AsyncIterator[Shop]:
    async with world(MemoryStore(), keyring, clock=SteppedClock()) as made:
        yield await open_shop(made)


@asynccontextmanager
async def served_again(shop: Shop, clock: SteppedClock) -> AsyncIterator[None]:
    """Serve a shop's customer and till from its store, by a server that starts now."""
    before = shop.world
    clock.restart(not_before=await last_decision(before.store))
    async with world(
        before.store, before.keyring, clock=clock, authority=before.authority, again=True
    ) as made:
        for actor in (shop.phone, shop.till):
            await made.connect(actor)
        yield


async def show(till: Terminal, code: str) -> str:
    """Show a code under a new request_id; return "OK" or why not."""
    return await till.reason("ResolveCode", till.resolve_request(code, burn(1)))


async def test_a_code_lives_to_the_last_millisecond_and_no_longer(
    keyring: Keyring, proof: Proof
) -> None:
    trials = proof.trials(ci=40, campaign=2_000)
    seen: Counter[tuple[int, str]] = Counter()
    async with stepped(keyring) as shop:
        await shop.world.operator.add_points(shop.phone, 100_000, "more")
        for number in range(trials):
            beyond = (-1, 0, 1, 1_000)[number % 4]
            await _begin_a_second(shop)
            code = await shop.phone.issue()
            shop.world.clock.move(seconds=(CODE_LIFE_MILLISECONDS + beyond) / 1_000)
            seen[beyond, await show(shop.till, code)] += 1

    late = sum(count for (beyond, what), count in seen.items() if beyond >= 0 and what == "OK")
    early = sum(count for (beyond, what), count in seen.items() if beyond < 0 and what != "OK")
    proof.record(
        "G10 codes at their last millisecond",
        trials=trials,
        failures=late + early,
        faults_fired={f"{beyond:+d} ms": seen[beyond, "CODE_EXPIRED"] for beyond in (0, 1, 1_000)},
        mutants_killed=("<= instead of <",),
    )


async def test_a_clock_that_is_set_back_revives_no_code(keyring: Keyring, proof: Proof) -> None:
    """Set back a little it is ridden out; else the server stops, and a restart finds the code dead.

    What passes while it is set right again counts as time, so the next code is a new one.
    """
    trials = proof.trials(ci=24, campaign=1_200)
    seen: Counter[str] = Counter()
    clock = SteppedClock()
    async with world(MemoryStore(), keyring, clock=clock) as made:
        shop = await open_shop(made)
    for number in range(trials):
        step_seconds = STEPS_SECONDS[number % len(STEPS_SECONDS)]
        async with served_again(shop, clock):
            code = await shop.phone.issue()
            clock.move(seconds=61)
            seen[await show(shop.till, code)] += 1
            clock.step(seconds=step_seconds)
            seen[await show(shop.till, code)] += 1
        async with served_again(shop, clock):
            seen[await show(shop.till, code)] += 1
        clock.step(seconds=-step_seconds)

    stopped = sum(step < -STEP_SECONDS_MAX for step in STEPS_SECONDS) * trials // len(STEPS_SECONDS)
    assert seen["SHUTTING_DOWN"] == stopped
    proof.record(
        "G10 codes after the clock was set back",
        trials=seen.total(),
        failures=seen["OK"],
        faults_fired={"refused": seen["CODE_EXPIRED"], "stopped": seen["SHUTTING_DOWN"]},
        mutants_killed=("a clock that goes back",),
    )


async def test_a_clock_that_went_back_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the machine's time is believed."""
    monkeypatch.setattr(SteppedClock, "now", lambda clock: clock.milliseconds)
    clock = SteppedClock()
    async with world(MemoryStore(), keyring, clock=clock) as made:
        shop = await open_shop(made)
        code = await shop.phone.issue()
        clock.move(seconds=61)
        clock.step(seconds=-61)

        assert await show(shop.till, code) == "OK"


async def test_a_code_accepted_in_its_last_second_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the time of expiry itself still counts."""
    monkeypatch.setattr(resolve, "is_over", lambda code, now: now > code.expires_at_seconds * 1000)
    async with stepped(keyring) as shop:
        await _begin_a_second(shop)
        code = await shop.phone.issue()
        shop.world.clock.move(seconds=CODE_LIFE_MILLISECONDS / 1_000)

        assert await show(shop.till, code) == "OK"


async def _begin_a_second(shop: Shop) -> None:
    """Codes end with a second, so they are issued at the beginning of one."""
    shop.world.clock.move(seconds=1 - shop.world.clock.milliseconds % 1_000 / 1_000)


async def spent(shop: Shop, code: str) -> None:
    process = await shop.till.resolve(code, burn(1))
    await shop.till.complete(process.process_id)


async def cancelled(shop: Shop, code: str) -> None:
    process = await shop.till.resolve(code, burn(1))
    await shop.till.reverse(process.process_id)


async def declined(shop: Shop, code: str) -> None:
    await shop.till.resolve(code, burn(1_000_000))


async def superseded(shop: Shop, code: str) -> None:
    """Let a sibling of the code be claimed."""
    assert code
    await spent(shop, await shop.phone.issue())


async def taken_back(shop: Shop, code: str) -> None:
    assert code
    process = await shop.till.resolve(code, burn(1))
    await shop.till.complete(process.process_id)
    await shop.till.reverse(process.process_id)


ENDS: tuple[Callable[[Shop, str], Awaitable[None]], ...] = (
    spent,
    cancelled,
    declined,
    superseded,
    taken_back,
)


async def test_a_dead_code_stays_dead_at_every_terminal_and_after_a_restart(
    keyring: Keyring, proof: Proof, tmp_path: Path
) -> None:
    codes = proof.trials(ci=20, campaign=600)
    seen: Counter[str] = Counter()
    authority = new_authority(LONG_LIVES)
    dead: list[str] = []
    clock = SteppedClock()
    store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", keyring.cells)
    async with world(store, keyring, clock=clock, authority=authority) as made:
        shop = await open_shop(made)
        await made.operator.add_points(shop.phone, 100_000, "more")
        tills = [shop.till, *(await _more_terminals(made))]
        for number in range(codes):
            code = await shop.phone.issue()
            await ENDS[number % len(ENDS)](shop, code)
            dead.append(code)
            for wait_seconds in (0, 1, 28):
                clock.move(seconds=wait_seconds)
                await _replay(tills, [code], seen)
        clock.move(seconds=61)
        await _replay(tills, dead, seen)
        before = await shop.belongings()
    await store.close()

    for step_seconds in (0, -86_400):
        clock.step(seconds=step_seconds)
        store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", keyring.cells)
        clock.restart(not_before=await last_decision(store))
        async with world(store, keyring, clock=clock, authority=authority, again=True) as made:
            for till in tills:
                await made.connect(till)
            await _replay(tills, dead, seen)
            assert await Shop(made, Phone(None), tills[0]).belongings() == before
        await store.close()

    proof.record(
        "G11 replays of dead codes",
        trials=seen.total(),
        failures=seen["OK"],
        faults_fired={reason: count for reason, count in seen.items() if reason != "OK"},
        mutants_killed=("a claim that is not written",),
        figures={"codes": codes},
    )


async def test_a_claim_that_is_not_written_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the code stays as it was issued."""
    monkeypatch.setattr(resolve, "_claim", lambda *_: None)
    seen: Counter[str] = Counter()
    async with stepped(keyring) as shop:
        code = await shop.phone.issue()
        await shop.till.resolve(code, burn(1))
        await _replay([shop.till], [code], seen)

    assert seen["OK"] > 0


async def _more_terminals(made: World) -> list[Terminal]:
    return [await made.add_terminal("till-2"), await made.add_terminal("gate-1", "hall")]


async def _replay(tills: list[Terminal], codes: list[str], seen: Counter[str]) -> None:
    for code in codes:
        for till in tills:
            seen[await show(till, code)] += 1
