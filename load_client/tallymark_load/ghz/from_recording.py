"""Makes recorded calls for ghz: with request_ids of their own, and scans with issued codes."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from tallymark.v1 import customer_service_pb2, terminal_service_pb2
from tallymark_load.cast import MEMBER_KEY
from tallymark_load.ghz.exported import METHODS, CannotExport, Exported
from tallymark_load.recorded import RecordedCall
from tallymark_load.request_ids import new_request_id
from tallymark_load.results import Measurements
from tallymark_load.scenarios.chain import CallFailed, Chain
from tallymark_load.scenarios.stage import Stage

__all__ = ["busiest_member", "export_recording"]

_ISSUE: Final = "/tallymark.v1.CustomerService/IssueCode"


class _Issued(NamedTuple):
    """How a recorded code came to be."""

    member: str
    request: customer_service_pb2.IssueCodeRequest


def busiest_member(calls: Iterable[RecordedCall], name: str) -> str:
    """Return who made most calls of an RPC.

    Raises:
        CannotExport: nobody did.

    """
    path = _path(name)
    counted = Counter(member_of(call) for call in calls if call.method == path)
    counted.pop("", None)
    if not counted:
        message = f"the recording has no call of {name} by a member of a cast"
        raise CannotExport(message)
    return counted.most_common(1)[0][0]


async def export_recording(
    recorded: list[RecordedCall], stage: Stage, name: str, member: str, *, calls: int
) -> Exported:
    """Return recorded calls of an RPC by a member, in their order; scans with issued codes.

    Raises:
        CannotExport: ghz could make none of them.

    """
    exporting = _Exporting(recorded, stage, Exported(name=name, member=member))
    for call in recorded:
        if len(exporting.exported.requests) == calls:
            break
        if call.method == _path(name) and member_of(call) == member:
            await exporting.add(call)
    if not exporting.exported.requests:
        reasons = ", ".join(exporting.exported.left_out) or "there are none"
        message = f"ghz can make none of the calls of {name} by {member}: {reasons}"
        raise CannotExport(message)
    return exporting.exported


def member_of(call: RecordedCall) -> str:
    """Return the name of the member who called, empty if the recording does not tell."""
    return next((value.decode() for key, value in call.metadata if key == MEMBER_KEY), "")


class _Exporting:
    def __init__(self, recorded: list[RecordedCall], stage: Stage, exported: Exported) -> None:
        self.exported = exported
        self._stage = stage
        self._issued = _issued(recorded)
        self._used: set[str] = set()
        self._measurements = Measurements(started_ns=0, started_at_ns=0)

    async def add(self, call: RecordedCall) -> None:
        """Add the request of a call, or count why not."""
        try:
            request = METHODS[self.exported.name].request.FromString(call.sent[0].body)
        except (IndexError, DecodeError):
            self.exported.left_out["its request was not recorded"] += 1
            return
        if isinstance(request, terminal_service_pb2.ResolveCodeRequest):
            await self._add_scan(request)
            return
        if isinstance(request, customer_service_pb2.IssueCodeRequest):
            if request.terminal_tag:
                self.exported.left_out["its code is bound to a terminal by a tag"] += 1
                return
            request.request_id = new_request_id()
        self.exported.requests.append(request)

    async def _add_scan(self, request: terminal_service_pb2.ResolveCodeRequest) -> None:
        issued = self._issued.get(request.identification.code)
        reason = self._obstacle(request, issued)
        if reason or issued is None:
            self.exported.left_out[reason] += 1
            return
        self._used.add(issued.member)
        try:
            code = await self._issue_again(issued)
        except CallFailed as failed:
            self.exported.left_out[str(failed)] += 1
            return
        request.request_id = new_request_id()
        request.identification.code = code
        self.exported.requests.append(request)

    async def _issue_again(self, issued: _Issued) -> str:
        phone = self._stage.phone(issued.member)
        if phone is None:
            raise CallFailed(_ISSUE, f"no member {issued.member} in the cast")
        chain = Chain(self._measurements, due_ns=0, think_seconds=lambda: 0.0)
        request = issued.request
        ticket = request.ticket if request.HasField("ticket") else None
        return await phone.issue(chain, request.purpose, ticket=ticket)

    def _obstacle(
        self, request: terminal_service_pb2.ResolveCodeRequest, issued: _Issued | None
    ) -> str:
        if not request.complete_on_instruction:
            return "sales that ghz would leave open"
        if issued is None:
            return "its code was issued before the recording began"
        if issued.request.terminal_tag:
            return "its code is bound to a terminal by a tag"
        if issued.member in self._used:
            return "its customer has another scan: the codes of a customer die together"
        return ""


def _issued(recorded: Iterable[RecordedCall]) -> dict[str, _Issued]:
    """Return who fetched each code of the recording, and with which request."""
    found: dict[str, _Issued] = {}
    for call in recorded:
        if call.method == _ISSUE and call.sent and call.received:
            request = customer_service_pb2.IssueCodeRequest.FromString(call.sent[0].body)
            answer = customer_service_pb2.IssueCodeResponse.FromString(call.received[0].body)
            found[answer.code] = _Issued(member_of(call), request)
    return found


def _path(name: str) -> str:
    return f"/tallymark.v1.{METHODS[name].service}/{name}"
