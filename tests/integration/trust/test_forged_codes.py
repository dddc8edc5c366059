"""G9: no code is accepted that this server has not issued, and none costs a look into the store."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tallymark.v1 import identification_pb2
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import SystemClock
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.state import Key, Rows
from tallymark_server.keyring import Keyring
from tallymark_server.services import code_maker
from tallymark_server.services.code_maker import CodeMaker
from tallymark_server.services.issued_codes import IssuedCodes
from tallymark_server.services.lookup import Lookup
from tallymark_server.storage.memory import MemoryStore
from tests.integration.trust.forgeries import FORGERIES, Forger
from tests.proof import Proof
from tests.world.actions import burn
from tests.world.messages import new_id
from tests.world.shop import open_shop
from tests.world.world import World

pytestmark = pytest.mark.guarantee

GENUINE_CODES = 50

TILL = Caller(kind=CallerKind.TERMINAL, caller_id="till-1", merchant_id="cafe")

REASONS = {Reason.CODE_MALFORMED, Reason.CODE_KEY_UNKNOWN, Reason.CODE_NOT_GENUINE}


class UntouchedStore(MemoryStore):
    """Counts how often it is asked."""

    asked = 0

    async def load(self, keys: Iterable[Key[Any]]) -> Rows:
        self.asked += 1
        return await super().load(keys)


@pytest.fixture
def forger(keyring: Keyring, proof: Proof, tmp_path: Path) -> Forger:
    return Forger(keyring, Keyring.open(tmp_path / "keys"), [], proof.random)


def _codes(forger: Forger, codes: CodeMaker) -> None:
    """Issue genuine codes, of each kind."""
    for number in range(GENUINE_CODES):
        made = codes.make(
            f"code {number}",
            partition=DIRECTORY,
            expires_at_seconds=4_000_000_000,
            audience="till-1" if number % 2 else "",
            ticket=None,
        )
        codes.remember(made)
        forger.codes.append(made.text)


async def _try(forger: Forger, lookup: Lookup, trials: int) -> Counter[str]:
    """Show so many forgeries, of each kind alike, and count what is answered."""
    seen: Counter[str] = Counter()
    genuine = set(forger.codes)
    kinds = list(FORGERIES.items())
    for number in range(trials):
        kind, forge = kinds[number % len(kinds)]
        text = forge(forger)
        if text in genuine:  # a swapped or spelled one may come out as it was
            continue
        try:
            await lookup.identify(TILL, identification_pb2.Identification(code=text), new_id())
        except Refused as refused:
            seen[kind if refused.reason in REASONS else "REFUSED FOR ANOTHER REASON"] += 1
        else:
            seen["ACCEPTED"] += 1
    return seen


async def test_no_forgery_is_accepted_or_looked_up(forger: Forger, proof: Proof) -> None:
    trials = proof.trials(ci=10_000, campaign=1_000_000)
    store, codes = UntouchedStore(), CodeMaker(forger.keyring, SystemClock())
    lookup = Lookup(
        store=store, keyring=forger.keyring, codes=codes, partitions=frozenset({DIRECTORY})
    )
    _codes(forger, codes)

    seen = await _try(forger, lookup, trials)

    accepted = seen.pop("ACCEPTED", 0) + seen.pop("REFUSED FOR ANOTHER REASON", 0)
    proof.record(
        "G9 forged, altered and re-encoded codes",
        trials=sum(seen.values()) + accepted,
        failures=accepted + store.asked,
        faults_fired={kind: seen[kind] for kind in FORGERIES},
        mutants_killed=("MAC not checked", "text not compared"),
        figures={"accepted": accepted, "database_queries": store.asked},
    )


@pytest.mark.parametrize("bug", ["MAC not checked", "text not compared"])
async def test_planted_bugs_let_forgeries_through(
    forger: Forger, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    codes = CodeMaker(forger.keyring, SystemClock())
    _codes(forger, codes)
    if bug == "MAC not checked":
        monkeypatch.setattr(code_maker, "check_cti_mac", lambda *_, **__: True)
    else:
        monkeypatch.setattr(codes, "_issued", IssuedCodes())
    lookup = Lookup(
        store=UntouchedStore(),
        keyring=forger.keyring,
        codes=codes,
        partitions=frozenset({DIRECTORY}),
    )

    seen = await _try(forger, lookup, 2_000)

    assert seen["ACCEPTED"] > 0


async def test_the_same_forgeries_move_nothing_at_a_real_till(
    in_memory: World, forger: Forger, proof: Proof
) -> None:
    """Over the wire, with a genuine code still good afterwards."""
    trials = proof.trials(ci=230, campaign=10_000)
    shop = await open_shop(in_memory)
    forger.codes.append(await shop.phone.issue())
    before = await shop.belongings()
    kinds = list(FORGERIES.values())
    seen: Counter[str] = Counter()
    for number in range(trials):
        text = kinds[number % len(kinds)](forger)
        if text in forger.codes or len(text) < 8:  # shorter ones break the contract
            continue
        seen[await shop.till.reason("ResolveCode", shop.till.resolve_request(text, burn(1)))] += 1

    proof.record(
        "G9 forged codes at a till",
        trials=seen.total(),
        failures=sum(count for reason, count in seen.items() if reason not in REASONS),
        faults_fired=dict(seen),
    )
    assert await shop.belongings() == before
    assert (await shop.till.resolve(forger.codes[0], burn(1))).state == 3
