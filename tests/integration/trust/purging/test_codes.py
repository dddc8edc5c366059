"""G11 after old rows were removed: a dead code stays dead, and a good one stays good."""

from collections import Counter
from pathlib import Path

import pytest

from tallymark_server.domain import retention
from tallymark_server.domain.model.processes import Code, Process
from tallymark_server.keyring import Keyring
from tallymark_server.lanes import purger
from tallymark_server.storage.sqlite import SqliteStore
from tests.integration.trust.test_dead_codes import ENDS, show
from tests.proof import Proof
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import MovedClock
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

from .ageing import YEARS_DAYS, kept, opened, pass_days


@pytest.mark.guarantee
async def test_a_dead_code_stays_dead_after_its_rows_were_removed(
    keyring: Keyring, proof: Proof, tmp_path: Path
) -> None:
    codes = proof.trials(ci=20, campaign=2_000)
    seen: Counter[str] = Counter()
    authority, clock, dead = new_authority(LONG_LIVES), MovedClock(), list[str]()
    path = tmp_path / "tallymark.sqlite3"
    store = await SqliteStore.open(path, keyring.cells)
    async with world(store, keyring, clock=clock, authority=authority) as made:
        shop = await open_shop(made)
        await made.operator.add_points(shop.phone, 100_000, "more")
        tills = [shop.till, await made.add_terminal("till-2"), await made.add_terminal("gate-1")]
        for number in range(codes):
            dead.append(await shop.phone.issue())
            await ENDS[number % len(ENDS)](shop, dead[-1])
            assert await pass_days(shop, 0) == 0, "nothing is old"
        before = await shop.belongings()
        for days in (1.1, 30, YEARS_DAYS):
            assert await pass_days(shop, days) > 0
            for code in dead:
                for till in tills:
                    seen[await show(till, code)] += 1
        assert await kept(shop, Code, Process) == {"codes": 0, "processes": 0}
    await store.close()

    store = await SqliteStore.open(path, keyring.cells)
    async with world(store, keyring, clock=clock, authority=authority, again=True) as made:
        for till in tills:
            await made.connect(till)
            for code in dead:
                seen[await show(till, code)] += 1
        assert await Shop(made, Phone(None), tills[0]).belongings() == before
    await store.close()

    assert set(seen) == {"CODE_EXPIRED"}
    proof.record(
        "G11 replays of codes whose rows were removed",
        trials=seen.total(),
        failures=seen["OK"],
        faults_fired={"removed": codes},
        mutants_killed={"rows removed before expiry and skew": 1, "open processes removed": 1},
    )


async def _good_codes(shop: Shop) -> list[str]:
    """Show a code before it is over and again when it is spent, while old rows are removed."""
    code = await shop.phone.issue()
    await shop.world.app.purger.look()
    first = await show(shop.till, code)
    await shop.world.app.purger.look()
    return [first, await show(shop.till, code)]


async def test_codes_that_are_not_over_stay(keyring: Keyring) -> None:
    async with opened(keyring) as shop:
        assert await _good_codes(shop) == ["OK", "CODE_ALREADY_CLAIMED"]


async def test_codes_removed_before_their_expiry_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: rows go an hour before expiry, not a day after it."""
    for module in (retention, purger):
        monkeypatch.setattr(module, "CODE_KEPT_SECONDS", -3_600)
    async with opened(keyring) as shop:
        assert await _good_codes(shop) == ["CODE_NOT_FOUND", "CODE_NOT_FOUND"]
