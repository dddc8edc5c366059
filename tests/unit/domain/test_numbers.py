"""Proving that a telephone number is one's own, and how often anybody may be sent a code."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Answer, NumberAnswer, NumberCodeAnswer, SessionAnswer
from tallymark_server.domain.commands import (
    Caller,
    RegisterCustomer,
    RequestKey,
    SendNumberCode,
    VerifyNumber,
)
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.numbers import NumberProof, TelephoneNumber
from tallymark_server.domain.model.people import Customer, NumberOwner
from tallymark_server.domain.model.tallies import NumberCodes
from tallymark_server.domain.numbers import CODES_MAX, WRONG_TRIES_MAX
from tests.unit.domain.furniture import PARTITION, device_key, number_of
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

HOUR = 3_600
TEN_MINUTES = 600


class NumberWorld(SmallWorld):
    """The small world, in which customers come and prove their numbers."""

    def register(self, name: str = "cleo", number: str = "cleo") -> Answer:
        return self.ask(
            RegisterCustomer(
                caller=Caller(kind=CallerKind.ANYONE, caller_id="anyone"),
                partition=PARTITION,
                customer_id=name,
                login_name=name,
                login_hash=f"login-of-{name}",
                password_hash="hash",
                number=number_of(number) if number else None,
                code_hash="first",
                device_id=f"{name}-1",
                device_name="phone",
                device_key=device_key(f"{name}-1"),
                token_hash=f"token-of-{name}",
            )
        )

    def send(
        self,
        code: str,
        number: TelephoneNumber | None = None,
        *,
        by: str = "cleo",
        request: RequestKey | None = None,
    ) -> Answer:
        return self.ask(
            SendNumberCode(
                caller=customer_caller(by),
                partition=PARTITION,
                request=request,
                number=number,
                code_hash=code,
                fresh=f"fresh-{self.fresh().hex()}",
            )
        )

    def verify(self, code: str, *, by: str = "cleo") -> Answer:
        caller = customer_caller(by)
        return self.ask(VerifyNumber(caller=caller, partition=PARTITION, code_hash=code))

    def owner_of(self, number: str) -> str:
        entry = self.rows.get(NumberOwner.key_of(number_of(number).number_hash))
        return entry.customer_id if isinstance(entry, NumberOwner) else ""


def customer_caller(name: str) -> Caller:
    return Caller(kind=CallerKind.CUSTOMER, caller_id=name, device_id=f"{name}-1")


def test_a_number_is_the_customers_after_the_right_code() -> None:
    world = NumberWorld()
    world.register()
    assert world.customer("cleo").telephone_number == "+cleo"
    assert not world.customer("cleo").number_verified

    wrong = world.verify("other")
    right = world.verify("first")
    again = world.verify("first")

    assert reason_of(wrong) == Reason.NUMBER_CODE_WRONG
    assert right == NumberAnswer(telephone_number="+cleo")
    assert reason_of(again) == Reason.NO_NUMBER_TO_VERIFY
    assert world.owner_of("cleo") == "cleo"
    assert world.customer("cleo").number_verified


def test_without_a_number_nothing_is_sent_or_verified() -> None:
    world = NumberWorld()

    answer = world.register(number="")

    assert isinstance(answer, SessionAnswer)
    assert not answer.number_code_sent
    assert world.customer("cleo").telephone_number == ""
    assert NumberCodes.key_of("number-of-cleo") not in world.rows
    assert reason_of(world.send("next")) == Reason.NO_NUMBER_TO_VERIFY
    assert reason_of(world.verify("first")) == Reason.NO_NUMBER_TO_VERIFY


@pytest.mark.parametrize(
    ("off_by", "expected"),
    [(-1, "OK"), (0, Reason.NUMBER_CODE_WRONG), (1, Reason.NUMBER_CODE_WRONG)],
)
def test_a_code_is_good_for_ten_minutes(off_by: int, expected: str) -> None:
    world = NumberWorld()
    world.register()

    world.move(seconds=TEN_MINUTES, milliseconds=off_by)

    assert reason_of(world.verify("first")) == expected


def test_after_five_wrong_codes_the_right_one_is_refused_too_until_another_is_sent() -> None:
    world = NumberWorld()
    world.register()
    for _ in range(WRONG_TRIES_MAX):
        world.verify("other")

    assert reason_of(world.verify("first")) == Reason.NUMBER_CODE_WRONG
    world.send("second")
    assert reason_of(world.verify("first")) == Reason.NUMBER_CODE_WRONG, "it is dead"
    assert reason_of(world.verify("second")) == "OK"


def test_a_new_code_is_announced_with_its_time() -> None:
    world = NumberWorld()
    world.register()

    answer = world.send("second", number_of("home"))

    assert isinstance(answer, NumberCodeAnswer)
    assert answer.telephone_number == "+home"
    assert answer.expires_at == world.now + TEN_MINUTES * 1000


def test_a_verified_number_stays_in_force_until_another_one_is_verified() -> None:
    world = NumberWorld()

    world.send("second", number_of("home"), by="ana")
    between = (world.owner_of("ana"), world.owner_of("home"), world.customer().telephone_number)
    world.verify("second", by="ana")

    assert between == ("ana", "", "+ana")
    assert (world.owner_of("ana"), world.owner_of("home")) == ("", "ana")
    assert world.customer().telephone_number == "+home"


def test_the_number_in_force_needs_no_code() -> None:
    world = NumberWorld()

    assert reason_of(world.send("next", number_of("ana"), by="ana")) == Reason.NO_NUMBER_TO_VERIFY


def test_who_proves_a_number_has_it_whoever_had_it_before() -> None:
    world = NumberWorld()
    world.register(number="ana")

    before = world.owner_of("ana")
    world.verify("first")

    assert (before, world.owner_of("ana")) == ("ana", "cleo")
    assert world.customer().telephone_number == ""
    assert not world.customer().number_verified


def test_a_lost_number_can_be_proved_again() -> None:
    world = NumberWorld()
    world.register(number="ana")
    world.verify("first")

    world.send("second", number_of("ana"), by="ana")
    world.verify("second", by="ana")

    assert world.owner_of("ana") == "ana"
    assert not world.customer("cleo").number_verified


def test_a_customer_is_sent_five_codes_a_day_registration_included() -> None:
    world = NumberWorld()
    world.register()

    answers = [world.send(f"code-{n}", number_of(f"number-{n}")) for n in range(CODES_MAX)]

    expected = ["OK"] * (CODES_MAX - 1) + [Reason.NUMBER_CODE_LIMIT]
    assert [reason_of(one) for one in answers] == expected
    world.move(seconds=16 * HOUR)  # midnight: every test begins at 8 in the morning
    assert reason_of(world.send("tomorrow")) == "OK"


def test_a_number_is_sent_five_codes_a_day_whoever_asks() -> None:
    world = NumberWorld()
    world.register("cleo", "victim")
    for name in ("ana", "ben"):
        for n in range(2):
            assert reason_of(world.send(f"{name}-{n}", number_of("victim"), by=name)) == "OK"

    refused = world.send("sixth", number_of("victim"), by="ana")
    registered = world.register("dora", "victim")

    assert reason_of(refused) == Reason.NUMBER_CODE_LIMIT
    assert isinstance(registered, SessionAnswer)
    assert not registered.number_code_sent, "registration goes on without"
    assert reason_of(world.verify("first", by="dora")) == Reason.NUMBER_CODE_WRONG
    world.move(seconds=16 * HOUR)
    assert reason_of(world.send("tomorrow", by="dora")) == "OK", "to the number that waits"
    assert reason_of(world.verify("tomorrow", by="dora")) == "OK"


def test_a_refused_code_leaves_the_one_before_good() -> None:
    world = NumberWorld()
    world.register()
    for n in range(CODES_MAX):
        world.send(f"code-{n}")

    assert reason_of(world.verify(f"code-{CODES_MAX - 2}")) == "OK"


def test_of_equal_requests_the_first_one_sends() -> None:
    world = NumberWorld()
    world.register()
    request = world.request("SendNumberCode")

    first = world.send("second", request=request)
    again = world.send("second", request=request)

    assert first == again, "so only the first caller finds its own mark in the answer"
    assert world.get(NumberCodes.key_of("number-of-cleo")).tally.count == 2


def test_days_do_not_pile_up() -> None:
    world = NumberWorld()
    world.register()
    for _ in range(3):
        world.move(seconds=24 * HOUR)
        world.send("next")

    assert world.get(NumberCodes.key_of("number-of-cleo")).tally.count == 1
    assert world.get(Customer.key_of(PARTITION, "cleo")).number_codes.count == 1


def test_no_number_stands_in_a_repr() -> None:
    number = number_of("cleo")
    proof = NumberProof(number=number, code_hash="secret")

    shown = repr((number, proof))

    assert "cleo" not in shown
    assert "secret" not in shown
