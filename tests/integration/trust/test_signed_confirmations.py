"""G13: what is shown is what is signed, and nothing else is done."""

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import pytest

from tallymark.v1 import action_pb2
from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import DisputeProcessRequest
from tallymark_protocol.confirmation import Confirmation
from tallymark_protocol.device_key import DevicePublicKey, KeyAlgorithm
from tests.integration.trust.alterations import ALTERATIONS, Scene
from tests.proof import Proof
from tests.world.actions import ADMIT, CHARGE_REST, READ_POINTS, burn, charge, earn, pay_bill
from tests.world.calls import rows_in
from tests.world.messages import euro, new_id
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

pytestmark = pytest.mark.guarantee

SALES = 4

WRONG, LATE = "CONFIRMATION_SIGNATURE_WRONG", "PROCESS_NOT_AWAITING"

PLANTED_BUGS = {
    "only the process id is signed": (
        Confirmation,
        "to_bytes",
        lambda stated: stated.process_id.encode(),
    ),
    "only process and decision are signed": (
        Confirmation,
        "to_bytes",
        lambda stated: f"{stated.process_id} {stated.decision}".encode(),
    ),
    "signatures are not looked at": (DevicePublicKey, "verify", lambda *_: True),
}


class Ground:
    """Ana's two phones, a stranger, and a till with sales that wait for Ana's answer."""

    def __init__(self, world: World, phones: tuple[Phone, Phone], stranger: Phone) -> None:
        self.world = world
        self.phones = phones
        self.stranger = stranger
        self.till: Terminal
        self.sales: list[p.Process] = []

    @classmethod
    async def prepare(cls, world: World) -> "Ground":
        """Scan four sales in which everything happens that a scan can ask for."""
        ana = await world.add_phone()
        ground = cls(
            world,
            (ana, await world.add_device(ana, KeyAlgorithm.ES256)),
            await world.add_phone("eve"),
        )
        await ana.add_card()
        await world.operator.add_points(ana, 1_000)
        ground.till = await world.add_terminal()
        for number in range(SALES):
            await world.operator.add_bill(ana, f"B-{number}", 700 + number)
            await world.operator.add_ticket(ana, f"A-{number}")
            await ground.till.resolve(
                await ana.issue(),
                CHARGE_REST,
                pay_bill(f"B-{number}", action_pb2.FUNDING_CARD),
                ADMIT,
                READ_POINTS,
                earn(5 + number),
                burn(100 + number),
                sale_total=euro(6_000 + number),
                wait_milliseconds=1,
            )
        ground.sales = await ana.processes()
        waiting = {process.state for process in ground.sales}
        assert waiting == {p.PROCESS_STATE_AWAITING_CUSTOMER}
        return ground


class Toll(NamedTuple):
    """What came of altered answers, by kind."""

    tried: Counter[str]
    executed: Counter[str]


async def attack(ground: Ground, proof: Proof, *, trials: int) -> Toll:
    """Send that many altered answers, of every kind in turn."""
    random = proof.random
    kinds = list(ALTERATIONS)
    toll = Toll(Counter(), Counter())
    for trial in range(trials):
        kind = kinds[trial % len(kinds)]
        shown, other = random.sample(ground.sales, 2)
        phone, other_phone = random.sample(ground.phones, 2)
        scene = Scene(
            shown, other, phone, other_phone, ground.stranger, random.random() < 0.5, random
        )
        reason = await phone.reason("ConfirmProcess", ALTERATIONS[kind](scene))
        assert reason in {"OK", WRONG, LATE}, (kind, reason)
        toll.tried[kind] += 1
        toll.executed[kind] += reason == "OK"
    return toll


async def test_no_altered_confirmation_is_executed_and_the_honest_ones_go_through(
    in_memory: World, proof: Proof
) -> None:
    ground = await Ground.prepare(in_memory)
    before = await rows_in(in_memory.store)

    toll = await attack(ground, proof, trials=proof.trials(ci=1_032, campaign=20_640))

    await in_memory.settle()
    assert await rows_in(in_memory.store) == before, "nothing at all was changed"
    for number, sale in enumerate(ground.sales):
        confirmed = await ground.phones[number % 2].confirm(sale.process_id)
        assert confirmed.confirmed_by_customer
        await in_memory.settle()
        receipt = (await ground.till.complete(sale.process_id)).receipt
        assert receipt.card_total == sale.card_total
    proof.record(
        "G13 altered confirmations",
        trials=toll.tried.total(),
        failures=toll.executed.total(),
        faults_fired=dict(toll.tried),
        mutants_killed=tuple(PLANTED_BUGS),
        figures={"honest_answers": SALES},
    )


@pytest.mark.parametrize("bug", PLANTED_BUGS)
async def test_the_attack_finds_a_server_that_signs_too_little(
    in_memory: World, proof: Proof, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    ground = await Ground.prepare(in_memory)
    owner, name, faulty = PLANTED_BUGS[bug]
    monkeypatch.setattr(owner, name, faulty)

    toll = await attack(ground, proof, trials=4 * len(ALTERATIONS))

    assert toll.executed.total() > 0


async def test_what_was_signed_before_the_process_changed_is_not_executed_after(
    in_memory: World, proof: Proof
) -> None:
    """Neither a yes to the question at first, nor one to what was contested, counts again."""
    trials = proof.trials(ci=20, campaign=400)
    ana = await in_memory.add_phone()
    await ana.add_card()
    till = await in_memory.add_terminal()
    replayed: Counter[str] = Counter()
    executed = 0

    for _ in range(trials):
        in_memory.clock.move(seconds=1)  # so that the newest process is listed first
        process_id = (
            await till.resolve(await ana.issue(), charge(6_000), wait_milliseconds=1)
        ).process_id
        stale = []
        for kind in ("asked", "contested"):
            stale.append(await ana.confirm_request(process_id))
            await ana.call("ConfirmProcess", stale[-1])
            await in_memory.settle()
            dispute = DisputeProcessRequest(request_id=new_id(), process_id=process_id)
            await ana.call("DisputeProcess", dispute)
            before = await _shown(ana, process_id)
            for request in stale:
                request.request_id = new_id()
                executed += await ana.reason("ConfirmProcess", request) != WRONG
                replayed[kind] += 1
            assert await _shown(ana, process_id) == before, "it waits on"
        await ana.confirm(process_id, approve=False)

    proof.record(
        "G13 stale confirmations",
        trials=replayed.total(),
        failures=executed,
        faults_fired=dict(replayed),
        mutants_killed=("the version of the process is not signed",),
    )


async def test_a_yes_that_counts_twice_would_be_noticed(
    in_memory: World, proof: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: what was contested, approved and contested again looks the same."""
    whole = Confirmation.to_bytes
    monkeypatch.setattr(
        Confirmation, "to_bytes", lambda stated: whole(replace(stated, process_version=0))
    )

    with pytest.raises(AssertionError):
        await test_what_was_signed_before_the_process_changed_is_not_executed_after(
            in_memory, proof
        )


async def _shown(phone: Phone, process_id: str) -> p.Process:
    return next(one for one in await phone.processes() if one.process_id == process_id)
