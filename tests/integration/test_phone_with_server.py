"""The phone with the real server: what the customer sees and does, from registration to receipt."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from tallymark.v1 import identification_pb2, terminal_service_pb2
from tallymark_phone.processes import ActionKind, Decision, Process, ProcessState
from tallymark_phone.qr_picture import QrPicture
from tallymark_phone.questions import Answer, FixedAnswer
from tallymark_phone.registrations import CodeChoice, Purpose, TicketChoice
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.wallet import Wallet
from tallymark_phone.watching import ProcessWatch, confirm
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.world.actions import CHARGE_REST, burn, charge, earn
from tests.world.world import GOOD_CARD, Terminal, World, euro, new_id
from tests.world.world import Phone as Customer

NUMBER = "+4930123456"
PASSWORD = "correct horse battery"


@pytest.fixture
async def phone(in_memory: World) -> AsyncIterator[PhoneConnection]:
    async with PhoneConnection(f"127.0.0.1:{in_memory.app.port}") as connection:
        await connection.register_customer(
            login_name="ana",
            password=PASSWORD,
            device_name="Phone",
            telephone_number=NUMBER,
        )
        yield connection


@pytest.fixture
async def till(in_memory: World) -> Terminal:
    return await in_memory.add_terminal()


@pytest.fixture
def wallet(tmp_path: Path) -> Wallet:
    wallet = Wallet(tmp_path / "phone")
    wallet.prepare()
    return wallet


async def scanned(phone: PhoneConnection, choice: CodeChoice | None = None) -> str:
    """Show a code and read its picture."""
    code = await phone.issue_code(choice or CodeChoice())
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(QrPicture(code.text).png())))
    return str(found.text)


async def test_a_sale_is_confirmed_on_the_phone_and_ends_in_one_receipt(
    phone: PhoneConnection, till: Terminal, wallet: Wallet
) -> None:
    shown: list[Process] = []
    await phone.register_card(card_number=GOOD_CARD, expires_on="2031-05")
    watch = ProcessWatch(
        connection=phone,
        wallet=wallet,
        questions=FixedAnswer(answer=Answer(decision=Decision.APPROVE)),
        show=shown.append,
        warn=pytest.fail,
    )
    text = await scanned(phone)

    sale, _ = await asyncio.gather(
        till.resolve(text, charge(6000), earn(60)), watch.run(is_once=True)
    )
    await till.complete(sale.process_id)
    receipt = await phone.get_receipt(sale.process_id)

    assert shown[0].state is ProcessState.AWAITING_CUSTOMER
    assert [str(action.amount) for action in shown[0].actions] == ["60.00 EUR", "None"]
    assert str(receipt.card_total) == "60.00 EUR"
    assert receipt.is_confirmed_by_customer
    assert [(posting.points, posting.balance_after) for posting in receipt.postings] == [(60, 60)]
    listed = [process async for process in phone.list_processes()]
    assert [process.state for process in listed] == [ProcessState.COMPLETED]


async def test_a_customer_known_by_number_enters_the_digits_of_the_terminal(
    phone: PhoneConnection, till: Terminal, wallet: Wallet, in_memory: World
) -> None:
    await phone.verify_number(in_memory.numbers.codes[NUMBER])
    await phone.register_card(card_number=GOOD_CARD, expires_on="2031-05")
    request = terminal_service_pb2.ResolveCodeRequest(
        request_id=new_id(),
        identification=identification_pb2.Identification(telephone_number=NUMBER),
        actions=[charge(900)],
        wait_milliseconds=1,
    )

    asked = (await till.call("ResolveCode", request)).process
    async with aclosing(phone.watch_processes()) as events:
        seen = (await anext(events)).process
    answer = Answer(decision=Decision.APPROVE, digits=asked.confirmation_digits)
    after = await confirm(phone, wallet, seen.process_id, answer)

    assert seen.is_digits_needed
    assert after.is_confirmed_by_customer


async def test_the_customer_says_no_and_nothing_is_taken(
    phone: PhoneConnection, till: Terminal, in_memory: World
) -> None:
    await phone.register_card(card_number=GOOD_CARD, expires_on="2031-05")
    ana = Customer(stub=None)
    ana.login_name = "ana"
    await in_memory.operator.add_points(ana, 500)
    text = await scanned(phone)
    resolving = asyncio.create_task(
        till.resolve(text, burn(500), CHARGE_REST, sale_total=euro(9000))
    )

    async with aclosing(phone.watch_processes()) as events:
        seen = (await anext(events)).process
    declined = await phone.confirm_process(seen.process_id, Decision.DECLINE)
    sale = await resolving

    assert [action.kind for action in seen.actions] == [
        ActionKind.BURN_POINTS,
        ActionKind.CHARGE,
    ]
    assert str(seen.card_total) == "85.00 EUR"
    assert declined.state is ProcessState.DECLINED
    assert sale.process_id == declined.process_id
    holdings = await phone.get_wallet()
    assert (holdings.points_accounts[0].balance, holdings.points_accounts[0].held) == (500, 0)


async def test_a_code_that_was_taken_back_is_good_for_nothing(
    phone: PhoneConnection, till: Terminal
) -> None:
    text = await scanned(phone, CodeChoice(purpose=Purpose.POINTS))

    assert await phone.revoke_codes(Purpose.POINTS) == 1

    assert await till.reason("ResolveCode", till.resolve_request(text, earn(1))) == "CODE_REVOKED"


async def test_a_ticket_that_the_customer_has_not_gives_no_code(phone: PhoneConnection) -> None:
    choice = CodeChoice(
        purpose=Purpose.TICKET, ticket=TicketChoice(event_id="jazz", ticket_id="T1")
    )

    with pytest.raises(Refused) as refused:
        await phone.issue_code(choice)

    assert refused.value.reason is Reason.TICKET_NOT_FOUND


async def test_a_repeated_request_has_the_same_answer_and_its_secret(in_memory: World) -> None:
    tokens = set()
    request_id = new_id()

    for _ in range(2):
        async with PhoneConnection(f"127.0.0.1:{in_memory.app.port}") as phone:
            customer = await phone.register_customer(
                login_name="cora", password=PASSWORD, device_name="Phone", request_id=request_id
            )
            tokens.add((customer.device_id, customer.session.token))

    assert len(tokens) == 1


async def test_another_password_under_the_same_request_is_told_apart(in_memory: World) -> None:
    request_id = new_id()
    async with PhoneConnection(f"127.0.0.1:{in_memory.app.port}") as phone:
        await phone.register_customer(
            login_name="cora", password=PASSWORD, device_name="Phone", request_id=request_id
        )

        with pytest.raises(Refused) as refused:
            await phone.register_customer(
                login_name="cora",
                password="something else",
                device_name="Phone",
                request_id=request_id,
            )

    assert refused.value.reason is Reason.REQUEST_ID_REUSED
