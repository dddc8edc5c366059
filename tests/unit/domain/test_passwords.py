"""Counting tries of passwords."""

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Answer, Done, RefusedAnswer
from tallymark_server.domain.commands import (
    Caller,
    OpenSession,
    RequestKey,
    ReservePasswordTry,
    RightPassword,
    UnlockPassword,
)
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.passwords import PasswordTries
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.passwords import (
    FAILURES_MAX,
    FREE_FAILURES,
    WAIT_SECONDS_MAX,
    wait_seconds,
)
from tests.unit.domain.furniture import PARTITION
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import OPERATOR, SmallWorld, device_caller

ANA = Customer.key_of(PARTITION, "ana")
ANAS_TRIES = PasswordTries.key_of(PARTITION, "ana")
ANYONE = Caller(kind=CallerKind.ANYONE, caller_id="anyone")


def try_once(world: SmallWorld) -> Answer:
    command = ReservePasswordTry(
        caller=device_caller("ana-1"), partition=PARTITION, customer_id="ana"
    )
    return world.ask(command)


def try_often(world: SmallWorld, times: int) -> None:
    """Try that often, each time as soon as it is allowed."""
    for _ in range(times):
        if (tries := world.rows.get(ANAS_TRIES)) is not None:
            assert isinstance(tries, PasswordTries)
            world.now = max(world.now, tries.wait_until)
        assert reason_of(try_once(world)) == "OK"


def use(world: SmallWorld, number: int, *, version: int = 0, new_hash: str = "") -> Answer:
    command = OpenSession(
        caller=ANYONE,
        partition=PARTITION,
        customer_id="ana",
        device_id="ana-1",
        token_hash="token",
        password=RightPassword(
            customer_id="ana", number=number, version=version, new_hash=new_hash
        ),
    )
    return world.ask(command)


def test_the_first_tries_are_counted_and_wait_for_nothing() -> None:
    world = SmallWorld()

    answers = [try_once(world) for _ in range(FREE_FAILURES + 1)]

    assert answers == [Done(count=number) for number in range(1, FREE_FAILURES + 2)]


def test_a_try_before_its_time_is_refused_with_the_seconds_left_and_not_counted() -> None:
    world = SmallWorld()
    try_often(world, FREE_FAILURES + 4)
    world.move(milliseconds=1)

    early = try_once(world)
    world.move(milliseconds=7_998)
    still = try_once(world)
    world.move(milliseconds=1)
    due = try_once(world)

    assert early == RefusedAnswer(reason=Reason.PASSWORD_WAIT, metadata={"seconds": "8"})
    assert still == RefusedAnswer(reason=Reason.PASSWORD_WAIT, metadata={"seconds": "1"})
    assert due == Done(count=FREE_FAILURES + 5)


def test_waits_double_from_a_second_to_an_hour() -> None:
    waits = [wait_seconds(failures) for failures in range(FAILURES_MAX + 1)]

    assert waits[: FREE_FAILURES + 1] == [0] * (FREE_FAILURES + 1)
    assert waits[FREE_FAILURES + 1 :][:12] == [1 << doubled for doubled in range(12)]
    assert set(waits[FREE_FAILURES + 13 :]) == {WAIT_SECONDS_MAX}


def test_after_a_hundred_tries_there_is_no_other_however_long_one_waits() -> None:
    world = SmallWorld()
    try_often(world, FAILURES_MAX)
    world.move(seconds=365 * 24 * 3600)

    assert reason_of(try_once(world)) == Reason.PASSWORD_LOCKED
    assert world.get(ANAS_TRIES).failures == FAILURES_MAX


def test_the_operator_unlocks_and_hears_how_many_tries_there_were() -> None:
    world = SmallWorld()
    try_often(world, FAILURES_MAX)
    unlock = UnlockPassword(caller=OPERATOR, partition=PARTITION, customer_id="ana")

    assert world.ask(unlock) == Done(count=FAILURES_MAX)
    assert world.ask(unlock) == Done(count=0)
    assert try_once(world) == Done(count=1)


