"""What every command has: who asks, where it is decided, and which request it is."""

from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.value import Value

__all__ = [
    "Caller",
    "Command",
    "RequestKey",
]


class Caller(Value, frozen=True, kw_only=True):
    """Who asks.

    `caller_id` is the customer's, terminal's or operator's id; it outlives devices and secrets.
    """

    kind: CallerKind
    caller_id: str
    device_id: str = ""
    session: str = ""
    """Hash of the token of the customer's session."""

    merchant_id: str = ""

    @property
    def name(self) -> str:
        """Kind and id, for requests and the journal."""
        return f"{self.kind}/{self.caller_id}"


class RequestKey(Value, frozen=True, kw_only=True):
    """The caller's own id of the request, and a keyed hash of its body."""

    rpc: str
    request_id: str
    fingerprint: str


class Command(Value, frozen=True, kw_only=True):
    """A wish of a caller, decided in one partition; with a request, once and for all."""

    caller: Caller
    partition: int
    request: RequestKey | None = None
