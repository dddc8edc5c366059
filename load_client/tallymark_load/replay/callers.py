"""Who calls in a replay: where, and with which credentials."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from google.protobuf.message import Message

from tallymark_load.cast import Cast, Customer
from tallymark_load.connections import Route
from tallymark_load.replay.rules import ReplayRules
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.tls import ClientIdentity

__all__ = ["Callers", "Phone"]

_OF_THE_LIBRARY: Final = (":*", "grpc-*", "user-agent", "te", "content-type")
"""Metadata that gRPC writes itself."""

_AUTHORIZATION: Final = "authorization"

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(slots=True)
class Phone:
    """A customer's phone as it stands in this replay."""

    login_name: str
    password: str = field(repr=False)
    device_id: str
    device_key: DevicePrivateKey
    session_token: str = field(repr=False)

    @classmethod
    def of(cls, customer: Customer) -> "Phone":
        """Return the phone of a member of the cast."""
        return cls(
            login_name=customer.login_name,
            password=customer.password,
            device_id=customer.device_id,
            device_key=customer.device_key,
            session_token=customer.session_token,
        )


class Callers:
    """Gives each recorded caller a member of the cast, by name."""

    def __init__(
        self, rules: ReplayRules, *, route: Route | None = None, cast: Cast | None = None
    ) -> None:
        """Take where calls go that no member of the cast makes, and the cast."""
        self._ports = rules.ports
        self._dropped = (*_OF_THE_LIBRARY, *rules.drop_metadata)
        self._route = route
        self._cast = cast
        self._places: dict[str, int] = {}
        self.phones: dict[str, Phone] = {}
        if cast is not None:
            self.phones = {name: Phone.of(one) for name, one in cast.customers.items()}

    def phone(self, caller: str, request: Message) -> Phone | None:
        """Return the phone of a caller, or of the customer whom an unnamed one signs in as."""
        if caller in self.phones or "login_name" not in request.DESCRIPTOR.fields_by_name:
            return self.phones.get(caller)
        name = getattr(request, "login_name")  # noqa: B009 -- not every request has one
        return next((one for one in self.phones.values() if one.login_name == name), None)

    def place(self, caller: str) -> int:
        """Return which connection a caller is on: each the next one."""
        return self._places.setdefault(caller, len(self._places))

    def route(self, method: str, caller: str) -> Route | None:
        """Return where a caller calls a method; None: nobody said."""
        if self._cast is None:
            return self._route
        port = next((port for name, port in self._ports.items() if fnmatchcase(method, name)), "")
        address = getattr(self._cast.server, port, "") if port else ""
        if not address:
            return self._route
        if port == "phones":
            return Route(address)
        return Route(address, self._identity(caller))

    def routes(self, calls: Iterable[tuple[str, str]]) -> set[Route]:
        """Return all routes of calls: method and caller."""
        return {route for method, caller in calls if (route := self.route(method, caller))}

    def metadata(
        self, caller: str, recorded: Iterable[tuple[str, bytes]], *, is_known: bool
    ) -> Metadata:
        """Return the metadata of a call; with the caller's own token, if it was good then."""
        phone = self.phones.get(caller)
        kept: list[tuple[str, str | bytes]] = []
        for key, value in recorded:
            if any(fnmatchcase(key, one) for one in self._dropped):
                continue
            if key == _AUTHORIZATION and phone is not None and is_known:
                kept.append((key, f"Bearer {phone.session_token}"))
            else:
                kept.append((key, value if key.endswith("-bin") else value.decode("latin-1")))
        return tuple(kept)

    def unknown(self, callers: Mapping[str, str]) -> list[str]:
        """Return which of these callers (with a method that each calls) nobody plays."""
        return sorted(one for one, method in callers.items() if self.route(method, one) is None)

    def _identity(self, caller: str) -> ClientIdentity | None:
        assert self._cast is not None
        member = self._cast.terminals.get(caller) or self._cast.operator
        return member.identity if member else None
