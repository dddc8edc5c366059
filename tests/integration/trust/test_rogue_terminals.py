"""G22: a terminal can do what its enrolment says, and nothing else, on open connections too.

Every rogue tries the calls that would let it act. How many of them got through is counted.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from tallymark.v1 import operator_service_pb2 as o
from tallymark.v1 import terminal_service_pb2 as t
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.errors import TallymarkError
from tallymark_protocol.tls import ClientIdentity
from tallymark_server.keyring import Keyring
from tallymark_server.services import open_streams
from tallymark_server.services.callers import Callers
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.tls.authority import CertificateLives
from tests.proof import Proof
from tests.world.actions import ADMIT, burn, charge
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import START
from tests.world.messages import by_process, new_id
from tests.world.serving import world
from tests.world.stage import Stage
from tests.world.terminal import Terminal
from tests.world.world import World

pytestmark = pytest.mark.guarantee

REVOCATION_SECONDS_MAX = 5.0


async def revoked(stage: Stage) -> Terminal:
    """Revoke it while its connection stays open."""
    rogue = await stage.world.add_terminal("revoked")
    await rogue.call("ListVerificationKeys", t.ListVerificationKeysRequest())
    await stage.operator.call("RevokeTerminal", o.RevokeTerminalRequest(terminal_id="revoked"))
    return rogue


async def reenrolled(stage: Stage) -> Terminal:
    """Let another machine enrol in its place."""
    rogue = await stage.world.add_terminal("reenrolled")
    await rogue.call("ListVerificationKeys", t.ListVerificationKeysRequest())
    request = o.ReenrollTerminalRequest(terminal_id="reenrolled")
    answer = await stage.operator.call("ReenrollTerminal", request)
    await stage.world.enrol_terminal(answer.enrolment_code)
    return rogue


async def of_another_authority(stage: Stage) -> Terminal:
    """Give it the right name, by somebody else's word."""
    key = ClientKey.generate()
    issued = new_authority(LONG_LIVES).issue_client(
        key.certificate_request(), kind="terminal", owner_id="till-1", now=START
    )
    rogue = Terminal(None)
    await stage.world.present(rogue, key, issued.certificate_pem)
    return rogue


async def with_a_copied_certificate(stage: Stage) -> Terminal:
    """Give it the certificate of another terminal, which is public, and a key of its own."""
    assert stage.till.identity is not None
    rogue = Terminal(None)
    key = ClientKey.generate()
    rogue.identity = ClientIdentity(stage.till.identity.certificate_pem, key.to_pem().decode())
    await stage.world.connect(rogue)
    return rogue


async def not_on_the_list(stage: Stage) -> Terminal:
    """Give it a genuine certificate whose key nobody has put on the list."""
    key, made = ClientKey.generate(), stage.world
    issued = made.authority.issue_client(
        key.certificate_request(), kind="terminal", owner_id="till-1", now=made.clock.now()
    )
    rogue = Terminal(None)
    await made.present(rogue, key, issued.certificate_pem)
    return rogue


async def without_certificate(stage: Stage) -> Terminal:
    """Let it present nothing."""
    rogue = Terminal(None)
    await stage.world.connect(rogue)
    return rogue


async def an_operator(stage: Stage) -> Terminal:
    """Let somebody call who is known, but not as a terminal."""
    rogue = Terminal(None)
    rogue.identity = stage.operator.identity
    await stage.world.connect(rogue)
    return rogue


ROGUES: dict[str, Callable[[Stage], Awaitable[Terminal]]] = {
    "revoked": revoked,
    "enrolled again elsewhere": reenrolled,
    "of another authority": of_another_authority,
    "with a copied certificate": with_a_copied_certificate,
    "not on the list": not_on_the_list,
    "without certificate": without_certificate,
    "an operator": an_operator,
}


async def acts(stage: Stage, rogue: Terminal, victim: Terminal) -> Counter[str]:
    """Let the rogue try to act, and count what became of it."""
    process = await victim.resolve(await stage.ana.issue(), burn(1))
    requests: list[tuple[str, Any]] = [
        ("ResolveCode", rogue.resolve_request(await stage.ana.issue(), burn(1))),
        (
            "CompleteProcess",
            t.CompleteProcessRequest(request_id=new_id(), reference=by_process(process.process_id)),
        ),
        ("GetTag", t.GetTagRequest()),
    ]
    seen: Counter[str] = Counter()
    for rpc, request in requests:
        try:
            await rogue.call(rpc, request)
        except TallymarkError as error:
            seen[str(error.reason or "no connection")] += 1
        else:
            seen["ALLOWED"] += 1
    await victim.reverse(process.process_id)
    return seen


@pytest.mark.parametrize("kind", ROGUES)
async def test_a_rogue_terminal_gets_nothing(in_memory: World, proof: Proof, kind: str) -> None:
    tries = proof.trials(ci=25, campaign=400)
    stage = await Stage.set_up(in_memory)
    await stage.operator.add_points(stage.ana, 10_000, "more")
    rogue = await ROGUES[kind](stage)

    seen: Counter[str] = Counter()
    for _ in range(tries):
        seen += await acts(stage, rogue, stage.till)

    proof.record(
        f"G22 a terminal that is {kind}",
        trials=seen.total(),
        failures=seen["ALLOWED"],
        faults_fired={what: count for what, count in seen.items() if what != "ALLOWED"},
        mutants_killed=("key looked up at the handshake only",) if kind == "revoked" else (),
    )


