"""How often anybody may call: token buckets in memory, by the server's clock.

A bucket holds `burst` calls and fills with `per_second`. A restart fills all of them.

- A customer and a terminal have a bucket each. Operators are few, and not limited.
- Calls without credentials have a bucket for each address. Registrations, which cost a hash and
  perhaps a text message before anything is proved, have one for all addresses together besides, so
  that not even many of them can keep the threads that hash busy.
- A customer and a terminal may watch on a number of streams at once.
- A code that nobody issued costs a terminal as much as many calls: programs of honest terminals see
  by themselves what is no code, so one that keeps sending them is turned away before they are read.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple
from urllib.parse import unquote

from tallymark_protocol.errors import NotDone, Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.model.merchants import CallerKind

__all__ = [
    "EXCHANGE_STREAMS",
    "FORGED_CODE_CALLS",
    "OPERATOR_REQUEST_BYTES_MAX",
    "PUBLIC_REQUEST_BYTES_MAX",
    "TERMINAL_REQUEST_BYTES_MAX",
    "UNSAFE_WIDE_FOR_TESTS",
    "Buckets",
    "Limits",
    "Rate",
    "Turnstile",
    "address_of",
]

PUBLIC_REQUEST_BYTES_MAX: Final = 64 * 1024
"""The largest request of a phone, or of whoever enrols; theirs are below 8 KiB."""

TERMINAL_REQUEST_BYTES_MAX: Final = 256 * 1024
"""The largest request of a terminal: 200 scans in a batch are below 100 KiB."""

OPERATOR_REQUEST_BYTES_MAX: Final = 1024 * 1024
"""The largest request of an operator; 400 imported rows are below 400 KiB."""

BUCKETS_MAX: Final = 100_000
"""Buckets of one kind that are remembered, some 20 MB.

Of more, the one that was used longest ago is forgotten, and is full again.
"""

STREAM_RETRY_AFTER_SECONDS: Final = 5.0
"""When a caller with too many streams may come back; by then a dead one of its own has ended."""

IPV6_PREFIX_BITS: Final = 64
"""What one household or machine has of IPv6 addresses; each of them alone would be no limit."""

FORGED_CODE_CALLS: Final = 50
"""What a code that nobody issued costs: a terminal with the usual rate may send ten a second."""

EXCHANGE_STREAMS: Final = 25
"""What a stream of commands counts for: it may keep some 3 MB of them, a watching one a few KiB."""

_FORGED: Final = {Reason.CODE_MALFORMED, Reason.CODE_KEY_UNKNOWN, Reason.CODE_NOT_GENUINE}
"""What only codes that nobody issued are refused for, before any row is looked up."""

_EVERYBODY: Final = "everybody"


class Rate(NamedTuple):
    """Calls that a bucket gets back in a second, and how many it holds."""

    per_second: float
    burst: int


class Limits(NamedTuple):
    """All limits. Rates that a server is not told otherwise are these."""

    customer: Rate = Rate(per_second=10, burst=40)
    """A phone that shows codes and watches makes less than one call a second."""

    terminal: Rate = Rate(per_second=500, burst=1_000)
    """A till makes two calls a sale; a gate or a gateway for many tills some hundred a second."""

    address: Rate = Rate(per_second=1, burst=30)
    """Without credentials: thirty people in one shop may register at once."""

    strangers: Rate = Rate(per_second=12, burst=120)
    """Registrations, all together: below the 18 hashes that a core makes in a second."""

    customer_streams: int = 5
    terminal_streams: int = 200


_WIDE: Final = Rate(per_second=1e6, burst=1_000_000)

UNSAFE_WIDE_FOR_TESTS: Final = Limits(
    customer=_WIDE, terminal=_WIDE, address=_WIDE, strangers=_WIDE
)
"""Nobody is limited but in streams: for tests, whose clock stands still while they call."""


class Buckets:
    """Buckets of one rate, by name."""

    def __init__(self, rate: Rate, clock: Clock, *, buckets_max: int = BUCKETS_MAX) -> None:
        """Start with all of them full."""
        self._milliseconds_each = 1000 / rate.per_second
        self._milliseconds_empty = self._milliseconds_each * rate.burst
        self._clock = clock
        self._buckets_max = buckets_max
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When each will be full again; an absent one is."""

    def take(self, name: str) -> None:
        """Take a call out of the bucket.

        Raises:
            NotDone: RATE_LIMITED; the bucket is empty, and stays as it is.

        """
        now = self._clock.now()
        full_at = max(now, self._full_at.get(name, now)) + self._milliseconds_each
        too_early = full_at - now - self._milliseconds_empty
        if too_early > 0:
            raise NotDone(Reason.RATE_LIMITED, retry_after_seconds=max(too_early, 1) / 1000)
        self._keep(name, full_at)

    def charge(self, name: str, calls: int) -> None:
        """Take more calls out of the bucket; what it does not hold has to flow in first."""
        now = self._clock.now()
        full_at = max(now, self._full_at.get(name, now)) + self._milliseconds_each * calls
        self._keep(name, full_at)

    def _keep(self, name: str, full_at: float) -> None:
        self._full_at[name] = full_at
        self._full_at.move_to_end(name)
        if len(self._full_at) > self._buckets_max:
            self._full_at.popitem(last=False)


