"""G12: a code that was made for one terminal is worth nothing at any other.

The victim reads the tag of the till and shows the code. The till is jammed and scans nothing. The
code is relayed, while it lives, to a second honestly enrolled terminal: one of the same merchant
and one of another. Afterwards the till scans it after all, so that it is certain that the code was
good all the time.
"""

from collections import Counter
from typing import NamedTuple

import pytest

from tallymark.v1 import action_pb2
from tallymark_server.domain.processes import resolve
from tests.doubles.mutant import Mutant, plant
from tests.proof import Proof
from tests.world.actions import READ_POINTS, charge
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

pytestmark = pytest.mark.guarantee

RELAYED_AFTER_SECONDS = (0, 1, 3, 10)

TRUSTS_THE_CODE = Mutant(
    owner=resolve,
    name="_resolve_code",
    text="code.audience != process.terminal_id",
    bug="code.audience != code.audience",
)
"""The terminal's identity is taken from what it sends, not from its certificate."""


class Relay(NamedTuple):
    """The victim's phone, the till whose tag was read, and the thief's terminals by their place."""

    world: World
    phone: Phone
    till: Terminal
    others: dict[str, Terminal]

    @classmethod
    async def prepare(cls, world: World) -> "Relay":
        """Let everything be charged without asking, so that nothing but the binding protects."""
        await world.operator.set_policy(
            confirm_money_from=10**9,
            unconfirmed_count_max=10_000,
            unconfirmed_sum_max=10**9,
            new_terminal_days=0,
        )
        phone = await world.add_phone()
        await phone.add_card()
        return cls(
            world=world,
            phone=phone,
            till=await world.add_terminal("till-1", "cafe"),
            others={
                "same merchant": await world.add_terminal("till-2", "cafe"),
                "another merchant": await world.add_terminal("rogue-1", "hall"),
            },
        )

    async def run(self, trials: int, *, is_bound: bool) -> Counter[str]:
        """Relay so many codes, and count what each presentation came to."""
        seen: Counter[str] = Counter()
        for number in range(trials):
            tag = await self.till.tag() if is_bound else ""
            code = await self.phone.issue(terminal_tag=tag)
            after = RELAYED_AFTER_SECONDS[number % len(RELAYED_AFTER_SECONDS)]
            self.world.clock.move(seconds=after)
            for place, thief in self.others.items():
                seen[f"{place}: {await _present(thief, code, charge(900))}"] += 1
            seen[f"the till: {await _present(self.till, code, READ_POINTS)}"] += 1
        return seen


async def _present(terminal: Terminal, code: str, action: action_pb2.Action) -> str:
    """Show the code to a terminal, and return why it was refused: "OK" if it was not."""
    request = terminal.resolve_request(code, action, wait_milliseconds=1)
    return await terminal.reason("ResolveCode", request)


async def test_a_relayed_bound_code_buys_nothing(in_memory: World, proof: Proof) -> None:
    trials = proof.trials(ci=1_000, campaign=10_000)
    relay = await Relay.prepare(in_memory)

    seen = await relay.run(trials, is_bound=True)

    refused = {place: seen[f"{place}: CODE_FOR_OTHER_TERMINAL"] for place in relay.others}
    proof.record(
        "G12 bound codes relayed to another terminal",
        trials=trials * len(refused),
        failures=trials * len(refused) - sum(refused.values()),
        faults_fired=refused,
        mutants_killed=("the terminal is taken from the request, not from its certificate",),
        figures={"good_at_their_own_terminal": seen["the till: OK"]},
    )
    assert seen["the till: OK"] == trials, "each of them was good all the time"


async def test_the_baseline_is_published_an_unbound_code_buys_at_the_first_terminal(
    in_memory: World, proof: Proof
) -> None:
    """Not a promise: it shows that these thieves do spend what nothing binds."""
    trials = proof.trials(ci=100, campaign=1_000)
    relay = await Relay.prepare(in_memory)

    seen = await relay.run(trials, is_bound=False)

    proof.record(
        "G12 baseline, unbound codes relayed to another terminal",
        trials=trials,
        failures=0,
        figures={"spent": seen["same merchant: OK"]},
    )
    assert seen["same merchant: OK"] == trials
    assert seen["the till: OK"] == 0


async def test_a_server_that_believes_the_terminal_would_be_noticed(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = await Relay.prepare(in_memory)
    plant(TRUSTS_THE_CODE, monkeypatch)

    seen = await relay.run(4, is_bound=True)

    assert seen["same merchant: OK"] == 4