async def test_an_expired_certificate_is_refused_on_an_open_connection(keyring: Keyring) -> None:
    """Its end is looked up by the server's clock on every call, not only at the handshake."""
    lives = CertificateLives(
        client_seconds=72 * 3600,
        server_seconds=LONG_LIVES.server_seconds,
        backdated_seconds=LONG_LIVES.backdated_seconds,
    )
    async with world(MemoryStore(), keyring, authority=new_authority(lives)) as made:
        stage = await Stage.set_up(made)
        request = t.ListVerificationKeysRequest()

        made.clock.move(seconds=72 * 3600 - 0.001)
        await stage.till.call("ListVerificationKeys", request)
        made.clock.move(seconds=0.001)
        answers = [await stage.till.reason("ListVerificationKeys", request) for _ in range(99)]

    assert Counter(answers) == {"CERTIFICATE_EXPIRED": 99}


async def test_a_revoked_terminal_loses_its_open_streams(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that is quiet is looked at too, often enough to end within five seconds."""
    assert open_streams.RECHECK_SECONDS * 2 < REVOCATION_SECONDS_MAX
    monkeypatch.setattr(open_streams, "RECHECK_SECONDS", 0.02)
    stage = await Stage.set_up(in_memory)
    process = await stage.instructed()
    stream = stage.till.watch(
        "WatchProcess", t.WatchProcessRequest(reference=by_process(process.process_id))
    )
    await stream.read()

    await stage.operator.call("RevokeTerminal", o.RevokeTerminalRequest(terminal_id="till-1"))

    async with asyncio.timeout(REVOCATION_SECONDS_MAX):
        assert await stream.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_key_that_is_looked_up_at_the_handshake_only_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: whoever was known once stays known."""
    monkeypatch.setattr(Callers, "forget", lambda *_: None)
    async with world(MemoryStore(), keyring) as made:
        stage = await Stage.set_up(made)
        seen = await acts(stage, await revoked(stage), stage.till)

    assert seen["ALLOWED"] > 0


@pytest.mark.parametrize("other", ["other_till", "gate"])
async def test_a_terminal_cannot_touch_anothers_process(
    in_memory: World, proof: Proof, other: str
) -> None:
    tries = proof.trials(ci=25, campaign=400)
    stage = await Stage.set_up(in_memory)
    await stage.operator.add_points(stage.ana, 10_000, "more")
    rogue: Terminal = getattr(stage, other)
    seen: Counter[str] = Counter()
    for _ in range(tries):
        process = await stage.instructed(burn(1))
        reference = by_process(process.process_id)
        for rpc, request in (
            ("GetProcess", t.GetProcessRequest(reference=reference)),
            ("CompleteProcess", t.CompleteProcessRequest(request_id=new_id(), reference=reference)),
            ("ReverseProcess", t.ReverseProcessRequest(request_id=new_id(), reference=reference)),
            (
                "UpdatePoints",
                t.UpdatePointsRequest(request_id=new_id(), reference=reference, new_balance=1),
            ),
        ):
            seen[await rogue.reason(rpc, request)] += 1
        await stage.till.complete(process.process_id)

    proof.record(
        f"G22 another terminal's process, at {rogue.terminal_id}",
        trials=seen.total(),
        failures=seen.total() - seen["PROCESS_NOT_FOUND"],
        faults_fired=dict(seen),
    )


async def test_a_gate_of_one_merchant_admits_to_no_event_of_another(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)

    process = await stage.gate.resolve(await stage.ana.issue(), ADMIT)

    assert process.refusal.reason != 0
    assert not process.HasField("execute_by")


async def test_a_new_terminal_moves_no_more_than_its_limit_without_the_customer(
    in_memory: World, proof: Proof
) -> None:
    """The limit of a new terminal holds for all its customers together."""
    stage = await Stage.set_up(in_memory)
    await stage.operator.set_policy(
        unconfirmed_count_max=1_000,
        unconfirmed_sum_max=1_000_000,
        new_terminal_sum_max=1_000,
        new_terminal_count_max=1_000,
    )
    await stage.bob.add_card()
    moved, asked = 0, 0
    for number in range(40):
        customer = (stage.ana, stage.bob)[number % 2]
        process = await stage.till.resolve(await customer.issue(), charge(100), wait_milliseconds=1)
        await in_memory.settle()
        process = await stage.till.get(process.process_id)
        moved += 100 * (process.state == 3)
        asked += process.state == 1

    proof.record(
        "G22 a new terminal over its limit",
        trials=40,
        failures=int(moved > 1_000),
        faults_fired={"asked the customer": asked},
        figures={"moved": moved, "limit": 1_000},
    )
    assert (moved, asked) == (1_000, 30)
