"""A stranger learns from no answer, step or time whether a login name exists."""

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tallymark_protocol.device_key import DevicePrivateKey, DevicePublicKey
from tallymark_server.domain.state import Key, Rows
from tallymark_server.keyring import Keyring
from tallymark_server.services.device_proofs import DeviceProofs
from tallymark_server.services.steady_refusal import STEADY_SECONDS
from tallymark_server.storage.sqlite import SqliteStore
from tests.integration.guessing.ground import count_comparisons
from tests.proof import Proof
from tests.world.calls import Call, failure_of, rows_in
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.signed_requests import add_device_request, sign_in_request
from tests.world.world import World

Ask = Callable[[Phone, str], tuple[str, Any]]
"""Makes the request of a stranger's phone under a login name."""

SIGNIFICANT = 0.01


def sign_in_with_own_device(stranger: Phone, login_name: str) -> tuple[str, Any]:
    return "SignIn", sign_in_request(stranger, login_name=login_name)


def sign_in_with_no_device(stranger: Phone, login_name: str) -> tuple[str, Any]:
    return "SignIn", sign_in_request(stranger, login_name=login_name, device_id="0" * 34)


def add_device_uninvited(_: Phone, login_name: str) -> tuple[str, Any]:
    key = DevicePrivateKey.generate()
    return "AddDevice", add_device_request(login_name, key, invitation="tmi_guessed")


ASKS = [sign_in_with_own_device, sign_in_with_no_device, add_device_uninvited]


class Steps:
    """What a server does for a call: what it reads, and what it checks and compares."""

    def __init__(self, served: World, patch: pytest.MonkeyPatch) -> None:
        self.taken: list[str] = []
        self.compared = count_comparisons(patch)
        load, verify = served.store.load, DevicePublicKey.verify
        submit = served.app.lane.submit

        async def noted_load(keys: Iterable[Key[Any]]) -> Rows:
            wanted = list(keys)
            self.taken.append(f"load {[key.table.table for key in wanted]}")
            return await load(wanted)

        def noted_verify(key: DevicePublicKey, *arguments: bytes) -> bool:
            self.taken.append("verify")
            return verify(key, *arguments)

        async def noted_submit(command: Any) -> Any:
            self.taken.append(type(command).__name__)
            return await submit(command)

        patch.setattr(served.store, "load", noted_load)
        patch.setattr(DevicePublicKey, "verify", noted_verify)
        patch.setattr(served.app.lane, "submit", noted_submit)

    async def of(self, stranger: Phone, rpc: str, request: Any) -> list[str]:
        self.taken.clear()
        failure = await failure_of(Call(stranger, rpc, request))
        assert self.compared.total() == 0
        return [failure.reason, failure.message, *self.taken]


@pytest.mark.parametrize("ask", ASKS)
async def test_a_known_name_takes_the_steps_of_an_unknown_one(
    in_memory: World, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    stranger = await in_memory.add_phone("stranger")
    await in_memory.add_phone("victim")
    before = await rows_in(in_memory.store)
    steps = Steps(in_memory, monkeypatch)

    known = await steps.of(stranger, *ask(stranger, "victim"))
    unknown = await steps.of(stranger, *ask(stranger, "nobody"))

    assert known == unknown
    assert any("customers" in step for step in known)
    assert await rows_in(in_memory.store) == before


async def test_the_steps_would_show_a_shortcut_for_unknown_names(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted bug: without a device no signature is checked."""
    stranger = await in_memory.add_phone("stranger")
    victim = await in_memory.add_phone("victim")
    checked = DeviceProofs.is_signed_by
    monkeypatch.setattr(
        DeviceProofs,
        "is_signed_by",
        lambda proofs, device, request: device is not None and checked(proofs, device, request),
    )
    steps = Steps(in_memory, monkeypatch)

    known, unknown = [
        await steps.of(
            stranger,
            "SignIn",
            sign_in_request(stranger, login_name=name, device_id=victim.device_id),
        )
        for name in ("victim", "nobody")
    ]

    assert known != unknown


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("name", ["victim", "nobody"])
async def test_no_refusal_goes_out_before_its_time(in_memory: World, ask: Ask, name: str) -> None:
    stranger = await in_memory.add_phone("stranger")
    await in_memory.add_phone("victim")
    rpc, request = ask(stranger, name)

    seconds, reason = await _timed(lambda: stranger.reason(rpc, request))

    assert reason in {"PASSWORD_WRONG", "INVITATION_INVALID"}
    assert seconds >= STEADY_SECONDS


@pytest.mark.guarantee
@pytest.mark.parametrize("ask", ASKS)
async def test_a_known_name_takes_the_time_of_an_unknown_one(
    keyring: Keyring, tmp_path: Path, ask: Ask, proof: Proof
) -> None:
    """The times are judged in campaigns only; in CI other work would decide."""
    calls = proof.trials(ci=5, campaign=1_000)
    store = await SqliteStore.open(tmp_path / "db", keyring.cells)
    async with world(store, keyring) as served:
        stranger = await served.add_phone("stranger")
        for number in range(calls):
            await served.add_phone(f"known-{number}")
        times: dict[str, list[float]] = {"known": [], "nobody": []}
        reasons = set()
        for number in range(calls):
            for kind in proof.random.sample(sorted(times), 2):
                rpc, request = ask(stranger, f"{kind}-{number}")
                seconds, reason = await _timed(lambda: stranger.reason(rpc, request))  # noqa: B023 -- awaited here
                times[kind].append(seconds)
                reasons.add(reason)
    await store.close()
    distance, chance = kolmogorov_smirnov(times["known"], times["nobody"])
    told_apart = len(reasons) > 1 or (proof.is_campaign and chance < SIGNIFICANT)
    proof.record(
        f"G14 names told apart by {ask.__name__}",
        trials=2 * calls,
        failures=int(told_apart),
        figures={
            "milliseconds": {
                kind: round(1_000 * sorted(some)[calls // 2], 3) for kind, some in times.items()
            },
            "kolmogorov_smirnov": round(distance, 4),
            "chance": round(chance, 4),
        },
    )


def test_times_that_differ_are_told_apart(proof: Proof) -> None:
    fast = [proof.random.gauss(2.0, 0.3) for _ in range(1_000)]
    same = [proof.random.gauss(2.0, 0.3) for _ in range(1_000)]
    slow = [proof.random.gauss(2.1, 0.3) for _ in range(1_000)]

    assert kolmogorov_smirnov(fast, same)[1] > SIGNIFICANT
    assert kolmogorov_smirnov(fast, slow)[1] < SIGNIFICANT


def kolmogorov_smirnov(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the greatest distance of the two distributions, and how likely it is by chance.

    The chance is that of the limit for many samples, with Stephens' correction.
    """
    merged = sorted(
        [(value, 1 / len(first)) for value in first]
        + [(value, -1 / len(second)) for value in second]
    )
    height, distance = 0.0, 0.0
    for _, step in merged:
        height += step
        distance = max(distance, abs(height))
    root = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    scaled = (root + 0.12 + 0.11 / root) * distance
    terms = [(-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101)]
    return distance, min(1.0, max(0.0, 2 * sum(terms)))


async def _timed(call: Callable[[], Awaitable[str]]) -> tuple[float, str]:
    started = time.perf_counter()
    reason = await call()
    return time.perf_counter() - started, reason
