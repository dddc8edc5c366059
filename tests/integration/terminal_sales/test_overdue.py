"""Goods handed out, the link lost for an hour: charged once, and never reversed by the clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.v1 import process_pb2
from tallymark_protocol.errors import UnknownOutcome
from tallymark_server.domain.authorisation import AuthorisationState
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.processes import outcomes
from tallymark_terminal.home import Home
from tallymark_terminal.sale_results import Outcome
from tallymark_terminal.server_connection import ServerConnection
from tests.doubles.mutant import Mutant, plant
from tests.integration.terminal_sales.test_with_server import enrol, opened
from tests.proof import Proof
from tests.world.shop import Shop

HOUR_SECONDS = 3_600
STEP_SECONDS = 60


@pytest.fixture
def link() -> Iterator[pytest.MonkeyPatch]:
    """Let no word get through any more once the goods are handed out; undo it to mend the link."""

    async def nobody_answers(*_: object, **__: object) -> object:
        raise UnknownOutcome(None)

    with pytest.MonkeyPatch.context() as broken:
        for name in ("complete_process", "reverse_process", "get_process"):
            broken.setattr(ServerConnection, name, nobody_answers)
        yield broken


async def stands(shop: Shop) -> tuple[Process, AuthorisationState]:
    """Return the only process, and how its charge stands at the institution."""
    (process,) = await shop.world.store.scan(Process, 0, limit=10)
    found = await shop.world.institution.find(f"{process.process_id}-0", deadline_seconds=10)
    return process, found.state


async def hand_out_and_lose_the_link(shop: Shop, home: Home) -> set[tuple[str, str]]:
    """Sell, hear nothing for an hour, and return every state that was seen meanwhile."""
    await enrol(shop, home)
    async with opened(shop, home) as till:
        assert await till.scan(await shop.phone.issue()) is Outcome.UNKNOWN
    seen = set()
    for _ in range(0, HOUR_SECONDS, STEP_SECONDS):
        await shop.world.pass_time(seconds=STEP_SECONDS + 1)
        process, state = await stands(shop)
        seen.add((process.state.name, str(state)))
    return seen


@pytest.mark.guarantee
async def test_what_was_handed_out_is_charged_once_when_the_till_comes_back(
    shop: Shop, tmp_path: Path, link: pytest.MonkeyPatch, proof: Proof
) -> None:
    home = Home(tmp_path / "till-9")

    seen = await hand_out_and_lose_the_link(shop, home)

    assert seen == {("OVERDUE", "DECIDED")}, "held, and nothing else, for an hour"
    (waiting,) = await shop.unresolved()
    assert waiting.state == process_pb2.PROCESS_STATE_OVERDUE

    link.undo()
    for _ in range(2):  # it starts, reports, and is switched off and on again
        async with opened(shop, home):
            await shop.world.settle()

    process, state = await stands(shop)
    listed = await shop.world.institution.list_between(
        0, shop.world.clock.now() + HOUR_SECONDS * 1_000, deadline_seconds=10
    )
    charged = [(one.state, one.amount and one.amount.minor_units) for one in listed]
    assert (process.state.name, state) == ("COMPLETED", AuthorisationState.CAPTURED)
    assert await shop.unresolved() == []
    proof.record(
        "G7 goods handed out, the link lost for an hour",
        trials=1,
        failures=int(charged != [(AuthorisationState.CAPTURED, 450)]),
        faults_fired={"minutes without a link": HOUR_SECONDS // STEP_SECONDS},
        mutants_killed=("the clock reverses what was instructed",),
    )


@pytest.mark.usefixtures("link")
async def test_a_clock_that_reverses_what_was_instructed_would_be_noticed(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = Mutant(
        outcomes,
        "fire_timer",
        "after = msgspec.structs.replace(before, state=ProcessState.OVERDUE, timer_at=0)",
        "after = end(draft, before, ProcessState.EXPIRED, RefusalReason.RELEASED_BY_TERMINAL, now)",
    )
    plant(bug, monkeypatch)

    seen = await hand_out_and_lose_the_link(shop, Home(tmp_path / "till-9"))

    assert ("EXPIRED", "REVERSED") in seen
