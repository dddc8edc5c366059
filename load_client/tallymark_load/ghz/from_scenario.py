"""Makes the calls of a scenario for ghz: visits are played up to the scan, which is kept."""

import asyncio
import random
import time
from itertools import islice
from typing import Final

from google.protobuf.message import Message

from tallymark.v1 import (
    customer_service_pb2,
    identification_pb2,
    process_pb2,
    terminal_service_pb2,
)
from tallymark_load.ghz.exported import METHODS, CannotExport, Exported
from tallymark_load.request_ids import new_request_id
from tallymark_load.results import Measurements
from tallymark_load.scenarios.chain import CallFailed, Chain
from tallymark_load.scenarios.kinds import KINDS
from tallymark_load.scenarios.phone import Phone
from tallymark_load.scenarios.scenario import Scenario, VisitShare
from tallymark_load.scenarios.stage import Stage
from tallymark_load.scenarios.terminal import Terminal
from tallymark_load.scenarios.visit import Visit

__all__ = ["Catcher", "export_scenario"]

_AT_ONCE: Final = 16
_PAGE: Final = 10


async def export_scenario(
    scenario: Scenario, stage: Stage, name: str, member: str, *, calls: int
) -> Exported:
    """Return calls of an RPC by a member, as the scenario has them; scans with issued codes.

    The stage's terminals are Catchers.

    Raises:
        CannotExport: no call of the scenario can be made by ghz.

    """
    exported = Exported(name=name, member=member)
    if name == "ResolveCode":
        await _Scans(scenario, stage, exported).collect(calls)
    else:
        exported.requests += [_standing_alone(name) for _ in range(calls)]
    if not exported.requests:
        message = (
            f"no visit of {scenario.name} is a scan that completes by itself, so ghz would leave"
            " every process open; take gate-rush or points-batch, or `tallymark-load run`"
        )
        raise CannotExport(message)
    return exported


def _standing_alone(name: str) -> Message:
    if name == "IssueCode":
        return customer_service_pb2.IssueCodeRequest(
            request_id=new_request_id(), purpose=identification_pb2.CODE_PURPOSE_GENERAL
        )
    if name == "ListProcesses":
        return customer_service_pb2.ListProcessesRequest(page_size=_PAGE)
    return METHODS[name].request()


class _Caught(Exception):
    """A scan that was not sent."""

    def __init__(self, request: terminal_service_pb2.ResolveCodeRequest) -> None:
        super().__init__()
        self.request = request


class Catcher(Terminal):
    """A terminal that ends a visit where it would scan."""

    async def resolve(
        self,
        chain: Chain,  # noqa: ARG002 - as in the base class
        request: terminal_service_pb2.ResolveCodeRequest,
    ) -> process_pb2.Process:
        """Send nothing."""
        raise _Caught(request)


class _Scans:
    def __init__(self, scenario: Scenario, stage: Stage, exported: Exported) -> None:
        self._scenario = scenario
        self._stage = stage
        self._exported = exported
        self._draw = random.Random(scenario.seed)  # noqa: S311 - a load is no secret
        self._measurements = Measurements(
            started_ns=time.monotonic_ns(), started_at_ns=time.time_ns()
        )

    async def collect(self, calls: int) -> None:
        """Play a visit of each customer of the terminal's merchant until there are enough scans."""
        catcher = self._stage.terminal(self._exported.member)
        assert catcher is not None, "the member was looked up"
        phones = iter(self._stage.phones_of(catcher.member.merchant))
        while len(self._exported.requests) < calls:
            wanted = min(_AT_ONCE, calls - len(self._exported.requests))
            some = list(islice(phones, wanted))
            if not some:
                return
            visits = [self._visit(phone, catcher) for phone in some]
            await asyncio.gather(*visits)

    async def _visit(self, phone: Phone, catcher: Terminal) -> None:
        share = self._share()
        chain = Chain(self._measurements, due_ns=time.monotonic_ns(), think_seconds=lambda: 0.0)
        visit = Visit(
            chain=chain,
            phone=phone,
            terminal=catcher,
            other_terminal=catcher,
            streamed=self._stage.streamed(catcher),
            operator=self._stage.operator,
            options=share.options,
            random=self._draw,
        )
        try:
            await KINDS[share.kind].play(visit)
        except _Caught as caught:
            if caught.request.complete_on_instruction:
                self._exported.requests.append(caught.request)
            else:
                self._exported.left_out["sales that ghz would leave open"] += 1
        except CallFailed as failed:
            self._exported.left_out[str(failed)] += 1

    def _share(self) -> VisitShare:
        shares = [one for one in self._scenario.visits if KINDS[one.kind].scans]
        if not shares:
            message = f"nobody scans anything in {self._scenario.name}"
            raise CannotExport(message)
        return self._draw.choices(shares, [one.share for one in shares])[0]
