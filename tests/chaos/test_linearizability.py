"""The checker knows good histories from bad ones."""

import random
from collections.abc import Sequence

import pytest

from tests.chaos.linearizability import Operation, is_linearizable
from tests.chaos.models import FREE, FREE_AT_GATE, Answer, Kind, Phase, code_step

A, B = "till a's", "till b's"


def history(*operations: tuple[float, float | None, str, str, str | None]) -> list[Operation]:
    return [
        Operation(called=called, returned=returned, request=request, kind=kind, answer=answer)
        for called, returned, request, kind, answer in operations
    ]


def is_good(operations: Sequence[Operation]) -> bool:
    return is_linearizable(operations, FREE, code_step)


GOOD = {
    "nobody did anything": history(),
    "one wins, one loses": history(
        (0, 3, A, Kind.CLAIM, Answer.WON), (1, 2, B, Kind.CLAIM, Answer.LOST)
    ),
    "whoever is answered last may have been first": history(
        (0, 9, A, Kind.CLAIM, Answer.WON), (1, 2, B, Kind.CLAIM, Answer.LOST)
    ),
    "an unknown claim may have won": history(
        (0, None, A, Kind.CLAIM, None), (1, 2, B, Kind.CLAIM, Answer.LOST)
    ),
    "an unknown claim may have done nothing": history(
        (0, None, A, Kind.CLAIM, None), (1, 2, B, Kind.CLAIM, Answer.WON)
    ),
    "an unknown claim may win after somebody saw nothing of it": history(
        (0, None, A, Kind.CLAIM, None),
        (1, 2, A, Kind.LOOK_UP, Answer.NEVER_SEEN),
        (3, 4, A, Kind.LOOK_UP, Answer.WON),
    ),
    "a repeated claim wins again": history(
        (0, None, A, Kind.CLAIM, None),
        (1, 2, A, Kind.CLAIM, Answer.WON),
        (3, 4, A, Kind.CLAIM, Answer.WON),
        (5, 6, A, Kind.COMPLETE, Answer.DONE),
        (7, 8, A, Kind.CLAIM, Answer.DONE),
    ),
    "a claim that was given up before it came is barred": history(
        (0, 1, A, Kind.REVERSE, Answer.NEVER_SEEN),
        (2, 3, A, Kind.CLAIM, Answer.BARRED),
        (4, 5, B, Kind.CLAIM, Answer.WON),
    ),
    "completed, then taken back": history(
        (0, 1, A, Kind.CLAIM, Answer.WON),
        (2, None, A, Kind.COMPLETE, None),
        (3, 4, A, Kind.REVERSE, Answer.DONE),
        (5, 6, A, Kind.LOOK_UP, Answer.DONE),
    ),
    "given up by the time it was to be completed": history(
        (0, 1, A, Kind.CLAIM, Answer.WON),
        (2, 4, A, Kind.COMPLETE, Answer.ENDED),
        (2, 3, A, Kind.REVERSE, Answer.ENDED),
    ),
    "frozen, then given up": history(
        (0, 1, A, Kind.CLAIM, Answer.WON),
        (2, 3, B, Kind.CLAIM, Answer.LOST),
        (4, 5, A, Kind.COMPLETE, Answer.FROZEN),
        (6, 7, A, Kind.REVERSE, Answer.ENDED),
    ),
}

