"""How often a phone asks about sales by telephone number."""

import pytest

from tallymark_server.domain.model.actions import BurnPointsAsk, ChargeAsk
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.prompts import UNANSWERED_MAX
from tests.unit.domain.furniture import euro
from tests.unit.domain.small_world import SmallWorld

ANA, NOBODY = "number-of-ana", "number-of-nobody"
BURN = BurnPointsAsk(points=1)
HOUR = 3_600


class AskingWorld(SmallWorld):
    """The small world, in which somebody keeps giving ana's number."""

    def ask_ana(self, *, by: str = "till-1") -> bool:
        """Give the number and say whether ana's phone asks."""
        self.process = self.resolve(ANA, BURN, by=by)
        return bool(self.process.customer_id)

    def end(self, how: str) -> None:
        process: Process = self.process
        if how == "declined":
            self.confirm(process, approve=False)
        elif how == "wrong digits":
            self.confirm(process, digits="00")
        elif how == "disputed":
            self.dispute(process)
        elif how == "silent":
            self.now = process.confirm_by
            self.fire(process)
        elif how == "given up":
            self.reverse(process, by=process.terminal_id)
        else:
            self.confirm(process, digits=process.digits)

    def be_asked(self, *endings: str) -> None:
        for ending in endings:
            assert self.ask_ana()
            self.end(ending)


@pytest.mark.parametrize("ending", ["declined", "wrong digits", "disputed", "silent", "given up"])
def test_after_three_questions_without_a_yes_there_is_a_pause_of_an_hour(ending: str) -> None:
    world = AskingWorld()

    world.be_asked(*[ending] * UNANSWERED_MAX)

    assert not world.ask_ana()
    world.move(seconds=HOUR, milliseconds=-1)
    assert not world.ask_ana()
    world.move(milliseconds=1)
    assert world.ask_ana()


def test_the_pause_grows_with_each_further_question_up_to_a_day() -> None:
    world = AskingWorld()
    world.be_asked(*["declined"] * UNANSWERED_MAX)

    for hours in (1, 2, 4, 8, 16, 24, 24):
        world.move(seconds=hours * HOUR, milliseconds=-1)
        assert not world.ask_ana(), hours
        world.move(milliseconds=1)
        world.be_asked("declined")


def test_no_number_of_questions_makes_the_pause_longer_than_a_day() -> None:
    world = AskingWorld()
    for _ in range(100):
        world.be_asked("declined")
        world.move(seconds=24 * HOUR)

    assert world.ask_ana()


def test_a_yes_begins_the_count_again() -> None:
    world = AskingWorld()
    world.be_asked("declined", "silent", "yes")

    world.be_asked("declined", "silent")

    assert world.ask_ana()


def test_a_yes_to_what_is_then_refused_is_a_yes() -> None:
    world = AskingWorld()
    world.be_asked("declined", "declined")
    process = world.resolve(ANA, BurnPointsAsk(points=1_400))
    world.resolve(world.issue(), BurnPointsAsk(points=200))

    world.confirm(process, digits=process.digits)

    assert world.again(process).state is ProcessState.DECLINED
    assert world.ask_ana()


def test_it_does_not_matter_which_terminal_asks() -> None:
    world = AskingWorld()
    for terminal in ("till-1", "till-2", "gate-1"):
        assert world.ask_ana(by=terminal)
        world.end("declined")

    assert not world.ask_ana(by="till-1")


def test_codes_work_during_the_pause() -> None:
    world = AskingWorld()
    world.be_asked(*["declined"] * UNANSWERED_MAX)

    process = world.resolve(world.issue(), ChargeAsk(amount=euro(5_000)))
    world.confirm(process)

    assert world.again(process).state is ProcessState.AUTHORISING
    assert not world.ask_ana(), "and end no pause"
