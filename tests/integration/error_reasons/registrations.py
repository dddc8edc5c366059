"""Reasons that have to do with what is registered, by customers and by operators."""

import pytest

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import identification_pb2, merchant_pb2, registration_pb2
from tallymark.v1 import operator_service_pb2 as operator
from tallymark_protocol.reasons import Reason
from tallymark_server.services import customer_accounts
from tests.integration.error_reasons.case import Case
from tests.world.calls import Call
from tests.world.messages import euro, new_id
from tests.world.stage import Stage

__all__ = ["CASES"]

_Patch = pytest.MonkeyPatch

NO_ID = "00" + "f" * 32


async def removing_no_card(stage: Stage, _: _Patch) -> Call:
    request = customer.RemoveCardRequest(request_id=new_id(), card_id=NO_ID)
    return Call(stage.ana, "RemoveCard", request)


async def a_code_for_no_card(stage: Stage, _: _Patch) -> Call:
    return _issue(stage, card_id=NO_ID)


async def a_mistyped_card_number(stage: Stage, _: _Patch) -> Call:
    return _register_card(stage, "4242424242424241")


async def an_institution_that_is_too_slow(stage: Stage, patch: _Patch) -> Call:
    patch.setattr(customer_accounts, "INSTITUTION_SECONDS", -1.0)
    return _register_card(stage, "5555555555554444")


async def a_code_for_no_bill(stage: Stage, _: _Patch) -> Call:
    return _issue(stage, bill=customer.BillChoice(merchant_id="cafe", bill_reference="B-9"))


async def a_code_for_no_ticket(stage: Stage, _: _Patch) -> Call:
    ticket = customer.TicketChoice(event_id="jazz", ticket_id="A-9")
    return _issue(stage, ticket=ticket, purpose=identification_pb2.CODE_PURPOSE_TICKET)


async def a_bill_for_nobody(stage: Stage, _: _Patch) -> Call:
    bill = registration_pb2.Bill(
        merchant_id="cafe", bill_reference="B-3", login_name="nobody", amount=euro(1)
    )
    return Call(stage.operator, "AddBills", operator.AddBillsRequest(bills=[bill]))


async def a_terminal_of_no_merchant(stage: Stage, _: _Patch) -> Call:
    request = operator.CreateTerminalRequest(terminal_id="till-3", merchant_id="nowhere")
    return Call(stage.operator, "CreateTerminal", request)


async def revoking_no_terminal(stage: Stage, _: _Patch) -> Call:
    request = operator.RevokeTerminalRequest(terminal_id="till-9")
    return Call(stage.operator, "RevokeTerminal", request)


async def a_tag_that_is_none(stage: Stage, _: _Patch) -> Call:
    return _issue(stage, terminal_tag="TT1:NONE")


async def a_tag_that_is_over(stage: Stage, _: _Patch) -> Call:
    tag = await stage.till.tag()
    stage.world.clock.move(seconds=60)
    return _issue(stage, terminal_tag=tag)


async def a_tag_of_a_revoked_terminal(stage: Stage, _: _Patch) -> Call:
    tag = await stage.till.tag()
    request = operator.RevokeTerminalRequest(terminal_id=stage.till.terminal_id)
    await stage.operator.call("RevokeTerminal", request)
    return _issue(stage, terminal_tag=tag)


async def a_ticket_for_no_event(stage: Stage, _: _Patch) -> Call:
    ticket = registration_pb2.Ticket(event_id="opera", ticket_id="A-3", login_name="ana", entries=1)
    return Call(stage.operator, "AddTickets", operator.AddTicketsRequest(tickets=[ticket]))


async def a_merchant_in_no_programme(stage: Stage, _: _Patch) -> Call:
    merchant = merchant_pb2.Merchant(merchant_id="bar", name="Bar", programme_id="miles")
    request = operator.CreateMerchantRequest(merchant=merchant)
    return Call(stage.operator, "CreateMerchant", request)


async def a_twenty_first_card(stage: Stage, _: _Patch) -> Call:
    for _number in range(19):
        await stage.ana.add_card()
    return _register_card(stage, "5555555555554444")


