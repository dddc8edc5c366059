"""Requests of Ana's phone."""

from tallymark.v1 import customer_service_pb2 as contract
from tallymark.v1 import identification_pb2
from tallymark_protocol.device_key import DevicePrivateKey, KeyAlgorithm
from tests.world.messages import new_id
from tests.world.signed_requests import add_device_request, register_request, sign_in_request
from tests.world.stage import ANAS_NUMBER, PASSWORD, Stage

__all__ = ["SAMPLES"]


async def _register_customer(_: Stage) -> contract.RegisterCustomerRequest:
    return register_request(
        "dan",
        DevicePrivateKey.generate(),
        password="battery staple",
        telephone_number="+4930777777",
        device_name="Dan's phone",
    )


async def _verify_number(stage: Stage) -> contract.VerifyNumberRequest:
    number_code = stage.world.numbers.codes[ANAS_NUMBER]
    return contract.VerifyNumberRequest(request_id=new_id(), number_code=number_code)


async def _send_number_code(_: Stage) -> contract.SendNumberCodeRequest:
    return contract.SendNumberCodeRequest(request_id=new_id(), telephone_number="+4930888888")


async def _sign_in(stage: Stage) -> contract.SignInRequest:
    return sign_in_request(stage.ana)


async def _invite_device(_: Stage) -> contract.InviteDeviceRequest:
    return contract.InviteDeviceRequest(request_id=new_id())


async def _add_device(stage: Stage) -> contract.AddDeviceRequest:
    answer = await stage.ana.call("InviteDevice", await _invite_device(stage))
    key = DevicePrivateKey.generate(KeyAlgorithm.ES256)
    return add_device_request("ana", key, device_name="tablet", invitation=answer.invitation)


async def _change_password(_: Stage) -> contract.ChangePasswordRequest:
    """Set the same password again: the other samples need it."""
    return contract.ChangePasswordRequest(
        request_id=new_id(), password=PASSWORD, new_password=PASSWORD
    )


async def _remove_device(stage: Stage) -> contract.RemoveDeviceRequest:
    added = await stage.ana.call("AddDevice", await _add_device(stage))
    return contract.RemoveDeviceRequest(request_id=new_id(), device_id=added.device_id)


async def _register_card(_: Stage) -> contract.RegisterCardRequest:
    return contract.RegisterCardRequest(
        request_id=new_id(),
        card_number="5555555555554444",
        expires_on="2031-01",
        make_default=True,
    )


async def _remove_card(stage: Stage) -> contract.RemoveCardRequest:
    card = await stage.ana.add_card()
    return contract.RemoveCardRequest(request_id=new_id(), card_id=card.card_id)


async def _get_wallet(_: Stage) -> contract.GetWalletRequest:
    return contract.GetWalletRequest()


async def _issue_code(stage: Stage) -> contract.IssueCodeRequest:
    return contract.IssueCodeRequest(
        request_id=new_id(),
        purpose=identification_pb2.CODE_PURPOSE_TICKET,
        card_id=stage.card.card_id,
        bill=contract.BillChoice(merchant_id="cafe", bill_reference="B-1"),
        ticket=contract.TicketChoice(event_id="jazz", ticket_id="A-1"),
        terminal_tag=await stage.till.tag(),
        password=PASSWORD,
    )


async def _revoke_code(stage: Stage) -> contract.RevokeCodeRequest:
    points = identification_pb2.CODE_PURPOSE_POINTS
    await stage.ana.issue(points)
    return contract.RevokeCodeRequest(request_id=new_id(), purpose=points)


async def _watch_processes(stage: Stage) -> contract.WatchProcessesRequest:
    await stage.instructed()
    return contract.WatchProcessesRequest()


async def _confirm_process(stage: Stage) -> contract.ConfirmProcessRequest:
    return await stage.ana.confirm_request((await stage.awaiting()).process_id)


async def _dispute_process(stage: Stage) -> contract.DisputeProcessRequest:
    return contract.DisputeProcessRequest(
        request_id=new_id(),
        process_id=(await stage.completed()).process_id,
        statement="I was not there.",
    )


async def _list_processes(stage: Stage) -> contract.ListProcessesRequest:
    await stage.instructed()
    return contract.ListProcessesRequest(page_size=10)


async def _get_receipt(stage: Stage) -> contract.GetReceiptRequest:
    return contract.GetReceiptRequest(process_id=(await stage.completed()).process_id)


SAMPLES = {
    "RegisterCustomer": _register_customer,
    "VerifyNumber": _verify_number,
    "SendNumberCode": _send_number_code,
    "SignIn": _sign_in,
    "InviteDevice": _invite_device,
    "AddDevice": _add_device,
    "ChangePassword": _change_password,
    "RemoveDevice": _remove_device,
    "RegisterCard": _register_card,
    "RemoveCard": _remove_card,
    "GetWallet": _get_wallet,
    "IssueCode": _issue_code,
    "RevokeCode": _revoke_code,
    "WatchProcesses": _watch_processes,
    "ConfirmProcess": _confirm_process,
    "DisputeProcess": _dispute_process,
    "ListProcesses": _list_processes,
    "GetReceipt": _get_receipt,
}
