"""A terminal that wants to know who is registered: all that it can ask about a number, noted.

It opens a stream, asks by every call that takes a process, before and after the customer's answer
and the end of the time, and keeps every byte of the answers but ids and the random digits. What two
numbers leave in its notes must be the same.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import terminal_service_pb2 as t
from tallymark.v1.identification_pb2 import Identification, ProcessReference
from tallymark_protocol.errors import TallymarkError
from tests.world.actions import CHARGE_REST, earn, pay_bill
from tests.world.messages import by_process, euro, new_id
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["CASES", "ENDINGS", "Notes"]

NUMBER, STRANGE_NUMBER = "+4930123456", "+4930999999"

CONFIRM_SECONDS = 45

_DIFFERING = ("process_id", "confirmation_digits")


class Notes:
    """A world with Ben, whose number it is, a till, and what the till has heard."""

    def __init__(self, world: World, ben: Phone, till: Terminal, other: Terminal) -> None:
        self.world = world
        self.ben = ben
        self.till = till
        self.other = other
        self.number = NUMBER
        self.heard: list[Any] = []

    @classmethod
    async def prepare(cls, world: World) -> "Notes":
        """Register Ben with a card, points, a bill and a verified number."""
        ben = await world.add_phone("ben", telephone_number=NUMBER)
        await ben.add_card()
        await world.operator.add_bill(ben, "B-8", 900)
        verify = c.VerifyNumberRequest(request_id=new_id(), number_code=world.numbers.codes[NUMBER])
        await ben.call("VerifyNumber", verify)
        till = await world.add_terminal()
        return cls(world, ben, till, await world.add_terminal("till-2"))

    async def take(
        self, answer: "Callable[[Notes, str], Awaitable[None]]", *, ending: str
    ) -> list[Any]:
        """Write down one sale by the number, from its beginning to after its end."""
        request = self.resolve_request()
        process = (await self.hear(self.till, "ResolveCode", request)).process
        stream = asyncio.create_task(self._watch(process.process_id))
        await self._ask_everything(request, process.process_id)
        self.world.clock.move(seconds=10)
        await answer(self, process.process_id)
        await self._ask_everything(request, process.process_id)
        if ending == "given up":
            await self._give_up(process.process_id)
            await self._ask_everything(request, process.process_id)
        await self.world.pass_time(seconds=CONFIRM_SECONDS - 10)
        await self._ask_everything(request, process.process_id)
        await self._give_up(process.process_id)
        self.heard += await stream
        return self.heard

    def resolve_request(self) -> t.ResolveCodeRequest:
        """Return a sale of everything that Ben has and a stranger has not."""
        return t.ResolveCodeRequest(
            request_id=new_id(),
            identification=Identification(telephone_number=self.number),
            actions=[CHARGE_REST, pay_bill(), earn(1)],
            sale_total=euro(500),
            wait_milliseconds=1,
        )

    async def hear(self, terminal: Terminal, rpc: str, request: Any) -> Any:
        """Make a call and write down what it answers or fails with."""
        try:
            answer = await terminal.call(rpc, request)
        except TallymarkError as error:
            self.heard.append((rpc, error.reason, dict(error.metadata)))
            return None
        self.heard.append((rpc, _bytes_of(answer)))
        return answer

    async def _ask_everything(self, request: t.ResolveCodeRequest, process_id: str) -> None:
        by_request = ProcessReference(
            identification=request.identification, resolve_request_id=request.request_id
        )
        await self.hear(self.till, "ResolveCode", request)
        for reference in (by_process(process_id), by_request):
            await self.hear(self.till, "GetProcess", t.GetProcessRequest(reference=reference))
            complete = t.CompleteProcessRequest(request_id=new_id(), reference=reference)
            await self.hear(self.till, "CompleteProcess", complete)
            update = t.UpdatePointsRequest(
                request_id=new_id(), reference=reference, version=1, new_balance=1
            )
            await self.hear(self.till, "UpdatePoints", update)
        stranger = t.GetProcessRequest(reference=by_process(process_id))
        await self.hear(self.other, "GetProcess", stranger)

    async def _give_up(self, process_id: str) -> None:
        request = t.ReverseProcessRequest(request_id=new_id(), reference=by_process(process_id))
        await self.hear(self.till, "ReverseProcess", request)
        await self.hear(self.till, "ReverseProcess", request)

    async def _watch(self, process_id: str) -> list[Any]:
        """Return every message of the stream, to its end."""
        request = t.WatchProcessRequest(reference=by_process(process_id))
        return [_bytes_of(one) async for one in self.till.watch("WatchProcess", request)]


def _bytes_of(answer: Any) -> bytes:
    """Return the answer without what differs between any two processes."""
    shown = type(answer)()
    shown.CopyFrom(answer)
    for field in _DIFFERING:
        shown.process.ClearField(field)
    return bytes(shown.SerializeToString(deterministic=True))


async def _nothing(notes: Notes, process_id: str) -> None:
    """Leave it."""


async def _unknown(notes: Notes) -> None:
    notes.number = STRANGE_NUMBER


async def _unverified(notes: Notes) -> None:
    notes.number = STRANGE_NUMBER
    await notes.world.add_phone("eve", telephone_number=STRANGE_NUMBER)


async def _known(notes: Notes) -> None:
    """Leave it at Ben's."""


async def _being_asked(notes: Notes) -> None:
    await notes.other.call("ResolveCode", notes.resolve_request())


async def _asked_too_often(notes: Notes) -> None:
    for _ in range(3):
        answer = await notes.other.call("ResolveCode", notes.resolve_request())
        reverse = t.ReverseProcessRequest(
            request_id=new_id(), reference=by_process(answer.process.process_id)
        )
        await notes.other.call("ReverseProcess", reverse)


async def _decline(notes: Notes, process_id: str) -> None:
    await notes.ben.confirm(process_id, approve=False)


async def _enter_wrong_digits(notes: Notes, process_id: str) -> None:
    shown = await notes.till.get(process_id)
    wrong = f"{(int(shown.confirmation_digits) + 1) % 100:02d}"
    await notes.ben.confirm(process_id, digits=wrong)


async def _dispute(notes: Notes, process_id: str) -> None:
    request = c.DisputeProcessRequest(request_id=new_id(), process_id=process_id)
    await notes.ben.call("DisputeProcess", request)


CASES = {
    "unknown": (_unknown, _nothing),
    "not verified": (_unverified, _nothing),
    "being asked already": (_being_asked, _nothing),
    "asked too often": (_asked_too_often, _nothing),
    "silent": (_known, _nothing),
    "declined": (_known, _decline),
    "wrong digits": (_known, _enter_wrong_digits),
    "disputed": (_known, _dispute),
}
"""How the number comes to be, and what its owner does."""

ENDINGS = ("left alone", "given up")
