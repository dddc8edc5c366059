"""What the phone's connection repeats, how often, and what it calls unknown."""

import pytest

from tallymark_phone.registrations import CodeChoice
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_protocol.errors import NotDone, Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_service import CustomerServiceDouble

from .connection import CARD_NUMBER, connect, connect_to_nobody


async def test_a_lost_answer_is_asked_for_again_and_nothing_is_done_twice(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.lose_answers = 2

    card = await phone.register_card(card_number=CARD_NUMBER, expires_on="2031-05")

    assert card.last_four == "1111"
    assert len(double.calls) == 3
    assert double.calls[0] == double.calls[1] == double.calls[2]
    assert double.done["RegisterCardRequest"] == 1


async def test_what_stays_unknown_is_raised_and_never_as_a_refusal(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.lose_answers = 99

    with pytest.raises(UnknownOutcome):
        await phone.remove_card("00" * 17)

    assert len(double.calls) == 5


async def test_a_server_that_is_not_there_is_an_unknown_outcome() -> None:
    async with connect_to_nobody() as phone:
        with pytest.raises(UnknownOutcome):
            await phone.get_wallet()


async def test_a_refusal_has_its_reason_and_is_not_repeated(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.fail_next_with = [Refused(Reason.CARD_NOT_FOUND)]

    with pytest.raises(Refused) as refused:
        await phone.issue_code(CodeChoice(card_id="00" * 17))

    assert refused.value.reason is Reason.CARD_NOT_FOUND
    assert len(double.calls) == 1


@pytest.mark.parametrize(
    ("pushback_milliseconds", "pauses"), [(None, [2.0]), (1500, [1.5]), (-1, [])]
)
async def test_the_servers_wish_for_a_pause_is_obeyed(
    address: str,
    double: CustomerServiceDouble,
    pushback_milliseconds: int | None,
    pauses: list[float],
) -> None:
    kept: list[float] = []

    async def note(seconds: float) -> None:
        kept.append(seconds)

    double.fail_next_with = [NotDone(Reason.OVERLOADED, retry_after_seconds=2.0)]
    double.pushback_milliseconds = pushback_milliseconds

    async with connect(double, address, repetition=Repetition(sleep=note)) as phone:
        if pauses:
            await phone.get_wallet()
        else:
            with pytest.raises(NotDone):
                await phone.get_wallet()

    assert kept == pauses
