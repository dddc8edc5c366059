import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tallymark_phone.qr_screen import CodeRenewal, Frame, QrScreen
from tallymark_phone.registrations import Code
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason

from .fakes import FakeClock, code

START = 1000.0
LOST = UnknownOutcome(None, message="the connection broke")
REFUSED = Refused(Reason.SESSION_EXPIRED)


def test_a_code_is_counted_down_from_the_moment_of_asking() -> None:
    renewal = CodeRenewal()

    renewal.arrived(code(1), asked_at_seconds=START, now_seconds=START + 2)

    assert renewal.frame(START + 2).seconds_left == 58
    assert renewal.frame(START + 59.5).seconds_left == 1
    assert renewal.frame(START + 59.5).picture is not None
    assert renewal.frame(START + 60).picture is None


def test_the_next_code_is_due_at_next_at_and_not_before() -> None:
    renewal = CodeRenewal()
    renewal.arrived(code(1), asked_at_seconds=START, now_seconds=START)

    assert not renewal.is_due(START + 44.9)
    assert renewal.is_due(START + 45)


def test_a_lost_answer_leaves_the_living_picture_and_says_so() -> None:
    renewal = CodeRenewal()
    renewal.arrived(code(1), asked_at_seconds=START, now_seconds=START)
    before = renewal.frame(START + 45)

    renewal.failed(LOST, now_seconds=START + 50)

    after = renewal.frame(START + 50)
    assert after.picture is before.picture
    assert after.trouble == "the connection broke"
    assert renewal.is_due(START + 52)


def test_a_dead_picture_is_never_shown_however_long_answers_are_lost() -> None:
    renewal = CodeRenewal()
    renewal.arrived(code(1), asked_at_seconds=START, now_seconds=START)
    renewal.failed(LOST, now_seconds=START + 59)

    assert renewal.frame(START + 60) == Frame(picture=None, trouble="the connection broke")


def test_an_answer_that_took_longer_than_its_life_is_not_shown() -> None:
    renewal = CodeRenewal()

    renewal.arrived(code(1, life_seconds=3), asked_at_seconds=START, now_seconds=START + 4)

    assert renewal.frame(START + 4).picture is None
    assert not renewal.is_due(START + 4)
    assert renewal.is_due(START + 6)


def test_an_older_code_that_arrives_late_does_not_take_the_place_of_a_newer_one() -> None:
    renewal = CodeRenewal()
    renewal.arrived(code(2), asked_at_seconds=START + 45, now_seconds=START + 46)
    newer = renewal.frame(START + 46).picture

    renewal.arrived(code(1), asked_at_seconds=START, now_seconds=START + 47)

    assert renewal.frame(START + 47).picture is newer


def test_after_a_refusal_nothing_is_asked_and_the_picture_lives_to_its_end() -> None:
    renewal = CodeRenewal()
    renewal.arrived(code(1), asked_at_seconds=START, now_seconds=START)

    renewal.failed(REFUSED, now_seconds=START + 45)

    assert not renewal.is_due(START + 1_000)
    assert renewal.frame(START + 59).picture is not None
    assert not renewal.is_over(START + 59)
    assert renewal.is_over(START + 60)


class ScriptedIssuer:
    """Gives codes or errors in order; a future among them is an answer that takes its time."""

    def __init__(self, *answers: Code | Exception | asyncio.Future[Code]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self) -> Code:
        self.asked += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Code) else await answer


async def frames_shown(
    issue: Callable[[], Awaitable[Code]], clock: FakeClock
) -> list[tuple[float, Frame]]:
    """Run a screen until the clock stops it, and return what it drew and when."""
    frames: list[tuple[float, Frame]] = []
    screen = QrScreen(
        issue=issue,
        draw=lambda frame: frames.append((clock.seconds - START, frame)),
        clock=clock,
    )
    with pytest.raises(asyncio.CancelledError):
        await screen.run()
    return frames


async def test_the_picture_is_swapped_only_when_the_next_one_has_arrived() -> None:
    slow = asyncio.get_running_loop().create_future()
    clock = FakeClock(stop_at_seconds=START + 70)
    clock.at[START + 55] = lambda: slow.set_result(code(2))

    frames = await frames_shown(ScriptedIssuer(code(1), slow), clock)

    pictures = [(at, frame.picture) for at, frame in frames if at > 1]
    assert all(picture is not None for _, picture in pictures)
    first = {picture for at, picture in pictures if at < 54.5}
    second = {picture for at, picture in pictures if at > 55.5}
    assert len(first) == len(second) == 1
    assert first != second


async def test_the_screen_asks_again_until_there_is_a_code() -> None:
    issuer = ScriptedIssuer(LOST, LOST, code(1))

    frames = await frames_shown(issuer, FakeClock(stop_at_seconds=START + 6))

    assert issuer.asked == 3
    assert frames[0][1].picture is None
    assert frames[-1][1].picture is not None
    assert not frames[-1][1].trouble


async def test_lost_answers_never_leave_a_dead_picture_on_the_screen() -> None:
    issuer = ScriptedIssuer(code(1), *[LOST] * 20, code(2))

    frames = await frames_shown(issuer, FakeClock(stop_at_seconds=START + 100))

    at_60 = next(frame for at, frame in frames if at >= 60)
    assert at_60.picture is None
    assert at_60.trouble == "the connection broke"
    assert frames[-1][1].picture is not None


async def test_the_screen_ends_with_the_refusal_after_the_last_picture_died() -> None:
    clock = FakeClock()
    screen = QrScreen(issue=ScriptedIssuer(code(1), REFUSED), draw=lambda _: None, clock=clock)

    with pytest.raises(Refused) as refused:
        await screen.run()

    assert refused.value is REFUSED
    assert clock.seconds == pytest.approx(START + 60, abs=0.5)


async def test_each_second_is_drawn_once() -> None:
    frames = await frames_shown(ScriptedIssuer(code(1)), FakeClock(stop_at_seconds=START + 10))

    seconds = [frame.seconds_left for _, frame in frames if frame.picture]
    assert seconds == sorted(set(seconds), reverse=True)
