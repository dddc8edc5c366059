"""Token buckets, the turnstile, and whose budget an address uses."""

from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.limits import UNSAFE_WIDE_FOR_TESTS, Buckets, Limits, Rate, Turnstile
from tallymark_server.limits import address_of as address
from tests.world.clock import MovedClock

ANA = Caller(kind=CallerKind.CUSTOMER, caller_id="ana")
BEN = Caller(kind=CallerKind.CUSTOMER, caller_id="ben")
TILL = Caller(kind=CallerKind.TERMINAL, caller_id="till-1")
ROOT = Caller(kind=CallerKind.OPERATOR, caller_id="root")
ANYONE = Caller(kind=CallerKind.ANYONE, caller_id="anyone")
HOME = "ipv4:192.0.2.1:4711"


def admitted(turnstile: Turnstile, caller: Caller, peer: str, calls: int) -> int:
    """Return how many of so many calls at once are let in."""
    return _let_in(lambda: turnstile.admit(caller, peer, proves_nothing=True), calls)


def test_a_bucket_holds_its_burst_and_fills_with_its_rate() -> None:
    clock = MovedClock()
    buckets = Buckets(Rate(per_second=2, burst=3), clock)
    taken = []

    for seconds in (0, 0.499, 0.001, 0.5, 100):
        clock.move(seconds=seconds)
        taken.append(_taken(buckets, "a", 10))

    assert taken == [3, 0, 1, 1, 3]
    assert _taken(buckets, "b", 10) == 3


def test_a_refusal_says_when_the_next_call_is_let_in() -> None:
    clock = MovedClock()
    buckets = Buckets(Rate(per_second=0.1, burst=1), clock)
    buckets.take("a")
    clock.move(seconds=4)

    with pytest.raises(NotDone) as refused:
        buckets.take("a")
    clock.move(seconds=refused.value.retry_after_seconds)
    buckets.take("a")

    assert refused.value.reason is Reason.RATE_LIMITED
    assert refused.value.retry_after_seconds == 6


def test_refused_calls_cost_nothing() -> None:
    clock = MovedClock()
    buckets = Buckets(Rate(per_second=1, burst=1), clock)
    assert _taken(buckets, "a", 1_000) == 1

    clock.move(seconds=1)

    assert _taken(buckets, "a", 1_000) == 1


def test_a_charge_beyond_what_the_bucket_holds_has_to_flow_in_first() -> None:
    clock = MovedClock()
    buckets = Buckets(Rate(per_second=1, burst=3), clock)

    buckets.charge("a", 8)
    clock.move(seconds=5)
    at_first = _taken(buckets, "a", 10)
    clock.move(seconds=1)

    assert (at_first, _taken(buckets, "a", 10)) == (0, 1)


def test_only_so_many_buckets_are_remembered_and_the_busy_ones_longest() -> None:
    buckets = Buckets(Rate(per_second=1, burst=3), MovedClock(), buckets_max=10)
    buckets.take("busy")
    for number in range(9):
        buckets.take(f"other {number}")
    buckets.take("busy")

    buckets.take("one more")

    assert _taken(buckets, "busy", 10) == 1
    assert _taken(buckets, "other 0", 10) == 3, "it was forgotten"


def test_each_caller_has_its_own_rate() -> None:
    limits = Limits(customer=Rate(1, 4), terminal=Rate(1, 9))
    turnstile = Turnstile(limits, MovedClock())

    assert admitted(turnstile, ANA, HOME, 20) == 4
    assert admitted(turnstile, BEN, HOME, 20) == 4
    assert admitted(turnstile, TILL, HOME, 20) == 9
    assert admitted(turnstile, ROOT, HOME, 20) == 20


def test_callers_without_credentials_share_the_budget_of_their_address() -> None:
    turnstile = Turnstile(Limits(address=Rate(1, 5)), MovedClock())

    assert admitted(turnstile, ANYONE, "ipv4:192.0.2.1:1", 20) == 5
    assert admitted(turnstile, ANYONE, "ipv4:192.0.2.1:2", 20) == 0
    assert admitted(turnstile, ANYONE, "ipv4:192.0.2.2:1", 20) == 5


def test_many_addresses_share_the_budget_of_all_strangers() -> None:
    turnstile = Turnstile(Limits(address=Rate(1, 5), strangers=Rate(1, 12)), MovedClock())

    counts = [admitted(turnstile, ANYONE, f"ipv4:192.0.2.{number}:1", 20) for number in range(4)]

    assert counts == [5, 5, 2, 0]
    assert admitted(turnstile, ANA, HOME, 1) == 1, "whoever is known is not kept out"


def test_many_addresses_cannot_keep_out_who_proves_something() -> None:
    turnstile = Turnstile(Limits(address=Rate(1, 5), strangers=Rate(1, 12)), MovedClock())
    for number in range(4):
        admitted(turnstile, ANYONE, f"ipv4:192.0.2.{number}:1", 20)

    turnstile.admit(ANYONE, "ipv4:192.0.2.77:1", proves_nothing=False)


@pytest.mark.parametrize(
    ("caller", "streams_max"), [(ANA, UNSAFE_WIDE_FOR_TESTS.customer_streams), (TILL, 200)]
)
def test_streams_are_counted_and_released(caller: Caller, streams_max: int) -> None:
    turnstile = Turnstile(UNSAFE_WIDE_FOR_TESTS, MovedClock())

    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(streams_max):
                stack.enter_context(turnstile.stream(caller))
            with pytest.raises(NotDone, match="Too many calls"), turnstile.stream(caller):
                pass
            with turnstile.stream(BEN):
                pass


def test_operators_may_watch_as_much_as_they_like() -> None:
    turnstile = Turnstile(UNSAFE_WIDE_FOR_TESTS, MovedClock())

    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(turnstile.stream(ROOT))


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:192.0.2.1:4711", "192.0.2.1"),
        ("ipv6:%5B::1%5D:4711", "::/64"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2:aaaa::1%5D:1", "2001:db8:1:2::/64"),
        ("ipv6:[fe80::1%25eth0]:4711", "fe80::/64"),
        ("ipv6:[::ffff:192.0.2.1]:4711", "192.0.2.1"),
        ("unix:/run/tallymark.sock", "unix:/run/tallymark.sock"),
        ("unix:", "unix:"),
    ],
)
def test_an_address_is_a_host_or_a_network_of_ipv6(peer: str, expected: str) -> None:
    assert address(peer) == expected


def _taken(buckets: Buckets, name: str, calls: int) -> int:
    return _let_in(lambda: buckets.take(name), calls)


def _let_in(call: Callable[[], None], times: int) -> int:
    count = 0
    for _ in range(times):
        with suppress(NotDone):
            call()
            count += 1
    return count