async def a_till_of_another_merchant(stage: Stage, _: _Patch) -> Call:
    request = operator.CreateTerminalRequest(terminal_id="till-1", merchant_id="hall")
    return Call(stage.operator, "CreateTerminal", request)


async def a_policy_read_before_another(stage: Stage, _: _Patch) -> Call:
    answer = await stage.operator.call("GetPolicy", operator.GetPolicyRequest())
    await stage.operator.set_policy(code_life_seconds=30)
    answer.policy.code_life_seconds = 20
    return Call(stage.operator, "SetPolicy", operator.SetPolicyRequest(policy=answer.policy))


async def a_page_token_made_up(stage: Stage, _: _Patch) -> Call:
    return Call(stage.ana, "ListProcesses", customer.ListProcessesRequest(page_token="page 2"))


async def a_page_token_of_another_list(stage: Stage, _: _Patch) -> Call:
    first = operator.ListTicketsRequest(page=operator.PageRequest(size=1))
    token = (await stage.operator.call("ListTickets", first)).next_page_token
    assert token, "there are two tickets"
    request = operator.ListBillsRequest(page=operator.PageRequest(token=token))
    return Call(stage.operator, "ListBills", request)


def _issue(
    stage: Stage,
    *,
    purpose: identification_pb2.CodePurpose.ValueType = identification_pb2.CODE_PURPOSE_GENERAL,
    **choices: object,
) -> Call:
    request = customer.IssueCodeRequest(request_id=new_id(), purpose=purpose, **choices)  # type: ignore[arg-type]  # each its own type
    return Call(stage.ana, "IssueCode", request)


def _register_card(stage: Stage, number: str) -> Call:
    request = customer.RegisterCardRequest(
        request_id=new_id(), card_number=number, expires_on="2030-12"
    )
    return Call(stage.ana, "RegisterCard", request)


CASES = (
    Case(reason=Reason.CARD_NOT_FOUND, arrange=removing_no_card),
    Case(reason=Reason.CARD_NOT_FOUND, arrange=a_code_for_no_card),
    Case(reason=Reason.CARD_REJECTED, arrange=a_mistyped_card_number),
    Case(reason=Reason.INSTITUTION_UNAVAILABLE, arrange=an_institution_that_is_too_slow),
    Case(reason=Reason.BILL_NOT_FOUND, arrange=a_code_for_no_bill),
    Case(reason=Reason.TICKET_NOT_FOUND, arrange=a_code_for_no_ticket),
    Case(reason=Reason.CUSTOMER_NOT_FOUND, arrange=a_bill_for_nobody, is_row=True),
    Case(reason=Reason.MERCHANT_NOT_FOUND, arrange=a_terminal_of_no_merchant),
    Case(reason=Reason.TERMINAL_NOT_FOUND, arrange=revoking_no_terminal),
    Case(reason=Reason.TAG_INVALID, arrange=a_tag_that_is_none),
    Case(reason=Reason.TAG_INVALID, arrange=a_tag_that_is_over),
    Case(reason=Reason.TAG_INVALID, arrange=a_tag_of_a_revoked_terminal),
    Case(reason=Reason.EVENT_NOT_FOUND, arrange=a_ticket_for_no_event, is_row=True),
    Case(reason=Reason.PROGRAMME_NOT_FOUND, arrange=a_merchant_in_no_programme),
    Case(
        reason=Reason.TOO_MANY_REGISTRATIONS,
        arrange=a_twenty_first_card,
        metadata={"limit": "20", "what": "cards"},
    ),
    Case(reason=Reason.ALREADY_EXISTS_DIFFERENT, arrange=a_till_of_another_merchant),
    Case(
        reason=Reason.POLICY_VERSION_CONFLICT,
        arrange=a_policy_read_before_another,
        metadata={"version": "2"},
    ),
    Case(reason=Reason.PAGE_TOKEN_INVALID, arrange=a_page_token_made_up),
    Case(reason=Reason.PAGE_TOKEN_INVALID, arrange=a_page_token_of_another_list),
)