BAD = {
    "two win at once": history(
        (0, 3, A, Kind.CLAIM, Answer.WON), (1, 2, B, Kind.CLAIM, Answer.WON)
    ),
    "two win one after the other": history(
        (0, 1, A, Kind.CLAIM, Answer.WON), (2, 3, B, Kind.CLAIM, Answer.WON)
    ),
    "lost to nobody": history((0, 1, A, Kind.CLAIM, Answer.LOST)),
    "lost to somebody who came later": history(
        (0, 1, A, Kind.CLAIM, Answer.LOST), (2, 3, B, Kind.CLAIM, Answer.WON)
    ),
    "answered and forgotten": history(
        (0, 1, A, Kind.CLAIM, Answer.WON), (2, 3, A, Kind.LOOK_UP, Answer.NEVER_SEEN)
    ),
    "completed and forgotten": history(
        (0, 1, A, Kind.CLAIM, Answer.WON),
        (2, 3, A, Kind.COMPLETE, Answer.DONE),
        (4, 5, A, Kind.LOOK_UP, Answer.WON),
    ),
    "a repeated claim lost to itself": history(
        (0, None, A, Kind.CLAIM, None), (1, 2, A, Kind.CLAIM, Answer.LOST)
    ),
    "a claim that was barred wins": history(
        (0, 1, A, Kind.REVERSE, Answer.NEVER_SEEN), (2, 3, A, Kind.CLAIM, Answer.WON)
    ),
    "completed after it was given up": history(
        (0, 1, A, Kind.CLAIM, Answer.WON),
        (2, 3, A, Kind.REVERSE, Answer.ENDED),
        (4, 5, A, Kind.COMPLETE, Answer.DONE),
    ),
    "released after it was completed": history(
        (0, 1, A, Kind.CLAIM, Answer.WON),
        (2, 3, A, Kind.COMPLETE, Answer.DONE),
        (4, 5, A, Kind.REVERSE, Answer.ENDED),
    ),
    "completed by somebody who never had it": history((0, 1, B, Kind.COMPLETE, Answer.DONE)),
    "a code that was given up is won by another": history(
        (0, 1, A, Kind.CLAIM, Answer.WON),
        (2, 3, A, Kind.REVERSE, Answer.ENDED),
        (4, 5, B, Kind.CLAIM, Answer.WON),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_passes(name: str) -> None:
    assert is_good(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_found(name: str) -> None:
    assert not is_good(BAD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_stays_bad_in_a_crowd(name: str) -> None:
    crowd = [(0.5, 2.5, f"till {number}'s", Kind.CLAIM, Answer.LOST) for number in range(8)]

    assert not is_good([*BAD[name], *history(*crowd)])


def test_repeating_a_request_changes_nothing_in_the_model() -> None:
    """On this the history relies when it leaves out unknown repetitions."""
    codes, kinds = {FREE, FREE_AT_GATE}, list(Kind)
    for _ in range(5):
        asked = [
            Operation(called=0, returned=None, kind=kind, request=request, answer=None)
            for kind in kinds
            for request in (A, B)
        ]
        following = {
            (one, after) for code in codes for one in asked for after in code_step(code, one)
        }
        for one, after in following:
            again = set(code_step(after, one))
            assert after in again
            ends_by_itself = {after._replace(phase=Phase.DONE), after._replace(phase=Phase.ENDED)}
            assert again <= {after, *ends_by_itself}
        codes |= {after for _, after in following}
    assert len(codes) == 50, "every state that two requests lead to"


def test_a_gate_needs_one_call() -> None:
    passed = history(
        (0, None, A, Kind.CLAIM, None),
        (1, 2, A, Kind.LOOK_UP, Answer.DONE),
        (3, 4, B, Kind.CLAIM, Answer.LOST),
    )
    passed_twice = history((0, 1, A, Kind.CLAIM, Answer.DONE), (2, 3, B, Kind.CLAIM, Answer.DONE))

    assert is_linearizable(passed, FREE_AT_GATE, code_step)
    assert not is_linearizable(passed, FREE, code_step)
    assert not is_linearizable(passed_twice, FREE_AT_GATE, code_step)


def test_no_history_of_a_real_register_is_called_bad_and_every_double_win_is() -> None:
    seed = random.Random(7)  # noqa: S311 -- repeatable is what it is for
    for _ in range(500):
        terminals = seed.randint(2, 8)
        moments = sorted(seed.random() for _ in range(terminals))
        claims = [
            (moment - seed.random(), moment + seed.random(), f"{place}", Kind.CLAIM, Answer.LOST)
            for place, moment in enumerate(moments)
        ]
        claims[0] = (*claims[0][:4], Answer.WON)
        assert is_good(history(*claims))

        twice = seed.randrange(1, terminals)
        claims[twice] = (*claims[twice][:4], Answer.WON)
        assert not is_good(history(*claims))