def test_using_the_right_password_forgets_the_tries_up_to_it() -> None:
    world = SmallWorld()
    try_often(world, 9)

    assert reason_of(use(world, 9)) == "OK"

    assert ANAS_TRIES not in world.rows


def test_tries_reserved_after_the_right_one_stay_counted() -> None:
    world = SmallWorld()
    try_often(world, 5)

    use(world, 3)

    assert world.get(ANAS_TRIES).failures == 2
    assert try_once(world) == Done(count=3)


def test_a_right_password_that_comes_to_nothing_stays_counted() -> None:
    world = SmallWorld()
    try_once(world)
    wrong_device = OpenSession(
        caller=ANYONE,
        partition=PARTITION,
        customer_id="ana",
        device_id="ben-1",
        token_hash="token",
        password=RightPassword(customer_id="ana", number=1, version=0, new_hash="new"),
    )

    # Else whoever lacks the device could tell by the count that the password was right.
    assert reason_of(world.ask(wrong_device)) == Reason.PASSWORD_WRONG
    assert world.get(ANAS_TRIES).failures == 1
    assert world.get(ANA).password_hash == "hash"


def test_a_password_that_was_changed_since_it_was_compared_opens_nothing() -> None:
    world = SmallWorld()
    try_once(world)

    assert reason_of(use(world, 1, version=1)) == Reason.PASSWORD_WRONG
    assert world.get(ANAS_TRIES).failures == 1


def test_a_new_hash_is_kept_with_the_decision_that_uses_the_password() -> None:
    world = SmallWorld()
    try_once(world)

    use(world, 1, new_hash="of another profile")

    assert world.get(ANA).password_hash == "of another profile"
    assert world.get(ANA).password_version == 0


def test_every_customer_has_tries_of_its_own() -> None:
    world = SmallWorld()
    try_often(world, FAILURES_MAX)
    ben = ReservePasswordTry(caller=device_caller("ben-1"), partition=PARTITION, customer_id="ben")

    assert world.ask(ben) == Done(count=1)


def test_the_new_hash_is_in_no_repr() -> None:
    right = RightPassword(customer_id="ana", number=1, version=0, new_hash="$argon2id$secret")

    assert "secret" not in repr(right)


def sign_in(world: SmallWorld, fingerprint: str) -> Answer:
    """Ask for a session under an id that was used before, or not."""
    return world.ask(
        OpenSession(
            caller=device_caller("ana-1"),
            partition=PARTITION,
            request=RequestKey(rpc="SignIn", request_id="r", fingerprint=fingerprint),
            customer_id="ana",
            device_id="ana-1",
            token_hash="token",
            password=RightPassword(customer_id="ana", number=0, version=0),
        )
    )


def guess_at_request(world: SmallWorld) -> Answer:
    return world.ask(
        ReservePasswordTry(
            caller=device_caller("ana-1"),
            partition=PARTITION,
            customer_id="ana",
            reused=RequestKey(rpc="SignIn", request_id="r", fingerprint="guess"),
        )
    )


def test_a_guess_at_a_decided_request_counts_and_leaves_it_good_for_nothing() -> None:
    world = SmallWorld()
    assert reason_of(sign_in(world, "right")) == reason_of(sign_in(world, "right")) == "OK"

    counted = [guess_at_request(world) for _ in range(2)]

    assert counted == [Done(count=1), Done(count=2)]
    assert reason_of(sign_in(world, "right")) == Reason.REQUEST_ID_REUSED


def test_a_guess_at_a_decided_request_burns_it_even_if_the_password_is_locked() -> None:
    world = SmallWorld()
    sign_in(world, "right")
    try_often(world, FAILURES_MAX)

    assert reason_of(guess_at_request(world)) == Reason.PASSWORD_LOCKED
    assert reason_of(sign_in(world, "right")) == Reason.REQUEST_ID_REUSED
