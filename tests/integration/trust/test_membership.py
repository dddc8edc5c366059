"""No terminal finds out by a telephone number who is registered, nor what the customer said."""

import asyncio
from typing import Any

import pytest

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tallymark.v1.identification_pb2 import Identification
from tallymark_server.domain.processes import telephone, terminal_view
from tallymark_server.keyring import Keyring
from tallymark_server.services.terminal_resolve import TELEPHONE_ANSWER_SECONDS
from tallymark_server.storage.memory import MemoryStore
from tests.doubles.mutant import Mutant, plant
from tests.integration.trust.membership import CASES, ENDINGS, STRANGE_NUMBER, Notes
from tests.proof import Proof
from tests.world.actions import charge
from tests.world.messages import new_id
from tests.world.serving import world

pytestmark = pytest.mark.guarantee

PLANTED_BUGS = {
    "a no is told at once": (
        "declined",
        Mutant(
            owner=terminal_view,
            name="end_in_secret",
            text="is not ProcessState.DECLINED",
            bug="is ProcessState.DECLINED",
        ),
    ),
    "what the card would pay is told": (
        "silent",
        Mutant(
            owner=terminal_view,
            name="as_terminal_sees",
            text="card_total=None",
            bug="card_total=process.card_total",
        ),
    ),
    "the bill that was found is named": (
        "silent",
        Mutant(
            owner=telephone,
            name="_preview",
            text="Action(ask=action.ask",
            bug="Action(ask=as_previewed(action).ask",
        ),
    ),
}


async def notes_of(keyring: Keyring, case: str, ending: str) -> list[Any]:
    """Return what the terminal wrote down, in a world of its own that begins at the same time."""
    arrange, answer = CASES[case]
    async with world(MemoryStore(), keyring) as made:
        notes = await Notes.prepare(made)
        await arrange(notes)
        return await notes.take(answer, ending=ending)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_number_leaves_the_same_in_a_terminal_s_notes(
    keyring: Keyring, proof: Proof, ending: str
) -> None:
    expected = await notes_of(keyring, "unknown", ending)
    told_apart = [case for case in CASES if await notes_of(keyring, case, ending) != expected]

    assert len(expected) > 20, "it asked for a lot"
    proof.record(
        f"G22 telephone numbers told apart, {ending}",
        trials=len(CASES),
        failures=len(told_apart),
        mutants_killed=tuple(PLANTED_BUGS),
        figures={"answers_compared": len(expected)},
    )


@pytest.mark.parametrize("bug", PLANTED_BUGS)
async def test_a_server_that_tells_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    case, mutant = PLANTED_BUGS[bug]
    plant(mutant, monkeypatch)

    unknown, known = [await notes_of(keyring, one, "left alone") for one in ("unknown", case)]

    assert known != unknown


async def test_a_no_reaches_no_terminal_that_waits(keyring: Keyring) -> None:
    """ResolveCode goes on waiting after the no, as it does while nobody answers."""
    async with world(MemoryStore(), keyring) as made:
        notes = await Notes.prepare(made)
        request = notes.resolve_request()
        request.wait_milliseconds = 800
        began = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(notes.till.call("ResolveCode", request))
        news = notes.ben.watch("WatchProcesses", c.WatchProcessesRequest())
        asked = (await news.read()).process
        declined = await notes.ben.confirm(asked.process_id, approve=False)
        news.cancel()

        process = (await waiting).process
        waited_seconds = asyncio.get_running_loop().time() - began

    assert declined.state == p.PROCESS_STATE_DECLINED
    assert process.state == p.PROCESS_STATE_AWAITING_CUSTOMER
    assert waited_seconds >= 0.8


@pytest.mark.parametrize("is_known", [True, False])
async def test_no_number_is_answered_sooner_than_any_other(
    keyring: Keyring, *, is_known: bool
) -> None:
    async with world(MemoryStore(), keyring) as made:
        notes = await Notes.prepare(made)
        if not is_known:
            notes.number = STRANGE_NUMBER
        request = notes.resolve_request()
        other_body = t.ResolveCodeRequest(
            request_id=request.request_id,
            identification=Identification(telephone_number=notes.number),
            actions=[charge(1)],
        )
        loop = asyncio.get_running_loop()
        for one, expected in ((request, "OK"), (request, "OK"), (other_body, "REQUEST_ID_REUSED")):
            began = loop.time()
            assert await notes.till.reason("ResolveCode", one) == expected
            assert loop.time() - began >= TELEPHONE_ANSWER_SECONDS


async def test_a_code_needs_no_such_time(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tallymark_server.services.terminal_resolve.TELEPHONE_ANSWER_SECONDS", 3_600
    )
    async with world(MemoryStore(), keyring) as made:
        notes = await Notes.prepare(made)
        code = await notes.ben.issue()

        process = await notes.till.resolve(code, charge(1), request_id=new_id())

    assert process.merchant_id == "cafe"
