"""What customers and the gate of a made-up day call next: nobody, and no process, twice."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from google.protobuf.message import Message

from bench.contestants import Caller
from bench.crowd import COMPLETE, ISSUE, RESOLVE, codes_of
from bench.load import Address, Call, Played, Script
from bench.past import Past
from bench.rounds import Taken
from tallymark.v1.action_pb2 import Action
from tallymark.v1.customer_service_pb2 import GetWalletRequest, IssueCodeRequest
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL
from tallymark.v1.terminal_service_pb2 import (
    CompleteProcessRequest,
    GetProcessRequest,
    ResolveCodeRequest,
)
from tallymark_phone.request_ids import new_request_id
from tests.e2e.served import Town
from tests.world.actions import ADMIT, earn
from tests.world.messages import by_process, by_request
from tests.world.phone import Phone
from tests.world.signed_requests import sign_in_request
from tests.world.terminal import Terminal

__all__ = ["KINDS", "PastCalls"]

WALLET: Final = "/tallymark.v1.CustomerService/GetWallet"
SIGN_IN: Final = "/tallymark.v1.CustomerService/SignIn"
GET: Final = "/tallymark.v1.TerminalService/GetProcess"

KINDS: Final[Mapping[str, str]] = {
    "issue": "IssueCode",
    "admit": "ResolveCode that admits at once",
    "sale": "ResolveCode and CompleteProcess",
    "old process": "GetProcess of an old process",
    "first look": "first call of a phone, GetWallet",
    "sign in": "SignIn, with a password that is hashed in no time",
}
"""What is called, by the names of the figures."""

AT_ONCE: Final = 4
"""Calls under way: few, so that what is measured is the call and not a queue.

Of sign-ins there is one, since the server lets those who hash wait for each other.
"""

_STRIDE: Final = 7_919
"""A prime that divides no size: the next one is far away in the database, and all come in turn."""


class PastCalls:
    """A contestant: plays rounds of all kinds of calls at a server with a past."""

    def __init__(self, past: Past, town: Town, caller: Caller, count: int, *, name: str) -> None:
        """Take how many customers call in a round, and what its figures are called by."""
        self._past = past
        self._caller = caller
        self._count = count
        self._name = name
        self._pid = town.program.process.pid
        self._phones = Address(f"127.0.0.1:{town.app.port}", town.ca_pem)
        self._gate = Address(f"127.0.0.1:{town.app.terminal_port}", town.ca_pem, past.gate)
        self._terminal = Terminal(None)
        size = past.names.size
        self._customers = _far_apart(size.customers)
        self._scans = _far_apart(size.scans)

    async def play(self) -> Mapping[str, Taken]:
        """Play a round."""
        issued, played = await self._call(self._phones, self._issue())
        codes = codes_of(played)
        half = len(codes) // 2
        admitted, _ = await self._call(self._gate, self._admit(codes[:half]))
        sold, _ = await self._call(self._gate, self._sell(codes[half:]))
        seen, _ = await self._call(self._gate, self._look_back())
        looked, _ = await self._call(self._phones, self._first_look())
        signed_in, _ = await self._call(self._phones, self._sign_in(), at_once=1)
        taken = (issued, admitted, sold, seen, looked, signed_in)
        return {f"{kind} {self._name}": one for kind, one in zip(KINDS, taken, strict=True)}

    async def _call(
        self, address: Address, items: Sequence[Sequence[Call]], *, at_once: int = AT_ONCE
    ) -> tuple[Taken, Played]:
        return await self._caller.play(self._pid, Script(address, items, at_once=at_once))

    def _issue(self) -> list[list[Call]]:
        return [
            [
                self._of_phone(
                    customer,
                    ISSUE,
                    IssueCodeRequest(request_id=new_request_id(), purpose=CODE_PURPOSE_GENERAL),
                )
            ]
            for customer in self._next(self._customers)
        ]

    def _admit(self, codes: Sequence[str]) -> list[list[Call]]:
        return [[_call(RESOLVE, self._resolve(code, ADMIT, at_once=True))] for code in codes]

    def _sell(self, codes: Sequence[str]) -> list[list[Call]]:
        return [self._sale(code) for code in codes]

    def _sale(self, code: str) -> list[Call]:
        resolve = self._resolve(code, earn(1), at_once=False)
        reference = by_request(code, resolve.request_id)
        complete = CompleteProcessRequest(request_id=new_request_id(), reference=reference)
        return [_call(RESOLVE, resolve), _call(COMPLETE, complete)]

    def _resolve(self, code: str, action: Action, *, at_once: bool) -> ResolveCodeRequest:
        return self._terminal.resolve_request(
            code, action, request_id=new_request_id(), complete_on_instruction=at_once
        )

    def _look_back(self) -> list[list[Call]]:
        names = self._past.names
        return [
            [_call(GET, GetProcessRequest(reference=by_process(names.process_id(scan))))]
            for scan in self._next(self._scans)
        ]

    def _first_look(self) -> list[list[Call]]:
        return [
            [self._of_phone(customer, WALLET, GetWalletRequest())]
            for customer in self._next(self._customers)
        ]

    def _sign_in(self) -> list[list[Call]]:
        return [
            [_call(SIGN_IN, sign_in_request(self._phone(customer), request_id=new_request_id()))]
            for customer in self._next(self._customers)
        ]

    def _phone(self, customer: int) -> Phone:
        names, phone = self._past.names, Phone(None)
        phone.login_name = names.login_name(customer)
        phone.device_id = names.device_id(customer)
        phone.device_key = self._past.device_key
        return phone

    def _of_phone(self, customer: int, method: str, request: Message) -> Call:
        token = self._past.names.token(customer)
        return _call(method, request)._replace(metadata=(("authorization", f"Bearer {token}"),))

    def _next(self, numbers: Iterator[int]) -> list[int]:
        return [next(numbers) for _ in range(self._count)]


def _call(method: str, request: Message) -> Call:
    return Call(method, request.SerializeToString())


def _far_apart(count: int) -> Iterator[int]:
    number = 0
    while True:
        yield number
        number = (number + _STRIDE) % count
