"""Verifying a telephone number."""

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import NumberAnswer
from tallymark_server.domain.commands import Caller, VerifyNumber
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import NumberOwner
from tallymark_server.domain.numbers import NUMBER_ATTEMPTS_MAX
from tests.unit.domain.furniture import PARTITION
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld
from tests.unit.domain.test_customers import register


def verify(code: str, *, number_hash: str = "number-of-cleo") -> VerifyNumber:
    caller = Caller(kind=CallerKind.CUSTOMER, caller_id="id-cleo", device_id="cleo-1")
    return VerifyNumber(
        caller=caller, partition=PARTITION, number_code=code, number_hash=number_hash
    )


def test_a_number_is_the_customers_after_the_right_code() -> None:
    world = SmallWorld()
    world.ask(register())

    wrong = world.ask(verify("000000"))
    right = world.ask(verify("123456"))
    again = world.ask(verify("123456"))

    assert reason_of(wrong) == Reason.NUMBER_CODE_WRONG
    assert right == NumberAnswer(telephone_number="+cleo")
    assert reason_of(again) == Reason.NO_NUMBER_TO_VERIFY
    assert world.get(NumberOwner.key_of("number-of-cleo")).customer_id == "id-cleo"


def test_after_too_many_wrong_codes_the_right_one_is_refused_too() -> None:
    world = SmallWorld()
    world.ask(register())
    for _ in range(NUMBER_ATTEMPTS_MAX):
        world.ask(verify("000000"))

    assert reason_of(world.ask(verify("123456"))) == Reason.NUMBER_CODE_WRONG


def test_a_number_of_another_customer_stays_theirs() -> None:
    world = SmallWorld()
    world.ask(register())

    answer = world.ask(verify("123456", number_hash="number-of-ana"))

    assert reason_of(answer) == Reason.NUMBER_TAKEN
    assert world.get(NumberOwner.key_of("number-of-ana")).customer_id == "ana"
