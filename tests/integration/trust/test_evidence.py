"""What a real server gives as evidence is good, and stays so without the server."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import MessageToDict, MessageToJson

from tallymark.v1 import action_pb2, customer_service_pb2, identification_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1 import terminal_service_pb2 as terminal_service
from tallymark_protocol.device_key import KeyAlgorithm
from tallymark_protocol.verify_command import main
from tests.world.actions import ADMIT, CHARGE_REST, READ_POINTS, burn, earn, pay_bill
from tests.world.messages import euro, new_id
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

NUMBER = "+4930123456"
EVERYTHING = (
    CHARGE_REST,
    pay_bill("B-7", action_pb2.FUNDING_CARD),
    ADMIT,
    READ_POINTS,
    earn(5),
    burn(100),
)


async def ready(world: World, **more: Any) -> tuple[Phone, Terminal]:
    """Return a customer who has whatever a scan can ask for, and a till."""
    ana = await world.add_phone(**more)
    await ana.add_card()
    await world.operator.add_points(ana, 1_000)
    await world.operator.add_bill(ana, "B-7", 700)
    await world.operator.add_ticket(ana, "A-1")
    return ana, await world.add_terminal()


async def complete(world: World, phone: Phone, till: Terminal, digits: str = "") -> str:
    """Approve what waits for the customer, and report it as executed."""
    (shown,) = await phone.processes()
    await phone.confirm(shown.process_id, digits=digits)
    await world.settle()
    await till.complete(shown.process_id)
    return shown.process_id


async def receipt_document(phone: Phone, process_id: str) -> str:
    """Return the receipt in JSON, with its checkpoint beside it."""
    request = customer_service_pb2.GetReceiptRequest(process_id=process_id)
    answer: customer_service_pb2.GetReceiptResponse = await phone.call("GetReceipt", request)
    fields = MessageToDict(answer.receipt)
    return json.dumps({**fields, "checkpoint": MessageToDict(answer.checkpoint)})


def verify(command: str, text: str, *options: str) -> Result:
    return CliRunner().invoke(main, [command, "-", *options], input=text)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
async def test_receipt_of_a_real_server_is_good_for_the_key_that_signed(
    in_memory: World, algorithm: KeyAlgorithm
) -> None:
    ana, till = await ready(in_memory)
    phone = await in_memory.add_device(ana, algorithm)
    await till.resolve(await ana.issue(), *EVERYTHING, sale_total=euro(6_000), wait_milliseconds=1)
    document = await receipt_document(phone, await complete(in_memory, phone, till))

    good = verify(
        "confirmation", document, "--device-key-hash", phone.device_key.public().key_hash()
    )
    other = verify(
        "confirmation", document, "--device-key-hash", ana.device_key.public().key_hash()
    )

    assert good.exit_code == 0, good.stdout
    assert "charge 66.00 EUR" in good.stdout
    assert other.exit_code == 1


async def test_receipt_of_a_customer_identified_by_telephone_is_good(in_memory: World) -> None:
    ana, till = await ready(in_memory, telephone_number=NUMBER)
    await ana.call(
        "VerifyNumber",
        customer_service_pb2.VerifyNumberRequest(
            request_id=new_id(), number_code=in_memory.numbers.codes[NUMBER]
        ),
    )
    asked = terminal_service.ResolveCodeRequest(
        request_id=new_id(),
        identification=identification_pb2.Identification(telephone_number=NUMBER),
        actions=EVERYTHING,
        sale_total=euro(6_000),
        wait_milliseconds=1,
    )
    digits = (await till.call("ResolveCode", asked)).process.confirmation_digits
    document = await receipt_document(ana, await complete(in_memory, ana, till, digits))

    result = verify("confirmation", document, "--json")

    assert result.exit_code == 0, result.stdout
    assert json.loads(result.stdout)["confirmation"]["digits"] == digits


async def test_journal_of_a_real_server_is_what_its_receipts_saw(in_memory: World) -> None:
    ana, till = await ready(in_memory)
    await till.resolve(await ana.issue(), *EVERYTHING, sale_total=euro(6_000), wait_milliseconds=1)
    document = await receipt_document(ana, await complete(in_memory, ana, till))
    checkpoint = json.loads(verify("confirmation", document, "--json").stdout)["checkpoint"]
    await in_memory.operator.add_bill(ana, "B-8", 100)
    entries = (await in_memory.operator.call("ListJournal", contract.ListJournalRequest())).entries
    exported = [MessageToJson(entry, indent=None) for entry in entries]

    whole = verify("journal", "\n".join(exported), "--checkpoint", checkpoint)
    cut = verify("journal", "\n".join(exported[:-5]), "--checkpoint", checkpoint)

    assert whole.exit_code == 0, whole.stdout
    assert len(entries) > int(checkpoint.split(":")[2]) > 5
    assert cut.exit_code == 1
