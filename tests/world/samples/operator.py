"""Requests of the operator."""

from collections.abc import Awaitable, Callable
from typing import Any

from tallymark.v1 import merchant_pb2, registration_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tests.world.messages import certificate_request, euro, new_id
from tests.world.recoveries import open_recovery
from tests.world.stage import Stage

__all__ = ["SAMPLES"]


async def _enroll_operator(stage: Stage) -> contract.EnrollOperatorRequest:
    request = contract.CreateOperatorRequest(operator_id="second")
    code = (await stage.operator.call("CreateOperator", request)).enrolment_code
    return contract.EnrollOperatorRequest(
        request_id=new_id(), enrolment_code=code, certificate_request=certificate_request()
    )


async def _renew_certificate(_: Stage) -> contract.OperatorServiceRenewCertificateRequest:
    return contract.OperatorServiceRenewCertificateRequest(
        request_id=new_id(), certificate_request=certificate_request()
    )


async def _revoke_operator(stage: Stage) -> contract.RevokeOperatorRequest:
    request = contract.CreateOperatorRequest(operator_id="fourth")
    await stage.operator.call("CreateOperator", request)
    return contract.RevokeOperatorRequest(operator_id="fourth")


async def _create_operator(_: Stage) -> contract.CreateOperatorRequest:
    return contract.CreateOperatorRequest(operator_id="third")


async def _create_merchant(_: Stage) -> contract.CreateMerchantRequest:
    merchant = merchant_pb2.Merchant(merchant_id="bar", name="Bar", programme_id="beans")
    return contract.CreateMerchantRequest(merchant=merchant)


async def _create_terminal(_: Stage) -> contract.CreateTerminalRequest:
    return contract.CreateTerminalRequest(terminal_id="till-4", merchant_id="cafe")


async def _revoke_terminal(_: Stage) -> contract.RevokeTerminalRequest:
    return contract.RevokeTerminalRequest(terminal_id="gate-1")


async def _delegate_terminal(_: Stage) -> contract.DelegateTerminalRequest:
    return contract.DelegateTerminalRequest(terminal_id="till-2", concentrator_id="till-1")


async def _reenroll_terminal(_: Stage) -> contract.ReenrollTerminalRequest:
    return contract.ReenrollTerminalRequest(terminal_id="gate-1")


async def _create_event(_: Stage) -> contract.CreateEventRequest:
    event = registration_pb2.Event(
        event_id="opera",
        merchant_id="hall",
        name="Opera",
        reentry_rule=registration_pb2.REENTRY_RULE_EXIT_BETWEEN,
    )
    return contract.CreateEventRequest(event=event)


async def _create_programme(_: Stage) -> contract.CreateProgrammeRequest:
    programme = registration_pb2.PointsProgramme(
        programme_id="miles", name="Miles", point_value=euro(2), earn_points_max=50
    )
    return contract.CreateProgrammeRequest(programme=programme)


async def _add_bills(_: Stage) -> contract.AddBillsRequest:
    bill = registration_pb2.Bill(
        merchant_id="cafe", bill_reference="B-3", login_name="ana", amount=euro(5)
    )
    return contract.AddBillsRequest(bills=[bill])


async def _add_tickets(_: Stage) -> contract.AddTicketsRequest:
    ticket = registration_pb2.Ticket(event_id="jazz", ticket_id="A-3", login_name="ana", entries=2)
    return contract.AddTicketsRequest(tickets=[ticket])


async def _add_points(_: Stage) -> contract.AddPointsRequest:
    grant = contract.PointsGrant(
        programme_id="beans", login_name="bob", grant_reference="birthday", points=10
    )
    return contract.AddPointsRequest(grants=[grant])


async def _revoke_device(stage: Stage) -> contract.RevokeDeviceRequest:
    device = await stage.world.add_device(stage.ana)
    return contract.RevokeDeviceRequest(login_name="ana", device_id=device.device_id)


async def _list_devices(_: Stage) -> contract.ListDevicesRequest:
    return contract.ListDevicesRequest(login_name="ana")


async def _invite_customer_device(_: Stage) -> contract.InviteCustomerDeviceRequest:
    return contract.InviteCustomerDeviceRequest(login_name="ana")


