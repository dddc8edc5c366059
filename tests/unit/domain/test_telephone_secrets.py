"""What a terminal sees of a number: always the same, whatever its owner is and does."""

from collections.abc import Callable
from typing import Any

import pytest

from tallymark_server.domain.answers import ReversalAnswer
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    EarnPointsAsk,
    Funding,
    PayBillAsk,
    RefusalReason,
)
from tallymark_server.domain.model.processes import Process, ProcessState, Unresolved
from tallymark_server.domain.model.registrations import AdmitDirection
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.services.processes_out import process_message
from tests.unit.domain.furniture import euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

BEN, NOBODY = "number-of-ben", "number-of-nobody"

DECLINED, EXPIRED = ProcessState.DECLINED, ProcessState.EXPIRED

SALES: dict[str, list[Ask]] = {
    "points": [EarnPointsAsk(points=1)],
    "a bill of his": [PayBillAsk(bill_reference="", funding=Funding.AT_TERMINAL)],
    "what he lacks": [BurnPointsAsk(points=1_000), ChargeAsk(amount=None)],
    "everything": [
        ChargeAsk(amount=None),
        PayBillAsk(bill_reference="B-9", funding=Funding.CARD),
        AdmitAsk(event_id="jazz", direction=AdmitDirection.ENTRY),
    ],
}


class Telephoned:
    """A world in which a number is given at till-1, and what the till sees of it."""

    def __init__(self, sale: list[Ask]) -> None:
        self.world = SmallWorld()
        self.sale = sale
        self.seen: list[Any] = []

    def give(self, number: str) -> Process:
        return self.world.resolve(number, *self.sale, sale_total=euro(900))

    def look(self, process: Process) -> None:
        """Note the state and what the till's other calls would answer, without making a change."""
        row = as_terminal_sees(self.world.again(process))
        message = process_message(row, customer_reference=row.customer_id and "reference")
        message.ClearField("process_id")
        refused = [
            self.world.complete(process),
            self.world.update_points(process, 1, version=1),
        ]
        self.seen.append((message.SerializeToString(deterministic=True), refused))

    def give_up(self, process: Process) -> None:
        answer = self.world.reverse(process)
        assert isinstance(answer, ReversalAnswer)
        self.seen.append((answer.outcome, answer.refused_because))


def nobody(_: Telephoned) -> str:
    return NOBODY


def being_asked(scene: Telephoned) -> str:
    scene.give(BEN)
    return BEN


def asked_too_often(scene: Telephoned) -> str:
    for _ in range(3):
        scene.world.confirm(scene.give(BEN), approve=False, by="ben-1")
    return BEN


def known(_: Telephoned) -> str:
    return BEN


def nothing(_: Telephoned, process: Process) -> None:
    """Leave it."""


def a_no(scene: Telephoned, process: Process) -> None:
    scene.world.confirm(process, approve=False, by="ben-1")
    assert scene.world.again(process).state is DECLINED, "the phone knows it at once"


def wrong_digits(scene: Telephoned, process: Process) -> None:
    scene.world.confirm(process, digits="00", by="ben-1")
    assert scene.world.again(process).state is DECLINED


def a_dispute(scene: Telephoned, process: Process) -> None:
    scene.world.dispute(process, by="ben-1")
    assert scene.world.again(process).state is DECLINED


CASES: dict[str, tuple[Callable[[Telephoned], str], Callable[[Telephoned, Process], None]]] = {
    "unknown": (nobody, nothing),
    "being asked": (being_asked, nothing),
    "asked too often": (asked_too_often, nothing),
    "silent": (known, nothing),
    "declined": (known, a_no),
    "wrong digits": (known, wrong_digits),
    "disputed": (known, a_dispute),
}


def transcript(case: str, sale: str, ending: str) -> list[Any]:
    number_of, answer = CASES[case]
    scene = Telephoned(SALES[sale])
    number = number_of(scene)
    process = scene.give(number)
    scene.look(process)
    scene.world.move(seconds=10)
    answer(scene, process)
    scene.look(process)
    if ending == "given up":
        scene.give_up(process)
        scene.look(process)
    scene.world.now = process.confirm_by
    scene.world.fire(process)
    scene.look(process)
    scene.give_up(process)
    scene.look(process)
    return scene.seen


@pytest.mark.parametrize("sale", SALES)
@pytest.mark.parametrize("ending", ["left alone", "given up"])
@pytest.mark.parametrize("case", CASES)
def test_a_terminal_cannot_tell_one_number_from_another(case: str, ending: str, sale: str) -> None:
    assert transcript(case, sale, ending) == transcript("unknown", sale, ending)


def test_a_no_is_the_phone_s_at_once_and_the_terminal_s_never() -> None:
    scene = Telephoned(SALES["points"])
    process = scene.give(BEN)
    scene.world.move(seconds=10)

    a_no(scene, process)
    told = scene.world.again(process)
    scene.world.now = process.confirm_by
    scene.world.fire(process)

    after = scene.world.again(process)
    assert told.refusal is not None
    assert told.refusal.reason is RefusalReason.CUSTOMER_DECLINED
    assert (told.version, told.event, told.ended_at) == (2, 2, scene.world.now - 35_000)
    assert (after.state, after.version, after.event) == (DECLINED, 2, 2), (
        "nothing new for the phone"
    )
    seen = as_terminal_sees(after)
    assert (seen.state, seen.version, seen.ended_at) == (EXPIRED, 2, process.confirm_by)
    assert seen.refusal is not None
    assert seen.refusal.reason is RefusalReason.CUSTOMER_SILENT


def test_a_no_can_be_settled_while_its_terminal_waits_on() -> None:
    scene = Telephoned(SALES["points"])
    process = scene.give(BEN)
    a_dispute(scene, process)

    scene.world.settle(process, executed=False)

    assert not scene.world.all(Unresolved)
    assert as_terminal_sees(scene.world.again(process)).state is ProcessState.AWAITING_CUSTOMER
    assert scene.world.again(process).timer_at == process.confirm_by


def test_a_no_is_final_though_its_terminal_waits_on() -> None:
    scene = Telephoned(SALES["points"])
    process = scene.give(BEN)
    a_no(scene, process)

    again = scene.world.confirm(process, digits=process.digits, by="ben-1")

    assert reason_of(again) == "PROCESS_NOT_AWAITING"
