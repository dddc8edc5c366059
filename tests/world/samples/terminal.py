"""Requests of the till."""

from tallymark.v1 import terminal_service_pb2 as contract
from tests.world.actions import READ_POINTS, burn, charge, earn
from tests.world.messages import by_process, certificate_request, euro, new_id
from tests.world.recoveries import open_recovery
from tests.world.stage import Stage

__all__ = ["SAMPLES"]


async def _enroll(stage: Stage) -> contract.EnrollRequest:
    code = await stage.new_enrolment_code("till-3")
    return contract.EnrollRequest(
        request_id=new_id(), enrolment_code=code, certificate_request=certificate_request()
    )


async def _renew_certificate(_: Stage) -> contract.RenewCertificateRequest:
    return contract.RenewCertificateRequest(
        request_id=new_id(), certificate_request=certificate_request()
    )


async def _get_tag(_: Stage) -> contract.GetTagRequest:
    return contract.GetTagRequest(printed=True)


async def _list_verification_keys(_: Stage) -> contract.ListVerificationKeysRequest:
    return contract.ListVerificationKeysRequest()


async def _resolve_code(stage: Stage) -> contract.ResolveCodeRequest:
    return stage.till.resolve_request(
        await stage.ana.issue(), charge(420), burn(1), earn(2), sale_total=euro(420)
    )


async def _get_process(stage: Stage) -> contract.GetProcessRequest:
    process = await stage.instructed()
    return contract.GetProcessRequest(reference=by_process(process.process_id))


async def _watch_process(stage: Stage) -> contract.WatchProcessRequest:
    process = await stage.instructed()
    return contract.WatchProcessRequest(reference=by_process(process.process_id))


async def _complete_process(stage: Stage) -> contract.CompleteProcessRequest:
    process = await stage.instructed(charge(420), earn(4))
    return contract.CompleteProcessRequest(
        request_id=new_id(), reference=by_process(process.process_id)
    )


async def _reverse_process(stage: Stage) -> contract.ReverseProcessRequest:
    process = await stage.completed()
    return contract.ReverseProcessRequest(
        request_id=new_id(), reference=by_process(process.process_id), note="goods returned"
    )


async def _update_points(stage: Stage) -> contract.UpdatePointsRequest:
    process = await stage.instructed(READ_POINTS)
    points = process.actions[0].instruction.read_points
    return contract.UpdatePointsRequest(
        request_id=new_id(),
        reference=by_process(process.process_id),
        version=points.version,
        new_balance=points.balance + 7,
    )


async def _exchange(stage: Stage) -> contract.ExchangeRequest:
    resolve = contract.ExchangeCommand(correlation=7, resolve_code=await _resolve_code(stage))
    return contract.ExchangeRequest(commands=[resolve])


async def _report_sales(stage: Stage) -> contract.ReportSalesRequest:
    process = await stage.instructed()
    return contract.ReportSalesRequest(
        recovery_id=await open_recovery(stage.world),
        sealed_records=[process.sealed_record],
        is_last=True,
    )


SAMPLES = {
    "Enroll": _enroll,
    "RenewCertificate": _renew_certificate,
    "GetTag": _get_tag,
    "ListVerificationKeys": _list_verification_keys,
    "ResolveCode": _resolve_code,
    "GetProcess": _get_process,
    "WatchProcess": _watch_process,
    "CompleteProcess": _complete_process,
    "ReverseProcess": _reverse_process,
    "UpdatePoints": _update_points,
    "Exchange": _exchange,
    "ReportSales": _report_sales,
}
