"""G7 over ISO 8583, when the gateway is killed again and again: what it told is what the host has.

A gateway is killed while charges are under way, and started again on its journal. In the end the
lists agree, and no caller was told anything that is not so.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tallymark_institution.iso8583.gateway.authorisation import ErrandResult
from tallymark_institution.iso8583.host.server import CardHost
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    CaptureResult,
    InstitutionSilent,
    ReversalResult,
)
from tests.integration.iso8583.charges import all_of, both_lists, settle
from tests.integration.iso8583.ground import MovedClock, counter, line_to
from tests.integration.iso8583.programs import PROGRAM, Bank, gateway
from tests.proof import Proof

pytestmark = pytest.mark.guarantee

BUYERS: Final = 8

TELLS_BEFORE_IT_KEEPS: Final = f"""
import queue, time
from tallymark_institution.iso8583.gateway.journal import Change, Journal

def commit_waiting(self):
    arrived = []
    while not self._waiting.empty():
        arrived.append(self._waiting.get())
    if arrived:
        self._database.execute("BEGIN IMMEDIATE")
        for waiting in arrived:
            outcome = self._apply(waiting.authorisation_id, waiting.rule)
            if isinstance(outcome, Change):
                waiting.done.set_result(outcome)
            else:
                waiting.done.set_exception(outcome)
        time.sleep(0.05)  # a disk as slow as disks are
        self._database.execute("COMMIT")

Journal._commit_waiting = commit_waiting
{PROGRAM}
"""
"""A gateway with a planted bug: it tells, and sends, before it has written."""


class Told:
    """What callers were told."""

    def __init__(self) -> None:
        self.approved: set[str] = set()
        self.captured: set[str] = set()
        self.reversed: set[str] = set()

    async def buy(self, bank: Bank, numbers: Iterator[int], chance: random.Random) -> None:
        """Charge until there is no answer."""
        with suppress(InstitutionSilent):
            for number in numbers:
                name = f"charge-{number:06}"
                answer = await bank.authorise(name, chance.randint(1, 7699))
                if answer is AuthorisationAnswer.APPROVED:
                    self.approved.add(name)
                await self._end(bank, name, is_kept=chance.random() < 2 / 3)

    async def _end(self, bank: Bank, name: str, *, is_kept: bool) -> None:
        if is_kept:
            captured = await bank.institution.capture(name, deadline_seconds=10)
            if captured is CaptureResult.CAPTURED:
                self.captured.add(name)
        else:
            reversal = await bank.institution.reverse(name, note="", deadline_seconds=10)
            if reversal is ReversalResult.REVERSED:
                self.reversed.add(name)


async def test_a_killed_gateway_loses_nothing(tmp_path: Path, proof: Proof) -> None:
    kills = proof.trials(ci=3, campaign=100)

    told, different, host = await kill(tmp_path, proof.random, kills=kills)

    proof.record(
        "G7 charges over ISO 8583, gateway killed",
        trials=kills,
        failures=len(different),
        faults_fired={"killed": kills, "captured": len(told.captured)},
        mutants_killed=("tells before it keeps",),
        figures={
            "approved": len(told.approved),
            "captured": len(told.captured),
            "reversed": len(told.reversed),
            "messages": len(host.heard),
        },
    )


async def test_a_gateway_that_tells_before_it_keeps_would_be_noticed(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 -- repeatable

    _, different, _ = await kill(tmp_path, chance, kills=2, code=TELLS_BEFORE_IT_KEEPS)

    assert different


async def kill(
    folder: Path, chance: random.Random, *, kills: int, code: str = PROGRAM
) -> tuple[Told, set[str], CardHost]:
    """Kill gateways under load; return what was told, and what of it is not so or differs."""
    host, told, numbers = CardHost(), Told(), count()
    async with host.listening() as port:
        for _ in range(kills):
            async with gateway(folder, port, code=code) as (program, _, bank):
                already = sum(message.kind == "0100" for message in host.heard)
                await _signed_on(bank)
                buying = [
                    asyncio.create_task(told.buy(bank, numbers, chance)) for _ in range(BUYERS)
                ]
                await host.hears("0100", already + chance.randint(10, 60))
                await program.kill()
                await asyncio.gather(*buying)
        clock = MovedClock()
        clock.seconds = time.time() + 3600
        async with counter(folder, line_to(port), clock=clock) as desk:
            await settle(desk)
            known = {each.authorisation_id: each for each in await all_of(desk)}
            different = set(both_lists(list(known.values()), host))
    kept = {
        name
        for name, each in known.items()
        if each.capture is not None and each.capture.result is ErrandResult.DONE
    }
    returned = {
        name
        for name, each in known.items()
        if each.reversal is not None and each.reversal.result is ErrandResult.DONE
    }
    untrue = (told.captured - kept) | (told.reversed - returned) | (told.approved - known.keys())
    return told, different | untrue, host


async def _signed_on(bank: Bank) -> None:
    """Wait until the gateway can ask the host."""
    while True:
        with suppress(InstitutionSilent):
            await bank.authorise("first", 1, deadline_seconds=10)
            return
