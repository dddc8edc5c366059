"""The members of a cast on their connections, ready to be in visits."""

import asyncio
import random
from collections.abc import Iterator
from typing import Final

import grpc

from tallymark.v1.customer_service_pb2_grpc import CustomerServiceStub
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_load.cast import Cast
from tallymark_load.connections import Connections, Route
from tallymark_load.scenarios.operator import Operator
from tallymark_load.scenarios.phone import Phone
from tallymark_load.scenarios.streamed_terminal import StreamedTerminal
from tallymark_load.scenarios.terminal import Terminal
from tallymark_protocol.errors import UnknownOutcome
from tallymark_protocol.tls import ClientIdentity

__all__ = ["Stage"]

_CONNECT_SECONDS: Final = 20.0


class Stage:
    """Lends customers out, each to one visit at a time, as a person is in one place.

    Phones share the connections of their route, as behind a proxy; a terminal has one of its own.
    """

    def __init__(
        self, cast: Cast, connections: Connections, terminal_type: type[Terminal] = Terminal
    ) -> None:
        """Take who plays, and the connections; nothing is opened yet."""
        assert cast.operator is not None, "a prepared cast has an operator"
        server = cast.server
        channels: dict[grpc.aio.Channel, None] = {}

        def channel(address: str, identity: ClientIdentity | None, place: int) -> grpc.aio.Channel:
            found = connections.channel(Route(address, identity), place)
            channels[found] = None
            return found

        self._phones = [
            Phone(CustomerServiceStub(channel(server.phones, None, place)), customer)
            for place, customer in enumerate(cast.customers.values())
        ]
        self._terminals: dict[str, list[Terminal]] = {name: [] for name in cast.merchants}
        self._streamed: dict[str, StreamedTerminal] = {}
        for member in cast.terminals.values():
            stub = TerminalServiceStub(channel(server.terminals, member.identity, 0))
            terminal = terminal_type(stub, member, cast.merchants[member.merchant])
            self._terminals[member.merchant].append(terminal)
            self._streamed[member.name] = StreamedTerminal(stub, member, terminal.merchant)
        stub_of_operator = OperatorServiceStub(channel(server.operators, cast.operator.identity, 0))
        self.operator = Operator(stub_of_operator)
        self._free: asyncio.Queue[Phone] = asyncio.Queue()
        self._channels = channels
        self._address = server.phones

    async def connect(self) -> None:
        """Open every connection.

        Raises:
            UnknownOutcome: the server did not take all of them.

        """
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.gather(*(channel.channel_ready() for channel in self._channels))
        except TimeoutError:
            message = f"not every connection could be made to {self._address} and its other ports"
            raise UnknownOutcome(None, message=message) from None

    async def end(self) -> None:
        """Close the streams of terminals, after what was sent is answered."""
        await asyncio.gather(*(terminal.close() for terminal in self._streamed.values()))

    @property
    def phones(self) -> Iterator[Phone]:
        """Every customer's phone."""
        return iter(self._phones)

    def phones_of(self, merchant: str) -> list[Phone]:
        """Return the phones of a merchant's customers."""
        return [phone for phone in self._phones if phone.customer.merchant == merchant]

    def phone(self, name: str) -> Phone | None:
        """Return the phone of a member, if there is one of the name."""
        return next((one for one in self._phones if one.customer.name == name), None)

    def terminal(self, name: str) -> Terminal | None:
        """Return a terminal, if there is one of the name."""
        every = (one for terminals in self._terminals.values() for one in terminals)
        return next((one for one in every if one.member.name == name), None)

    def streamed(self, terminal: Terminal) -> StreamedTerminal:
        """Return a terminal as one whose commands go over a stream."""
        return self._streamed[terminal.member.name]

    def begin(self, order: random.Random) -> None:
        """Let customers come in an order of their own, over and over."""
        order.shuffle(self._phones)
        for phone in self._phones:
            self._free.put_nowait(phone)

    def is_crowded(self) -> bool:
        """Say whether every customer is on a visit just now."""
        return self._free.empty()

    async def borrow(self) -> Phone:
        """Take the customer who has waited longest, or wait for one."""
        return await self._free.get()

    def give_back(self, phone: Phone) -> None:
        """Let a customer come again."""
        self._free.put_nowait(phone)

    def terminals_for(self, phone: Phone, draw: random.Random) -> tuple[Terminal, Terminal]:
        """Return a terminal of the customer's merchant, and another one if it has two."""
        terminals = self._terminals[phone.customer.merchant]
        first = draw.randrange(len(terminals))
        return terminals[first], terminals[(first + 1) % len(terminals)]
