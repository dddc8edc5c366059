"""A till or gate in a load: its calls are measured."""

from collections.abc import Sequence
from typing import Final

import grpc

from tallymark.v1 import (
    action_pb2,
    identification_pb2,
    money_pb2,
    process_pb2,
    terminal_service_pb2,
)
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_load.cast import MEMBER_KEY
from tallymark_load.cast.members import Merchant
from tallymark_load.cast.members import Terminal as Member
from tallymark_load.request_ids import new_request_id
from tallymark_load.scenarios.chain import CALL_SECONDS_MAX, CallFailed, Chain, outcome_of

__all__ = ["Terminal", "complete_request", "resolve_request", "update_points_request"]

_SERVICE: Final = "/tallymark.v1.TerminalService"

_UNDECIDED: Final = (
    process_pb2.PROCESS_STATE_AWAITING_CUSTOMER,
    process_pb2.PROCESS_STATE_AUTHORISING,
)


def resolve_request(
    code: str,
    actions: Sequence[action_pb2.Action],
    *,
    sale_total: money_pb2.Money | None = None,
    completes: bool = False,
    wait_milliseconds: int = 0,
) -> terminal_service_pb2.ResolveCodeRequest:
    """Return the request of a scan under a new request_id."""
    return terminal_service_pb2.ResolveCodeRequest(
        request_id=new_request_id(),
        identification=identification_pb2.Identification(code=code),
        actions=actions,
        sale_total=sale_total,
        complete_on_instruction=completes,
        wait_milliseconds=wait_milliseconds,
    )


def complete_request(process_id: str) -> terminal_service_pb2.CompleteProcessRequest:
    """Return the report of an execution under a new request_id."""
    return terminal_service_pb2.CompleteProcessRequest(
        request_id=new_request_id(), reference=_by_process(process_id)
    )


def update_points_request(
    process_id: str, *, version: int, new_balance: int
) -> terminal_service_pb2.UpdatePointsRequest:
    """Return the report of a balance under a new request_id."""
    return terminal_service_pb2.UpdatePointsRequest(
        request_id=new_request_id(),
        reference=_by_process(process_id),
        version=version,
        new_balance=new_balance,
    )


class Terminal:
    """Calls as a terminal of a merchant."""

    def __init__(self, stub: TerminalServiceStub, member: Member, merchant: Merchant) -> None:
        """Take the connection, and which terminal it is."""
        self._stub = stub
        self._metadata = ((MEMBER_KEY, member.name),)
        self.member = member
        self.merchant = merchant

    async def resolve(
        self, chain: Chain, request: terminal_service_pb2.ResolveCodeRequest
    ) -> process_pb2.Process:
        """Scan: ask what to do."""
        name = f"{_SERVICE}/ResolveCode"
        return (await chain.call(name, self._stub.ResolveCode, request, self._metadata)).process

    async def resolve_in_vain(
        self, chain: Chain, request: terminal_service_pb2.ResolveCodeRequest, *, expected: str
    ) -> None:
        """Scan what is to be refused."""
        await chain.refused(
            f"{_SERVICE}/ResolveCode",
            self._stub.ResolveCode,
            request,
            self._metadata,
            expected=expected,
        )

    async def complete(self, chain: Chain, process_id: str) -> process_pb2.Receipt:
        """Report that everything was executed."""
        request = complete_request(process_id)
        name = f"{_SERVICE}/CompleteProcess"
        answer = await chain.call(name, self._stub.CompleteProcess, request, self._metadata)
        return answer.receipt

    async def reverse(
        self, chain: Chain, process_id: str, note: str
    ) -> terminal_service_pb2.ReverseProcessResponse:
        """Give a process up, or take it back."""
        request = terminal_service_pb2.ReverseProcessRequest(
            request_id=new_request_id(), reference=_by_process(process_id), note=note
        )
        name = f"{_SERVICE}/ReverseProcess"
        return await chain.call(name, self._stub.ReverseProcess, request, self._metadata)

    async def process(self, chain: Chain, process_id: str) -> process_pb2.Process:
        """Ask for a process."""
        request = terminal_service_pb2.GetProcessRequest(reference=_by_process(process_id))
        name = f"{_SERVICE}/GetProcess"
        return (await chain.call(name, self._stub.GetProcess, request, self._metadata)).process

    async def look_for_process(self, chain: Chain, process_id: str, *, expected: str) -> None:
        """Ask for a process that there is not."""
        request = terminal_service_pb2.GetProcessRequest(reference=_by_process(process_id))
        name = f"{_SERVICE}/GetProcess"
        await chain.refused(name, self._stub.GetProcess, request, self._metadata, expected=expected)

    async def watch_decision(self, chain: Chain, process_id: str) -> process_pb2.Process:
        """Listen to a process until it is decided.

        Raises:
            CallFailed: the stream ended before.

        """
        name = f"{_SERVICE}/WatchProcess"
        request = terminal_service_pb2.WatchProcessRequest(reference=_by_process(process_id))
        call = self._stub.WatchProcess(request, metadata=self._metadata, timeout=CALL_SECONDS_MAX)
        outcome = "ENDED"
        try:
            async for change in call:
                if change.process.state not in _UNDECIDED:
                    chain.heard(name, since_ns=chain.due_ns)
                    return change.process
        except grpc.aio.AioRpcError as error:
            outcome = outcome_of(error)
        finally:
            call.cancel()
        chain.heard(name, since_ns=chain.due_ns, outcome=outcome)
        raise CallFailed(name, outcome)

    async def update_points(
        self, chain: Chain, process_id: str, *, version: int, new_balance: int
    ) -> process_pb2.Process:
        """Report a changed balance of points."""
        request = update_points_request(process_id, version=version, new_balance=new_balance)
        name = f"{_SERVICE}/UpdatePoints"
        return (await chain.call(name, self._stub.UpdatePoints, request, self._metadata)).process

    async def tag(self, chain: Chain) -> str:
        """Fetch the tag that a phone gets a bound code with."""
        request = terminal_service_pb2.GetTagRequest()
        return (
            await chain.call(f"{_SERVICE}/GetTag", self._stub.GetTag, request, self._metadata)
        ).tag

    async def verification_keys(self, chain: Chain) -> int:
        """Fetch the keys that verify codes, and return how many there are."""
        request = terminal_service_pb2.ListVerificationKeysRequest()
        name = f"{_SERVICE}/ListVerificationKeys"
        answer = await chain.call(name, self._stub.ListVerificationKeys, request, self._metadata)
        return len(answer.keys)


def _by_process(process_id: str) -> identification_pb2.ProcessReference:
    return identification_pb2.ProcessReference(
        identification=identification_pb2.Identification(process_id=process_id)
    )
