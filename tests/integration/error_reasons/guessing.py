"""Reasons that have to do with guessing passwords, and with calling too often."""

import pytest

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import identification_pb2
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.commands import Caller, ReservePasswordTry
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.passwords import FAILURES_MAX, FREE_FAILURES, WAIT_SECONDS_MAX
from tests.integration.error_reasons.case import Case
from tests.world.actor import Actor
from tests.world.calls import Call
from tests.world.messages import new_id
from tests.world.signed_requests import register_request
from tests.world.stage import Stage

__all__ = ["CASES"]

_Patch = pytest.MonkeyPatch

STREAMS_MAX = 5


async def a_leaked_password(stage: Stage, _: _Patch) -> Call:
    request = register_request("cyd", DevicePrivateKey.generate(), password="strawberry")
    return Call(Actor(stage.ana.stub), "RegisterCustomer", request)


async def the_login_name_as_password(stage: Stage, _: _Patch) -> Call:
    request = register_request("cyd.brown", DevicePrivateKey.generate(), password="CydBrown1")
    return Call(Actor(stage.ana.stub), "RegisterCustomer", request)


async def a_sixth_guess_at_once(stage: Stage, _: _Patch) -> Call:
    for _number in range(FREE_FAILURES + 1):
        guess = _guess(stage)
        assert await stage.ana.reason(guess.rpc, guess.request) == "PASSWORD_WRONG"
    return _guess(stage)


async def a_hundred_and_first_guess(stage: Stage, _: _Patch) -> Call:
    reserve = ReservePasswordTry(
        caller=Caller(kind=CallerKind.CUSTOMER, caller_id=stage.ana.customer_id),
        partition=0,
        customer_id=stage.ana.customer_id,
    )
    for _number in range(FAILURES_MAX):
        await stage.world.app.lane.submit(reserve)
        stage.world.clock.move(seconds=WAIT_SECONDS_MAX)
    return _guess(stage)


async def a_sixth_stream(stage: Stage, _: _Patch) -> Call:
    await stage.completed()  # so that each stream tells something at once
    request = customer.WatchProcessesRequest()
    for _number in range(STREAMS_MAX):
        await stage.ana.watch("WatchProcesses", request).read()
    return Call(stage.ana, "WatchProcesses", request)


def _guess(stage: Stage) -> Call:
    request = customer.IssueCodeRequest(
        request_id=new_id(),
        purpose=identification_pb2.CODE_PURPOSE_GENERAL,
        password="wrong horse",
    )
    return Call(stage.ana, "IssueCode", request)


CASES = (
    Case(reason=Reason.PASSWORD_COMMON, arrange=a_leaked_password),
    Case(reason=Reason.PASSWORD_COMMON, arrange=the_login_name_as_password),
    Case(reason=Reason.PASSWORD_WAIT, arrange=a_sixth_guess_at_once, metadata={"seconds": "1"}),
    Case(reason=Reason.PASSWORD_LOCKED, arrange=a_hundred_and_first_guess),
    Case(reason=Reason.RATE_LIMITED, arrange=a_sixth_stream),
)
