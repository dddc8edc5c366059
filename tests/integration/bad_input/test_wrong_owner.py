"""What belongs to another customer, terminal or merchant is as good as not there."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from tallymark.v1 import action_pb2, identification_pb2, process_pb2
from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import terminal_service_pb2 as terminal
from tests.world.actions import ADMIT, READ_POINTS, pay_bill
from tests.world.calls import Call, failure_of, send
from tests.world.contract import RPCS, rpc_named
from tests.world.contract_comments import promised_reasons
from tests.world.messages import by_request, new_id
from tests.world.samples import SAMPLES
from tests.world.signed_requests import sign_in_request
from tests.world.stage import Stage
from tests.world.world import World


async def _same(stage: Stage, path: str) -> Any:
    return await SAMPLES[path](stage)


async def _my_device_to_sign_in(stage: Stage, _: str) -> customer.SignInRequest:
    return sign_in_request(stage.ana, login_name="bob")


async def _a_code_for_my_card(stage: Stage, _: str) -> customer.IssueCodeRequest:
    return _issue(card_id=stage.card.card_id)


async def _a_code_for_my_bill(_: Stage, __: str) -> customer.IssueCodeRequest:
    return _issue(bill=customer.BillChoice(merchant_id="cafe", bill_reference="B-1"))


async def _a_code_for_my_ticket(_: Stage, __: str) -> customer.IssueCodeRequest:
    return _issue(
        purpose=identification_pb2.CODE_PURPOSE_TICKET,
        ticket=customer.TicketChoice(event_id="jazz", ticket_id="A-1"),
    )


async def _my_second_page(stage: Stage, _: str) -> customer.ListProcessesRequest:
    await stage.instructed()
    await stage.instructed()
    first = customer.ListProcessesRequest(page_size=1)
    token = (await stage.ana.call("ListProcesses", first)).next_page_token
    return customer.ListProcessesRequest(page_token=token)


def _issue(**choices: Any) -> customer.IssueCodeRequest:
    choices.setdefault("purpose", identification_pb2.CODE_PURPOSE_GENERAL)
    return customer.IssueCodeRequest(request_id=new_id(), **choices)


class Row(NamedTuple):
    """A request of Ana's or of the first till, sent by somebody else."""

    path: str
    reason: str
    request: Callable[[Stage, str], Awaitable[Any]] = _same

    def __str__(self) -> str:
        return f"{self.path}{self.request.__name__}"


ROWS = (
    Row("CustomerService/SignIn", "PASSWORD_WRONG", _my_device_to_sign_in),
    Row("CustomerService/RemoveDevice", "DEVICE_NOT_FOUND"),
    Row("CustomerService/RemoveCard", "CARD_NOT_FOUND"),
    Row("CustomerService/IssueCode", "CARD_NOT_FOUND", _a_code_for_my_card),
    Row("CustomerService/IssueCode", "BILL_NOT_FOUND", _a_code_for_my_bill),
    Row("CustomerService/IssueCode", "TICKET_NOT_FOUND", _a_code_for_my_ticket),
    Row("CustomerService/ConfirmProcess", "PROCESS_NOT_FOUND"),
    Row("CustomerService/DisputeProcess", "PROCESS_NOT_FOUND"),
    Row("CustomerService/GetReceipt", "PROCESS_NOT_FOUND"),
    Row("CustomerService/ListProcesses", "PAGE_TOKEN_INVALID", _my_second_page),
    Row("TerminalService/GetProcess", "PROCESS_NOT_FOUND"),
    Row("TerminalService/WatchProcess", "PROCESS_NOT_FOUND"),
    Row("TerminalService/CompleteProcess", "PROCESS_NOT_FOUND"),
    Row("TerminalService/ReverseProcess", "PROCESS_NOT_FOUND"),
    Row("TerminalService/UpdatePoints", "PROCESS_NOT_FOUND"),
)

NAMES_OF_THINGS = {"process_id", "reference", "card_id", "device_id", "bill", "ticket"}


def test_every_rpc_that_names_a_thing_of_somebody_has_a_row() -> None:
    naming = {
        rpc.path
        for rpc in RPCS
        if rpc.caller != "operator" and NAMES_OF_THINGS & set(rpc.request_type.fields_by_name)
    }

    assert naming <= {row.path for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("other_terminal", ["other_till", "gate"])
async def test_somebody_else_finds_nothing(in_memory: World, row: Row, other_terminal: str) -> None:
    stage = await Stage.set_up(in_memory)
    rpc = rpc_named(row.path)
    other = stage.bob if rpc.caller == "customer" else getattr(stage, other_terminal)
    call = Call(other, rpc.name, await row.request(stage, row.path))
    before = await stage.rows()

    failure = await failure_of(call)

    assert failure.reason == row.reason
    assert row.reason in promised_reasons(rpc)
    assert await stage.rows() == before


async def test_a_request_id_of_another_terminal_was_never_seen(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    resolve = stage.till.resolve_request(await stage.ana.issue(), READ_POINTS)
    process = (await stage.till.call("ResolveCode", resolve)).process
    reference = by_request(resolve.identification.code, resolve.request_id)
    look = terminal.GetProcessRequest(reference=reference)
    reverse = terminal.ReverseProcessRequest(request_id=new_id(), reference=reference)

    seen = await send(Call(stage.other_till, "GetProcess", look))
    reversed_ = await send(Call(stage.other_till, "ReverseProcess", reverse))

    assert seen.knowledge == terminal.PROCESS_KNOWLEDGE_NEVER_SEEN
    assert reversed_.outcome == terminal.REVERSAL_OUTCOME_NEVER_SEEN
    assert await stage.till.get(process.process_id) == process


@pytest.mark.parametrize(
    ("action", "terminal_name", "refusal"),
    [
        (pay_bill("B-1"), "gate", action_pb2.REFUSAL_REASON_BILL_NOT_FOUND),
        (pay_bill("B-2"), "till", action_pb2.REFUSAL_REASON_BILL_NOT_FOUND),
        (ADMIT, "gate", action_pb2.REFUSAL_REASON_EVENT_NOT_FOUND),
        (READ_POINTS, "gate", action_pb2.REFUSAL_REASON_NO_POINTS_PROGRAMME),
    ],
)
async def test_a_terminal_reaches_only_its_merchant_s_and_its_customer_s_things(
    in_memory: World,
    action: action_pb2.Action,
    terminal_name: str,
    refusal: action_pb2.RefusalReason.ValueType,
) -> None:
    stage = await Stage.set_up(in_memory)

    process = await getattr(stage, terminal_name).resolve(await stage.ana.issue(), action)

    assert process.state == process_pb2.PROCESS_STATE_DECLINED
    assert process.refusal.reason == refusal
