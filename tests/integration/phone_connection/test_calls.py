"""What the phone's connection asks of the server, and what it makes of the answers."""

import pytest

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import process_pb2
from tallymark_phone.processes import ActionKind, Decision, ProcessState
from tallymark_phone.registrations import BillChoice, CodeChoice, Purpose, TicketChoice
from tallymark_phone.server_connection import PhoneConnection
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_facts import CHECKPOINT, NOW, PASSWORD, TEN_MINUTES, TOKEN, code_text
from tests.doubles.customer_service import CustomerServiceDouble
from tests.doubles.known_devices import INVITATION

from .connection import PROCESS_ID, connect, process


async def test_registering_opens_a_session_that_later_calls_use(
    address: str, double: CustomerServiceDouble
) -> None:
    async with connect(double, address) as phone:
        customer = await phone.register_customer(
            login_name="ana", password=PASSWORD, device_name="Phone"
        )
        await phone.get_wallet()

    assert customer.session.token == TOKEN
    assert TOKEN not in repr(customer)
    assert double.tokens == ["", f"Bearer {TOKEN}"]


async def test_a_code_is_asked_for_with_everything_that_was_chosen(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    general = CodeChoice(
        card_id="0c" * 17,
        bill=BillChoice(merchant_id="water", bill_reference="R-17"),
        terminal_tag="TT1:TAG",
    )
    ticket = CodeChoice(
        purpose=Purpose.TICKET, ticket=TicketChoice(event_id="summer", ticket_id="T1")
    )

    code = await phone.issue_code(general, password=PASSWORD)
    await phone.issue_code(ticket)

    assert code.text == code_text(0)
    assert code.bound_to == "Corner Café (till-1)"
    assert (code.life_seconds, code.next_after_seconds) == (60, 45)
    first, second = double.calls
    assert isinstance(first, pb.IssueCodeRequest)
    assert isinstance(second, pb.IssueCodeRequest)
    assert (first.card_id, first.bill.bill_reference, first.terminal_tag, first.password) == (
        "0c" * 17,
        "R-17",
        "TT1:TAG",
        PASSWORD,
    )
    assert (second.ticket.event_id, second.ticket.ticket_id) == ("summer", "T1")


async def test_a_code_that_is_not_bound_as_it_was_asked_for_is_not_shown(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.bound_to = ("", "")

    with pytest.raises(Refused, match="not bound"):
        await phone.issue_code(CodeChoice(terminal_tag="TT1:TAG"))


async def test_every_other_call_is_understood_by_the_server(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.processes = [process()]
    double.receipts[PROCESS_ID] = pb.GetReceiptResponse(
        receipt=process_pb2.Receipt(receipt_number=PROCESS_ID)
    )

    assert (await phone.send_number_code()).expires_at == NOW + TEN_MINUTES
    assert await phone.verify_number("123456") == "+4930123456"
    assert await phone.change_password(password=PASSWORD, new_password="a longer one") == 2
    await phone.remove_device("00" * 17)
    assert await phone.revoke_codes() == 2
    assert await phone.revoke_codes(Purpose.POINTS) == 2
    disputed = await phone.dispute_process(PROCESS_ID, statement="not me")
    yes = phone.sign_answer(disputed, Decision.APPROVE, digits="42")
    confirmed = await phone.confirm_process(yes)
    receipt = await phone.get_receipt(PROCESS_ID)
    invitation = await phone.invite_device()
    added = await phone.add_device(
        login_name="ana",
        password=PASSWORD,
        invitation=invitation.text,
        device_name="Second",
    )
    session = await phone.sign_in(login_name="ana", password=PASSWORD, device_id=added.device_id)

    assert invitation.text == INVITATION
    assert INVITATION not in repr(invitation)
    assert disputed.is_disputed
    assert confirmed.state is ProcessState.INSTRUCTED
    assert receipt.receipt_number == PROCESS_ID
    assert session.token == f"{TOKEN}-2"


async def test_processes_come_page_by_page(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.processes = [process() for _ in range(7)]

    listed = [found async for found in phone.list_processes(page_size=3)]

    assert len(listed) == 7
    assert len(double.calls) == 3
    charge = listed[0].actions[0]
    assert (charge.kind, str(charge.amount)) == (ActionKind.CHARGE, "9.90 EUR")


async def test_every_answer_brings_a_checkpoint_a_refusal_too(
    double: CustomerServiceDouble, address: str
) -> None:
    seen: list[str] = []
    double.fail_next_with = [Refused(Reason.SESSION_EXPIRED)]

    async with connect(double, address, on_checkpoint=seen.append) as phone:
        with pytest.raises(Refused):
            await phone.get_wallet()
        await phone.get_wallet()
        double.checkpoint = ""
        await phone.get_wallet()

    assert seen == [CHECKPOINT, CHECKPOINT]
