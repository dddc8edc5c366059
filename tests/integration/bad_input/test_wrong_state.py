"""A request that comes too early, too late or to the wrong end is told so, and changes nothing."""

from typing import Any, NamedTuple

import pytest

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import terminal_service_pb2 as terminal
from tests.world.calls import Call, failure_of
from tests.world.contract import rpc_named
from tests.world.contract_comments import promised_reasons
from tests.world.messages import by_process, certificate_request, new_id
from tests.world.operator import Operator
from tests.world.stage import Stage
from tests.world.terminal import Terminal
from tests.world.world import World

STATES = {
    "AWAITING_CUSTOMER": Stage.awaiting,
    "INSTRUCTED": Stage.instructed,
    "OVERDUE": Stage.overdue,
    "CONTESTED": Stage.contested,
    "COMPLETED": Stage.completed,
    "DECLINED": Stage.declined,
    "RELEASED": Stage.released,
    "EXPIRED": Stage.expired,
}


class Row(NamedTuple):
    """A call about a process, and the states in which it is refused."""

    path: str
    reason: str
    states: tuple[str, ...]

    def request(self, process_id: str) -> Any:
        return _REQUESTS[self.path](process_id)


def _complete(process_id: str) -> Any:
    return terminal.CompleteProcessRequest(request_id=new_id(), reference=by_process(process_id))


def _update(process_id: str) -> Any:
    return terminal.UpdatePointsRequest(
        request_id=new_id(), reference=by_process(process_id), version=1, new_balance=1
    )


def _confirm(process_id: str) -> Any:
    """Return an answer with no good signature: it is too late for any."""
    return customer.ConfirmProcessRequest(
        request_id=new_id(),
        process_id=process_id,
        decision=customer.DECISION_APPROVE,
        signature=bytes(64),
    )


def _receipt(process_id: str) -> Any:
    return customer.GetReceiptRequest(process_id=process_id)


def _settle(process_id: str) -> Any:
    return operator.SettleProcessRequest(
        process_id=process_id, settlement=operator.PROCESS_SETTLEMENT_EXECUTED, note="seen"
    )


_REQUESTS = {
    "TerminalService/CompleteProcess": _complete,
    "TerminalService/UpdatePoints": _update,
    "CustomerService/ConfirmProcess": _confirm,
    "CustomerService/GetReceipt": _receipt,
    "OperatorService/SettleProcess": _settle,
}

ENDED = ("COMPLETED", "DECLINED", "RELEASED", "EXPIRED")

ROWS = (
    Row(
        "TerminalService/CompleteProcess",
        "PROCESS_NOT_INSTRUCTED",
        ("AWAITING_CUSTOMER", *ENDED),
    ),
    Row("TerminalService/CompleteProcess", "PROCESS_CONTESTED", ("CONTESTED",)),
    Row(
        "TerminalService/UpdatePoints",
        "PROCESS_NOT_INSTRUCTED",
        ("AWAITING_CUSTOMER", "OVERDUE", *ENDED),
    ),
    Row("TerminalService/UpdatePoints", "PROCESS_CONTESTED", ("CONTESTED",)),
    Row(
        "CustomerService/ConfirmProcess",
        "PROCESS_NOT_AWAITING",
        ("INSTRUCTED", "OVERDUE", *ENDED),
    ),
    Row(
        "CustomerService/GetReceipt",
        "RECEIPT_NOT_READY",
        ("AWAITING_CUSTOMER", "INSTRUCTED", "OVERDUE", "CONTESTED", *ENDED[1:]),
    ),
    Row(
        "OperatorService/SettleProcess",
        "PROCESS_NOT_UNRESOLVED",
        ("AWAITING_CUSTOMER", "INSTRUCTED", *ENDED),
    ),
)


@pytest.mark.parametrize(
    ("row", "state"),
    [pytest.param(row, state, id=f"{row.path}-{state}") for row in ROWS for state in row.states],
)
async def test_a_process_in_another_state_stays_as_it_is(
    in_memory: World, row: Row, state: str
) -> None:
    stage = await Stage.set_up(in_memory)
    process = await STATES[state](stage)
    rpc = rpc_named(row.path)
    before = await stage.rows()

    failure = await failure_of(
        Call(stage.caller_of(rpc), rpc.name, row.request(process.process_id))
    )

    assert failure.reason == row.reason
    assert failure.error.metadata.get("state", state) == state
    assert row.reason in promised_reasons(rpc)
    assert await stage.rows() == before


async def test_an_answer_after_the_time_for_it_is_too_late_before_the_timer_notices(
    in_memory: World,
) -> None:
    stage = await Stage.set_up(in_memory)
    process = await stage.awaiting()
    stage.world.clock.move(seconds=45)

    failure = await failure_of(Call(stage.ana, "ConfirmProcess", _confirm(process.process_id)))

    assert failure.reason == "PROCESS_NOT_AWAITING"


async def test_an_operator_s_enrolment_code_is_good_once(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    create = operator.CreateOperatorRequest(operator_id="second")
    code = (await stage.operator.call("CreateOperator", create)).enrolment_code
    again = (await stage.operator.call("CreateOperator", create)).enrolment_code
    await stage.world.enrol_operator(code)
    stranger = Operator(None)
    await stage.world.enrol_stub(stranger)
    enrol = operator.EnrollOperatorRequest(
        request_id=new_id(), enrolment_code=code, certificate_request=certificate_request()
    )

    used = await failure_of(Call(stranger, "EnrollOperator", enrol))
    taken = await failure_of(Call(stage.operator, "CreateOperator", create))

    assert again == code
    assert used.reason == "ENROLMENT_CODE_INVALID"
    assert taken.reason == "ALREADY_EXISTS_DIFFERENT"


async def test_a_revoked_terminal_never_enrols(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    code = await stage.new_enrolment_code("till-3")
    revoke = operator.RevokeTerminalRequest(terminal_id="till-3")
    await stage.operator.call("RevokeTerminal", revoke)
    stranger = Terminal(None)
    await stage.world.enrol_stub(stranger)
    enrol = terminal.EnrollRequest(
        request_id=new_id(), enrolment_code=code, certificate_request=certificate_request()
    )

    failure = await failure_of(Call(stranger, "Enroll", enrol))

    assert failure.reason == "ENROLMENT_CODE_INVALID"
