"""Calls without end: phones fetch codes, and a gate scans them."""

from collections.abc import AsyncIterator
from itertools import cycle, islice
from typing import Final

from bench.contestants import Caller
from bench.crowd import ISSUE, RESOLVE, codes_of
from bench.load import Address, Call, Script
from bench.past import Past
from bench.processes import LOAD_CORE, hands
from tallymark.v1.customer_service_pb2 import IssueCodeRequest
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL
from tallymark_phone.request_ids import new_request_id
from tests.e2e.served import Town
from tests.world.actions import earn
from tests.world.terminal import Terminal

__all__ = ["play_steadily"]

SAMPLES: Final = 40
CUSTOMERS_MAX: Final = 5_000
"""Who comes again and again, so that no cache of a server fills for ever."""


async def play_steadily(past: Past, town: Town, calls: int) -> AsyncIterator[int]:
    """Play so many calls, half of them scans; yield now and then how many were made."""
    pid = town.program.process.pid
    phones = Address(f"127.0.0.1:{town.app.port}", town.ca_pem)
    gate = Address(f"127.0.0.1:{town.app.terminal_port}", town.ca_pem, past.gate)
    terminal = Terminal(None)
    customers = cycle(range(min(CUSTOMERS_MAX, past.names.size.customers)))
    some = max(1, calls // SAMPLES // 2)
    with hands(LOAD_CORE) as process:
        caller = Caller(process)
        for made in range(2 * some, calls + 1, 2 * some):
            issues = [[_issue(past, customer)] for customer in islice(customers, some)]
            _, issued = await caller.play(pid, Script(phones, issues))
            scans = [
                terminal.resolve_request(
                    code, earn(1), request_id=new_request_id(), complete_on_instruction=True
                )
                for code in codes_of(issued)
            ]
            items = [[Call(RESOLVE, scan.SerializeToString())] for scan in scans]
            await caller.play(pid, Script(gate, items))
            yield made


def _issue(past: Past, customer: int) -> Call:
    request = IssueCodeRequest(request_id=new_request_id(), purpose=CODE_PURPOSE_GENERAL)
    token = past.names.token(customer)
    return Call(ISSUE, request.SerializeToString(), (("authorization", f"Bearer {token}"),))
