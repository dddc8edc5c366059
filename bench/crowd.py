"""A server on the core of servers, a gate, and customers who each have a ticket and a phone."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from bench.load import Address, Call, Played
from bench.processes import pinned
from bench.stream import Batches
from tallymark.v1 import operator_service_pb2, registration_pb2
from tallymark.v1.customer_service_pb2 import IssueCodeRequest, IssueCodeResponse
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL
from tallymark.v1.terminal_service_pb2 import (
    CompleteProcessRequest,
    ExchangeCommand,
    ExchangeRequest,
    ResolveCodeRequest,
)
from tallymark_phone.request_ids import new_request_id
from tests.e2e.served import SERVER, Town, town
from tests.world.actions import ADMIT, earn
from tests.world.messages import by_request
from tests.world.terminal import Terminal

__all__ = ["RESOLVE", "Crowd", "codes_of", "crowd"]

T = TypeVar("T")

ISSUE: Final = "/tallymark.v1.CustomerService/IssueCode"
RESOLVE: Final = "/tallymark.v1.TerminalService/ResolveCode"
COMPLETE: Final = "/tallymark.v1.TerminalService/CompleteProcess"

ENTRIES: Final = 1000
"""Of each ticket, the most that there may be: more rounds than any bench plays."""

CODE_LIFE_SECONDS: Final = 600
"""Longer than the longest round, so that a slow machine measures no expiry."""

LINES_SHOWN: Final = 30
"""Of what the server said, when a measurement fails."""

TICKETS_AT_ONCE: Final = 400
REGISTRATIONS_AT_ONCE: Final = 16

WIDE: Final = tuple(
    word
    for who in ("customer", "terminal", "address", "strangers")
    for word in (f"--{who}-rate", "1000000", "1000000")
)
"""Options with which nobody calls too often."""

FAST_PASSWORDS: Final = (
    "from tallymark_server import passwords as p; p.PROFILES['owasp'] = p.UNSAFE_FAST_FOR_TESTS"
)
"""So that thousands register in seconds; what is measured later checks no password."""


class Crowd:
    """Customers before a gate, and what they and the gate send."""

    def __init__(self, town: Town, gate: Terminal, tokens: Sequence[str]) -> None:
        """Take the session tokens of the customers' phones."""
        self.town = town
        self.gate = gate
        self._tokens = tokens
        self.phones_address = Address(f"127.0.0.1:{town.app.port}", town.ca_pem)
        self.gate_address = Address(
            f"127.0.0.1:{town.app.terminal_port}", town.ca_pem, gate.identity
        )

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.town.program.process.pid

    def issue(self) -> list[list[Call]]:
        """Return the calls with which each phone fetches a code."""
        return [
            [
                Call(
                    ISSUE,
                    IssueCodeRequest(
                        request_id=new_request_id(), purpose=CODE_PURPOSE_GENERAL
                    ).SerializeToString(),
                    (("authorization", f"Bearer {token}"),),
                )
            ]
            for token in self._tokens
        ]

    def admit(self, codes: Sequence[str]) -> list[list[Call]]:
        """Return the one call with which a gate lets somebody in."""
        return [[Call(RESOLVE, self._admission(code).SerializeToString())] for code in codes]

    def exchange(self, codes: Sequence[str], size: int, at_once: int) -> Batches:
        """Return the same admissions, so many in a message."""
        commands = [
            ExchangeCommand(correlation=number, resolve_code=self._admission(code))
            for number, code in enumerate(codes)
        ]
        messages = [
            ExchangeRequest(commands=some).SerializeToString() for some in _groups(commands, size)
        ]
        return Batches(self.gate_address, messages, size, len(codes), at_once)

    def sell(self, codes: Sequence[str]) -> list[list[Call]]:
        """Return the two calls of a sale; the second names the first, whose answer it needs not."""
        return list(self._sales(codes))

    def _admission(self, code: str) -> ResolveCodeRequest:
        return self.gate.resolve_request(
            code, ADMIT, request_id=new_request_id(), complete_on_instruction=True
        )

    def _sales(self, codes: Sequence[str]) -> Iterator[list[Call]]:
        for code in codes:
            resolve = self.gate.resolve_request(code, earn(1), request_id=new_request_id())
            complete = CompleteProcessRequest(
                request_id=new_request_id(), reference=by_request(code, resolve.request_id)
            )
            yield [
                Call(RESOLVE, resolve.SerializeToString()),
                Call(COMPLETE, complete.SerializeToString()),
            ]


def codes_of(issued: Played) -> list[str]:
    """Return the codes that phones were given."""
    return [IssueCodeResponse.FromString(answer).code for (answer,) in issued.answers]


@asynccontextmanager
async def crowd(folder: Path, count: int, *, code: str = SERVER) -> AsyncIterator[Crowd]:
    """Serve, by other code if given, and let so many customers in."""
    await asyncio.to_thread(folder.mkdir, mode=0o700)
    served = pinned(f"{FAST_PASSWORDS}; {code}")
    async with town(folder, code=served, options=WIDE) as made:
        await made.operator.set_policy(code_life_seconds=CODE_LIFE_SECONDS)
        names = [f"guest-{number}" for number in range(count)]
        tokens = [
            token
            for some in _groups(names, REGISTRATIONS_AT_ONCE)
            for token in await asyncio.gather(*(_register(made, name) for name in some))
        ]
        for some in _groups(names, TICKETS_AT_ONCE):
            await _hand_out_tickets(made, some)
        try:
            yield Crowd(made, await made.add_terminal("gate-1"), tokens)
        except BaseException as error:
            error.add_note(
                "\n".join(["The server said at last:", *made.program.lines[-LINES_SHOWN:]])
            )
            raise


def _groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[first : first + size] for first in range(0, len(items), size))


async def _register(town: Town, login_name: str) -> str:
    phone = await town.add_phone(login_name)
    return phone.secret


async def _hand_out_tickets(town: Town, login_names: Sequence[str]) -> None:
    tickets = [
        registration_pb2.Ticket(
            event_id="jazz", ticket_id=f"T-{name}", login_name=name, entries=ENTRIES
        )
        for name in login_names
    ]
    await town.operator.call("AddTickets", operator_service_pb2.AddTicketsRequest(tickets=tickets))
