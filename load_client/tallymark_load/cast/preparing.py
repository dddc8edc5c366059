"""Makes a cast on a server that runs, through its contracts alone.

1. An operator of the cast's own enrols: by an enrolment code, or made by an operator there is.
2. The policy is widened, unless it is to stay.
3. The points programme, and merchants with their events.
4. Terminals are created and enrol, each with a key of its own.
5. Customers register, each with a phone and a card.
6. Customers get a ticket and points.

After each batch the cast is kept, so that the next try goes on there; what was sent and not
answered is sent again as it was.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from tallymark.v1 import operator_service_pb2
from tallymark.v1.customer_service_pb2_grpc import CustomerServiceStub
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_load.cast.calls import each, patiently
from tallymark_load.cast.drawing import new_operator
from tallymark_load.cast.enrolling import enrol_operator, enrol_terminal
from tallymark_load.cast.furnishing import Furnisher
from tallymark_load.cast.lines import Lines
from tallymark_load.cast.members import Cast, Customer, Operator, Terminal
from tallymark_load.cast.operator_home import AdminIdentity, NoOperator
from tallymark_load.cast.phone_requests import card_request, register_request
from tallymark_protocol.errors import NotDone
from tallymark_protocol.timestamps import to_milliseconds

__all__ = ["Watcher", "prepare"]

_FURNISHED_AT_ONCE: Final = 400

MemberT = TypeVar("MemberT", Terminal, Customer)


class Watcher(Protocol):
    """Keeps the cast while it grows, and tells how far that is."""

    async def keep(self, cast: Cast) -> None:
        """Write the cast down."""
        ...

    def progress(self, step: str, done: int, total: int) -> None:
        """Take the step, and how many of its members are done."""
        ...

    def waiting(self, error: NotDone) -> None:
        """Take why the server has put a call off; it is repeated."""
        ...


async def prepare(
    cast: Cast,
    lines: Lines,
    watcher: Watcher,
    *,
    authority: AdminIdentity | str | None,
    widens_policy: bool = True,
) -> None:
    """Make every drawn-up member known to the server, and keep the cast as it grows.

    `authority` is an operator that makes the cast's own, or an enrolment code for it; None will do
    when it has enrolled before.

    Raises:
        NoOperator: the cast has no operator yet, and nobody to make it.
        CannotFurnish: the server refused a ticket or points.
        TallymarkError: a call failed for good. What was done until then is kept.

    """
    await watcher.keep(cast)
    if cast.operator is None or not cast.operator.is_ready:
        await _enrol_operator(cast, lines, watcher, authority)
    assert cast.operator is not None, "it has just enrolled"
    operators = lines.operators(cast.operator.identity)
    furnisher = Furnisher(operators, cast)
    if widens_policy:
        await furnisher.widen_policy()
    await furnisher.add_programme()
    for merchant in cast.merchants.values():
        await furnisher.add_merchant(merchant)
    making = _Making(cast, watcher)
    await making.terminals(operators, lines.enrolling_terminals())
    await making.customers(lines.phones())
    await making.furnish(furnisher)


async def _enrol_operator(
    cast: Cast, lines: Lines, watcher: Watcher, authority: AdminIdentity | str | None
) -> None:
    drawn = cast.operator or new_operator()
    if isinstance(authority, str) or not drawn.enrolment_code:
        drawn = replace(drawn, enrolment_code=await _operator_code(cast, drawn, lines, authority))
    cast.operator = drawn
    await watcher.keep(cast)
    cast.operator, cast.server = await enrol_operator(
        lines.enrolling_operators(), drawn, cast.server
    )
    await watcher.keep(cast)


async def _operator_code(
    cast: Cast, drawn: Operator, lines: Lines, authority: AdminIdentity | str | None
) -> str:
    if authority is None:
        message = (
            "the cast has no operator yet; name one by --operator (the folder of"
            " tallymark-admin) or --enrolment-code-file"
        )
        raise NoOperator(message)
    if isinstance(authority, str):
        return authority
    # A name of its own for each try, because the name of an operator is used up for good.
    name = f"{cast.label}-{uuid.UUID(drawn.request_id).hex[:8]}"
    request = operator_service_pb2.CreateOperatorRequest(operator_id=name)
    stub = lines.operators(authority.client, authority.server)
    return (await patiently(stub.CreateOperator, request)).enrolment_code


class _Making:
    """Makes members known, and tells how far it is."""

    def __init__(self, cast: Cast, watcher: Watcher) -> None:
        self._cast = cast
        self._watcher = watcher

    async def terminals(
        self, operators: OperatorServiceStub, enrolling: TerminalServiceStub
    ) -> None:
        members = self._cast.terminals

        async def create(terminal: Terminal) -> None:
            merchant = self._cast.merchants[terminal.merchant]
            request = operator_service_pb2.CreateTerminalRequest(
                terminal_id=terminal.terminal_id, merchant_id=merchant.merchant_id
            )
            code = (await patiently(operators.CreateTerminal, request)).enrolment_code
            members[terminal.name] = replace(terminal, enrolment_code=code)

        async def enrol(terminal: Terminal) -> None:
            members[terminal.name], self._cast.server = await enrol_terminal(
                enrolling, terminal, self._cast.server, self._watcher.waiting
            )
            self._tell("terminals", members)

        # Codes are kept before one is used: of a terminal that has enrolled there is none any more.
        await each([one for one in _missing(members) if not one.enrolment_code], create, self._kept)
        await each(_missing(members), enrol, self._kept)

    async def customers(self, phones: CustomerServiceStub) -> None:
        members = self._cast.customers

        async def register(customer: Customer) -> None:
            request = register_request(customer)
            answer = await patiently(
                phones.RegisterCustomer, request, waiting=self._watcher.waiting
            )
            customer = replace(
                customer,
                customer_id=answer.customer_id,
                device_id=answer.device_id,
                session_token=answer.session_token,
                session_expires_at_ms=to_milliseconds(answer.session_expires_at),
            )
            card = await patiently(
                phones.RegisterCard, card_request(customer), metadata=customer.credentials
            )
            members[customer.name] = replace(customer, card_id=card.card.card_id)
            self._tell("customers", members)

        await each(_missing(members), register, self._kept)

    async def furnish(self, furnisher: Furnisher) -> None:
        customers = tuple(self._cast.customers.values())
        while self._cast.furnished < len(customers):
            first = self._cast.furnished
            some = customers[first : first + _FURNISHED_AT_ONCE]
            await furnisher.add_tickets(some, 1)
            await furnisher.add_points(some)
            self._cast.furnished += len(some)
            await self._kept()
            self._watcher.progress("tickets and points", self._cast.furnished, len(customers))

    async def _kept(self) -> None:
        await self._watcher.keep(self._cast)

    def _tell(self, step: str, members: Mapping[str, Terminal | Customer]) -> None:
        done = sum(member.is_ready for member in members.values())
        self._watcher.progress(step, done, len(members))


def _missing(members: Mapping[str, MemberT]) -> list[MemberT]:
    return [member for member in members.values() if not member.is_ready]
