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
from tallymark_phone.answering import answer_process
from tallymark_phone.processes import ActionKind, Decision, Process, ProcessState
from tallymark_phone.qr_picture import QrPicture
from tallymark_phone.questions import Answer, FixedAnswer
from tallymark_phone.registrations import CodeChoice, Purpose, TicketChoice
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.trust import Trust
from tallymark_phone.wallet import Wallet
from tallymark_phone.watching import ProcessWatch
from tallymark_protocol.checkpoint import parse_checkpoint
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_protocol.verified_receipt import verify_receipt
from tests.world.actions import CHARGE_REST, burn, charge, earn
from tests.world.messages import euro, new_id
from tests.world.phone import GOOD_CARD
from tests.world.phone import Phone as Customer
from tests.world.terminal import Terminal
from tests.world.world import World

NUMBER = "+4930123456"
PASSWORD = "correct horse battery"


def connect(
    server: World, device_key: DevicePrivateKey, *, seen: list[str] | None = None
) -> PhoneConnection:
    """Return a connection of the phone with this key; `seen` gets the server's checkpoints."""
    return PhoneConnection(
        f"127.0.0.1:{server.app.port}",
        device_key=device_key,
        trust=Trust(ca_certificates_pem=server.ca_pem),
        on_checkpoint=(seen if seen is not None else []).append,
    )


@pytest.fixture
def device_key() -> DevicePrivateKey:
    return DevicePrivateKey.generate()


@pytest.fixture
async def phone(in_memory: World, device_key: DevicePrivateKey) -> AsyncIterator[PhoneConnection]:
    async with connect(in_memory, device_key) as connection:
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


async def test_a_sale_is_confirmed_on_the_phone_and_ends_in_one_receipt_that_can_be_verified(
    phone: PhoneConnection, till: Terminal, wallet: Wallet, device_key: DevicePrivateKey
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
    assert not receipt.problems
    key_hash = device_key.public().key_hash()
    assert receipt.confirmed_by is not None
    assert receipt.confirmed_by.device_key_hash == key_hash
    assert receipt.checkpoint.startswith("tmc1:0:")
    assert not verify_receipt(receipt.document, device_key_hash=key_hash).problems
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
    after = await answer_process(phone, wallet, seen, answer)

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
    declined = await phone.confirm_process(phone.sign_answer(seen, Decision.DECLINE))
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


async def test_a_repeated_request_has_the_same_answer_and_its_secret(
    in_memory: World, device_key: DevicePrivateKey
) -> None:
    tokens = set()
    request_id = new_id()

    for _ in range(2):
        async with connect(in_memory, device_key) as phone:
            customer = await phone.register_customer(
                login_name="cora", password=PASSWORD, device_name="Phone", request_id=request_id
            )
            tokens.add((customer.device_id, customer.session.token))

    assert len(tokens) == 1


async def test_another_password_under_the_same_request_is_told_apart(
    in_memory: World, device_key: DevicePrivateKey
) -> None:
    request_id = new_id()
    async with connect(in_memory, device_key) as phone:
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


async def test_a_phone_signs_in_with_its_key_and_with_no_other(
    in_memory: World, phone: PhoneConnection, device_key: DevicePrivateKey
) -> None:
    (device,) = (await phone.get_wallet()).devices
    credentials = {"login_name": "ana", "password": PASSWORD, "device_id": device.device_id}

    async with connect(in_memory, device_key) as again:
        await again.sign_in(**credentials)
        assert (await again.get_wallet()).login_name == "ana"
    async with connect(in_memory, DevicePrivateKey.generate()) as thief:
        with pytest.raises(Refused) as refused:
            await thief.sign_in(**credentials)

    assert refused.value.reason is Reason.PASSWORD_WRONG


async def test_another_phone_is_added_by_an_invitation_once(
    in_memory: World, phone: PhoneConnection
) -> None:
    invitation = await phone.invite_device()

    async def add(name: str) -> None:
        async with connect(in_memory, DevicePrivateKey.generate()) as other:
            await other.add_device(
                login_name="ana",
                password=PASSWORD,
                invitation=invitation.text,
                device_name=name,
            )

    await add("Tablet")
    with pytest.raises(Refused) as refused:
        await add("Stranger")

    assert refused.value.reason is Reason.INVITATION_INVALID
    names = [device.name for device in (await phone.get_wallet()).devices]
    assert names == ["Phone", "Tablet"]


async def test_a_new_password_ends_the_other_sessions(
    in_memory: World, phone: PhoneConnection, device_key: DevicePrivateKey
) -> None:
    (device,) = (await phone.get_wallet()).devices
    async with connect(in_memory, device_key) as other:
        await other.sign_in(login_name="ana", password=PASSWORD, device_id=device.device_id)

        ended = await phone.change_password(password=PASSWORD, new_password="mule bridge candle")

        with pytest.raises(Refused):
            await other.get_wallet()
    assert ended == 1
    assert (await phone.get_wallet()).login_name == "ana"


async def test_another_code_is_sent_to_the_number(phone: PhoneConnection, in_memory: World) -> None:
    first = in_memory.numbers.codes[NUMBER]

    await phone.send_number_code()

    assert await phone.verify_number(in_memory.numbers.codes[NUMBER]) == NUMBER
    assert len(first) == 6


async def test_a_code_for_one_terminal_names_it_and_works_there_alone(
    phone: PhoneConnection, till: Terminal, in_memory: World
) -> None:
    other = await in_memory.add_terminal("till-2")
    tag = (await till.call("GetTag", terminal_service_pb2.GetTagRequest())).tag

    code = await phone.issue_code(CodeChoice(terminal_tag=tag))
    refused = await other.reason("ResolveCode", other.resolve_request(code.text, earn(1)))
    taken = await till.reason("ResolveCode", till.resolve_request(code.text, earn(1)))

    assert code.bound_terminal_id == till.terminal_id
    assert code.bound_merchant_name
    assert (refused, taken) == ("CODE_FOR_OTHER_TERMINAL", "OK")


async def test_a_tag_that_the_server_did_not_sign_gives_no_code(phone: PhoneConnection) -> None:
    with pytest.raises(Refused) as refused:
        await phone.issue_code(CodeChoice(terminal_tag="TT1:NOT A TAG"))

    assert refused.value.reason is Reason.TAG_INVALID


async def test_answers_carry_checkpoints_that_only_grow(
    in_memory: World, device_key: DevicePrivateKey
) -> None:
    seen: list[str] = []
    async with connect(in_memory, device_key, seen=seen) as phone:
        await phone.register_customer(login_name="dora", password=PASSWORD, device_name="Phone")
        await phone.register_card(card_number=GOOD_CARD, expires_on="2031-05")
        await phone.get_wallet()

    sequences = [parse_checkpoint(text).sequence for text in seen]
    assert len(sequences) == 3
    assert sequences == sorted(sequences)
    assert sequences[0] < sequences[-1]
