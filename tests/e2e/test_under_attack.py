"""G9 and G15: what honest scans notice of a flood beside them. By `make attack` only.

Server, honest terminal and flood are processes of their own. Quiet and attacked rounds take turns;
each pair gives a ratio of the 99th percentiles, and their median is what is promised.
"""

import asyncio
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tallymark.v1.identification_pb2 import CODE_PURPOSE_POINTS
from tests.e2e.served import Town, town
from tests.e2e.volley import Fired, Volley, fire, shooters
from tests.integration.trust.forgeries import FORGERIES, Forger
from tests.proof import Proof
from tests.world.actions import earn
from tests.world.phone import Phone
from tests.world.signed_requests import sign_in_request
from tests.world.terminal import Terminal

pytestmark = pytest.mark.guarantee

SCANS_PER_SECOND = 200
FORGED_PER_SECOND = 500
LOGINS_PER_SECOND = 200
CUSTOMERS = 600
"""Each shows one code in a round: of the codes of one phone the first claimed ends the others."""

INSIDERS = 60
"""Customers whose phones sign in again and again, which ends the session before."""

ROUND_SECONDS = CUSTOMERS / SCANS_PER_SECOND
PAIRS = 10
RATIO_MAX = 2.0

RESOLVE: Final = "/tallymark.v1.TerminalService/ResolveCode"
SIGN_IN: Final = "/tallymark.v1.CustomerService/SignIn"

WIDE = ("--address-rate", "10000", "10000", "--strangers-rate", "10000", "10000")
"""No limits for strangers: here they are not to be what saves the server."""


class Crowd(NamedTuple):
    """Who is at the gate."""

    town: Town
    phones: Sequence[Phone]
    gate: Terminal
    processes: ProcessPoolExecutor

    async def fire(
        self, actor: Phone | Terminal, method: str, requests: Sequence[Any], per_second: float
    ) -> Fired:
        """Make the calls from another process, as this actor."""
        app = self.town.app
        volley = Volley(
            target=f"127.0.0.1:{app.terminal_port if isinstance(actor, Terminal) else app.port}",
            ca_pem=self.town.ca_pem,
            identity=actor.identity,
            method=method,
            requests=[request.SerializeToString() for request in requests],
            per_second=per_second,
        )
        return await asyncio.get_running_loop().run_in_executor(self.processes, fire, volley)

    async def codes(self) -> list[str]:
        """Issue a code for each phone."""
        return [await phone.issue(CODE_PURPOSE_POINTS) for phone in self.phones]

    async def scan(self, codes: Sequence[str]) -> list[float]:
        """Scan the codes at a steady rate; return how long each answer took, in milliseconds."""
        requests = [
            self.gate.resolve_request(code, earn(1), complete_on_instruction=True) for code in codes
        ]
        fired = await self.fire(self.gate, RESOLVE, requests, SCANS_PER_SECOND)
        assert fired.reasons == {"OK": len(codes)}
        return list(fired.milliseconds)


class Flood(NamedTuple):
    """Calls that come beside the scans, and what came of them."""

    actor: Phone | Terminal
    method: str
    per_second: float
    request: Callable[[], Any]
    seen: Counter[str]


@pytest.fixture
def campaign_only(proof: Proof) -> None:
    if not proof.is_campaign:
        pytest.skip("a load, which only make attack plays")


async def gather_crowd(made: Town, processes: ProcessPoolExecutor) -> Crowd:
    phones = [await made.add_phone(f"guest-{number}") for number in range(CUSTOMERS)]
    return Crowd(made, phones, await made.add_terminal("gate-1"), processes)


async def ratio_under(crowd: Crowd, flood: Flood) -> dict[str, Any]:
    """Return the p99 of quiet and attacked rounds, and the median of their ratios."""
    await crowd.scan(await crowd.codes())  # warm
    quiet, attacked = [], []
    for _ in range(PAIRS):
        quiet.append(_p99(await crowd.scan(await crowd.codes())))
        codes = await crowd.codes()
        requests = [flood.request() for _ in range(round(flood.per_second * ROUND_SECONDS))]
        beside, took = await asyncio.gather(
            crowd.fire(flood.actor, flood.method, requests, flood.per_second), crowd.scan(codes)
        )
        attacked.append(_p99(took))
        flood.seen.update(beside.reasons)
    ratios = [under / without for under, without in zip(attacked, quiet, strict=True)]
    return {
        "p99_quiet_ms": [round(one, 1) for one in quiet],
        "p99_attacked_ms": [round(one, 1) for one in attacked],
        "ratio_median": round(statistics.median(ratios), 2),
    }


def _p99(took: Sequence[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


@pytest.mark.usefixtures("campaign_only")
async def test_forged_codes_do_not_slow_honest_scans(
    tmp_path: Path, proof: Proof, keyring: Any
) -> None:
    with shooters(2) as processes:
        async with town(tmp_path, options=WIDE) as made:
            crowd = await gather_crowd(made, processes)
            rogue = await made.add_terminal("rogue")
            genuine = await crowd.codes()
            forger = Forger(keyring, keyring, genuine, proof.random)

            def show_forged() -> Any:
                text = genuine[0]
                while len(text) < 8 or text in genuine:  # a truncation may leave nothing to send
                    text = proof.random.choice(kinds)(forger)
                return rogue.resolve_request(text, earn(1))

            kinds = list(FORGERIES.values())
            flood = Flood(rogue, RESOLVE, FORGED_PER_SECOND, show_forged, Counter())
            figures = await ratio_under(crowd, flood)

    accepted = flood.seen.pop("OK", 0)
    proof.record(
        "G9 honest scans beside 500 forged codes a second",
        trials=PAIRS * CUSTOMERS,
        failures=accepted + int(figures["ratio_median"] > RATIO_MAX),
        faults_fired={"forged codes": flood.seen.total()},
        figures={**figures, "refused": dict(flood.seen)},
    )


@pytest.mark.usefixtures("campaign_only")
async def test_a_flood_of_sign_ins_does_not_slow_honest_scans(tmp_path: Path, proof: Proof) -> None:
    """The flood knows the passwords and has the devices' keys, so each of them would be hashed."""
    with shooters(2) as processes:
        async with town(tmp_path, options=WIDE) as made:
            crowd = await gather_crowd(made, processes)
            insiders = [await made.add_phone(f"insider-{number}") for number in range(INSIDERS)]

            def sign_in() -> Any:
                return sign_in_request(proof.random.choice(insiders))

            flood = Flood(insiders[0], SIGN_IN, LOGINS_PER_SECOND, sign_in, Counter())
            figures = await ratio_under(crowd, flood)

    proof.record(
        "G15 honest scans beside 200 sign-ins a second",
        trials=PAIRS * CUSTOMERS,
        failures=int(figures["ratio_median"] > RATIO_MAX),
        faults_fired={"hashed": flood.seen["OK"], "sent away": flood.seen["OVERLOADED"]},
        figures=figures,
    )
