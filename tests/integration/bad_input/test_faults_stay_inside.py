"""A fault of the server shows the caller one fixed sentence; what went wrong is for the log."""

import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallymark_protocol.reasons import DESCRIPTIONS, Reason
from tallymark_server.domain.decide import decide
from tallymark_server.lanes import lane
from tallymark_server.services.customer import CustomerService
from tallymark_server.services.operator import OperatorService
from tallymark_server.services.terminal import TerminalService
from tests.world.calls import Call, Failure, failure_of, send
from tests.world.contract import RPCS, Rpc
from tests.world.samples import SAMPLES
from tests.world.stage import Stage
from tests.world.world import World

PLANTED = "planted: secret_table.password = hunter2"

_SERVICES = {
    "customer": CustomerService,
    "terminal": TerminalService,
    "operator": OperatorService,
}


class Faults:
    """Makes every handler fail, once it is told to."""

    def __init__(self) -> None:
        self.are_on = False

    def check(self) -> None:
        if self.are_on:
            raise RuntimeError(PLANTED)

    def plant(self, rpc: Rpc, monkeypatch: pytest.MonkeyPatch) -> None:
        service = _SERVICES[rpc.caller]
        handler = getattr(service, rpc.name)

        @functools.wraps(handler)
        async def unary(*arguments: Any) -> Any:
            self.check()
            return await handler(*arguments)

        @functools.wraps(handler)
        async def stream(*arguments: Any) -> AsyncIterator[Any]:
            self.check()
            async for response in handler(*arguments):
                yield response

        monkeypatch.setattr(service, rpc.name, stream if rpc.streams else unary)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Return the faults, planted before the server is built."""
    planted = Faults()
    for rpc in RPCS:
        planted.plant(rpc, monkeypatch)
    return planted


async def test_no_handler_tells_the_caller_of_its_fault(
    faults: Faults, in_memory: World, caplog: pytest.LogCaptureFixture
) -> None:
    stage = await Stage.set_up(in_memory)
    samples = {rpc: await SAMPLES[rpc.path](stage) for rpc in RPCS}
    before = await stage.rows()
    faults.are_on = True

    for rpc in RPCS:
        caplog.clear()
        failure = await failure_of(Call(stage.caller_of(rpc), rpc.name, samples[rpc]))
        _check_fixed_text(failure)
        assert PLANTED in caplog.text, rpc
        assert rpc.full_path in caplog.text, rpc

    assert await stage.rows() == before


async def test_a_fault_of_the_rules_is_not_told_and_hurts_nobody_else(
    in_memory: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = await Stage.set_up(in_memory)
    issue = Call(stage.ana, "IssueCode", await SAMPLES["CustomerService/IssueCode"](stage))
    revoke = Call(stage.ana, "RevokeCode", await SAMPLES["CustomerService/RevokeCode"](stage))

    def decide_or_fail(rows: Any, command: Any, now: int) -> Any:
        if type(command).__name__ == "IssueCode":
            raise RuntimeError(PLANTED)
        return decide(rows, command, now)

    monkeypatch.setattr(lane, "decide", decide_or_fail)

    failure = await failure_of(issue)
    await send(revoke)

    _check_fixed_text(failure)
    assert PLANTED in caplog.text


async def test_a_repetition_after_a_fault_is_decided_for_the_first_time(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await Stage.set_up(in_memory)
    issue = Call(stage.ana, "IssueCode", await SAMPLES["CustomerService/IssueCode"](stage))

    with monkeypatch.context() as while_faulty:
        while_faulty.setattr(lane, "decide", None)
        failure = await failure_of(issue)
    answer = await send(issue)

    assert failure.reason == "INTERNAL"
    assert answer.code.startswith("TM1:")


async def test_a_broken_store_is_not_described_to_the_caller(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await Stage.set_up(in_memory)

    async def load(*_: object) -> Any:
        raise OSError(PLANTED)

    monkeypatch.setattr(stage.world.store, "load", load)

    failure = await failure_of(
        Call(stage.ana, "GetWallet", await SAMPLES["CustomerService/GetWallet"](stage))
    )

    _check_fixed_text(failure)


def _check_fixed_text(failure: Failure) -> None:
    assert failure.reason == "INTERNAL"
    assert failure.message == DESCRIPTIONS[Reason.INTERNAL].sentence
    told = f"{failure!r} {failure.error!r} {failure.error} {dict(failure.trailing)!r}"
    assert "planted" not in told
    assert "hunter2" not in told
    assert "RuntimeError" not in told