async def _unlock_password(_: Stage) -> contract.UnlockPasswordRequest:
    return contract.UnlockPasswordRequest(login_name="ana")


async def _set_policy(stage: Stage) -> contract.SetPolicyRequest:
    answer = await stage.operator.call("GetPolicy", contract.GetPolicyRequest())
    answer.policy.code_life_seconds = 50
    return contract.SetPolicyRequest(policy=answer.policy)


async def _backup(_: Stage) -> contract.BackupRequest:
    return contract.BackupRequest(name="nightly.sqlite3")


async def _finish_recovery(stage: Stage) -> contract.FinishRecoveryRequest:
    recovery_id = await open_recovery(stage.world)
    return contract.FinishRecoveryRequest(recovery_id=recovery_id, note="All have reported.")


async def _settle_process(stage: Stage) -> contract.SettleProcessRequest:
    return contract.SettleProcessRequest(
        process_id=(await stage.contested()).process_id,
        settlement=contract.PROCESS_SETTLEMENT_NOT_EXECUTED,
        note="The goods are still here.",
    )


def _simply(request_type: Callable[[], Any]) -> Callable[[Stage], Awaitable[Any]]:
    async def sample(_: Stage) -> Any:
        return request_type()

    return sample


async def _rotate_key(stage: Stage) -> contract.RotateKeyRequest:
    kind = contract.KEY_KIND_CELLS
    return contract.RotateKeyRequest(kind=kind, key_id=stage.world.keyring.cells.current_id)


async def _revoke_key(stage: Stage) -> contract.RevokeKeyRequest:
    key_id = stage.world.keyring.signing.current.key_id
    return contract.RevokeKeyRequest(key_id=key_id, note="its disk was stolen")


async def _reconcile_day(stage: Stage) -> contract.ReconcileDayRequest:
    request = contract.ReconcileDayRequest()
    request.starts_at.FromMilliseconds(stage.world.clock.now())
    return request


SAMPLES: dict[str, Callable[[Stage], Awaitable[Any]]] = {
    "EnrollOperator": _enroll_operator,
    "RenewCertificate": _renew_certificate,
    "ListOperators": _simply(contract.ListOperatorsRequest),
    "RevokeOperator": _revoke_operator,
    "CreateOperator": _create_operator,
    "CreateMerchant": _create_merchant,
    "ListMerchants": _simply(contract.ListMerchantsRequest),
    "CreateTerminal": _create_terminal,
    "RevokeTerminal": _revoke_terminal,
    "DelegateTerminal": _delegate_terminal,
    "ReenrollTerminal": _reenroll_terminal,
    "ListTerminals": _simply(contract.ListTerminalsRequest),
    "CreateEvent": _create_event,
    "ListEvents": _simply(contract.ListEventsRequest),
    "CreateProgramme": _create_programme,
    "ListProgrammes": _simply(contract.ListProgrammesRequest),
    "AddBills": _add_bills,
    "ListBills": _simply(contract.ListBillsRequest),
    "AddTickets": _add_tickets,
    "ListTickets": _simply(contract.ListTicketsRequest),
    "AddPoints": _add_points,
    "ListPointsAccounts": _simply(contract.ListPointsAccountsRequest),
    "ListCustomers": _simply(contract.ListCustomersRequest),
    "ListDevices": _list_devices,
    "RevokeDevice": _revoke_device,
    "InviteCustomerDevice": _invite_customer_device,
    "UnlockPassword": _unlock_password,
    "GetPolicy": _simply(contract.GetPolicyRequest),
    "SetPolicy": _set_policy,
    "ListKeys": _simply(contract.ListKeysRequest),
    "RotateKey": _rotate_key,
    "RevokeKey": _revoke_key,
    "ListProcesses": _simply(contract.OperatorServiceListProcessesRequest),
    "ListUnresolvedProcesses": _simply(contract.ListUnresolvedProcessesRequest),
    "SettleProcess": _settle_process,
    "ListJournal": _simply(contract.ListJournalRequest),
    "GetCheckpoint": _simply(contract.GetCheckpointRequest),
    "Backup": _backup,
    "GetRecovery": _simply(contract.GetRecoveryRequest),
    "ListReportedSales": _simply(contract.ListReportedSalesRequest),
    "FinishRecovery": _finish_recovery,
    "ReconcileDay": _reconcile_day,
}