class Turnstile:
    """Lets calls in, one for all listeners of a server."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        """Start with full buckets and no streams."""
        self._of_caller = {
            CallerKind.CUSTOMER: Buckets(limits.customer, clock),
            CallerKind.TERMINAL: Buckets(limits.terminal, clock),
        }
        self._of_address = Buckets(limits.address, clock)
        self._of_strangers = Buckets(limits.strangers, clock)
        self._streams_max = {
            CallerKind.CUSTOMER: limits.customer_streams,
            CallerKind.TERMINAL: limits.terminal_streams,
        }
        self._streams: Counter[str] = Counter()

    def admit(self, caller: Caller, peer: str, *, proves_nothing: bool = False) -> None:
        """Let a call in; `peer` is what gRPC calls the other end, as in `ipv4:127.0.0.1:4711`.

        A stranger's call that proves nothing, a registration, makes the server hash all the same.

        Raises:
            NotDone: RATE_LIMITED.

        """
        if caller.kind is CallerKind.ANYONE:
            self._of_address.take(address_of(peer))
            if proves_nothing:
                self._of_strangers.take(_EVERYBODY)
        elif caller.kind in self._of_caller:
            self._of_caller[caller.kind].take(caller.caller_id)

    def charge_forgery(self, caller: Caller, error: Exception) -> None:
        """Let a code that nobody issued count as many calls of whoever sent it."""
        is_forged = isinstance(error, Refused) and error.reason in _FORGED
        if is_forged and caller.kind in self._of_caller:
            self._of_caller[caller.kind].charge(caller.caller_id, FORGED_CODE_CALLS)

    @contextmanager
    def stream(self, caller: Caller, *, weight: int = 1) -> Iterator[None]:
        """Count a stream of the caller, or as many as it weighs, as long as the context lasts.

        Raises:
            NotDone: RATE_LIMITED, because the caller has as many as it may have.

        """
        streams_max = self._streams_max.get(caller.kind)
        if streams_max is not None and self._streams[caller.name] + weight > streams_max:
            seconds = STREAM_RETRY_AFTER_SECONDS
            raise NotDone(Reason.RATE_LIMITED, retry_after_seconds=seconds)
        self._streams[caller.name] += weight
        try:
            yield
        finally:
            self._streams[caller.name] -= weight
            if not self._streams[caller.name]:
                del self._streams[caller.name]


def address_of(peer: str) -> str:
    """Return whose budget a peer uses: its IPv4 address, the /64 of its IPv6 address, or itself."""
    family, _, rest = unquote(peer).partition(":")
    if family not in {"ipv4", "ipv6"}:
        return peer
    host = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    address = ip_address(host)
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, IPV6_PREFIX_BITS), strict=False))
