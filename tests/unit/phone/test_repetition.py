from dataclasses import dataclass, field

import pytest

from tallymark_phone.repetition import NEVER, Repetition
from tallymark_protocol.errors import NotDone, Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason


@dataclass
class Attempts:
    """Fails with the given errors, then answers; notes the pauses in between."""

    errors: list[Exception]
    made: int = 0
    pauses: list[float] = field(default_factory=list)

    async def __call__(self) -> str:
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def run(self, *, randomness: float = 1.0) -> str:
        repetition = Repetition(sleep=self.sleep, randomness=lambda: randomness)
        return await repetition.run(self)


def lost(retry_after_seconds: float = 0.0) -> UnknownOutcome:
    return UnknownOutcome(None, message="lost", retry_after_seconds=retry_after_seconds)


async def test_an_unknown_outcome_is_repeated_with_growing_pauses() -> None:
    attempts = Attempts([lost(), lost(), lost(), lost()])

    assert await attempts.run() == "done"

    assert attempts.pauses == [0.2, 0.4, 0.8, 1.6]


async def test_half_of_each_pause_is_random() -> None:
    attempts = Attempts([lost(), lost()])

    await attempts.run(randomness=0.0)

    assert attempts.pauses == [0.1, 0.2]


async def test_after_five_attempts_the_outcome_stays_unknown() -> None:
    attempts = Attempts([lost() for _ in range(9)])

    with pytest.raises(UnknownOutcome):
        await attempts.run()

    assert attempts.made == 5


async def test_a_refusal_is_not_repeated() -> None:
    attempts = Attempts([Refused(Reason.CARD_NOT_FOUND)])

    with pytest.raises(Refused):
        await attempts.run()

    assert attempts.made == 1


async def test_the_pause_that_the_server_asks_for_is_kept() -> None:
    attempts = Attempts([NotDone(Reason.OVERLOADED, retry_after_seconds=3.5)])

    await attempts.run()

    assert attempts.pauses == [3.5]


@pytest.mark.parametrize("seconds", [NEVER, 10.5])
async def test_a_server_that_wants_no_repeat_soon_gets_none(seconds: float) -> None:
    attempts = Attempts([lost(seconds)])

    with pytest.raises(UnknownOutcome):
        await attempts.run()

    assert attempts.made == 1
