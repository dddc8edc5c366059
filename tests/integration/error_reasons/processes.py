"""Reasons that have to do with a process and its points."""

import pytest

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark_protocol.reasons import Reason
from tests.integration.error_reasons.case import Case
from tests.world.actions import READ_POINTS, burn, charge
from tests.world.calls import Call
from tests.world.messages import by_process, new_id
from tests.world.stage import Stage

__all__ = ["CASES"]

_Patch = pytest.MonkeyPatch


async def a_process_that_never_was(stage: Stage, _: _Patch) -> Call:
    return _complete(stage, "00" + "f" * 32)


async def an_answer_after_the_end(stage: Stage, _: _Patch) -> Call:
    request = await stage.ana.confirm_request((await stage.completed()).process_id, approve=False)
    return Call(stage.ana, "ConfirmProcess", request)


async def a_yes_signed_as_a_no(stage: Stage, _: _Patch) -> Call:
    request = await stage.ana.confirm_request((await stage.awaiting()).process_id, approve=False)
    request.decision = customer.DECISION_APPROVE
    return Call(stage.ana, "ConfirmProcess", request)


async def a_yes_signed_by_another_phone(stage: Stage, _: _Patch) -> Call:
    other = await stage.world.add_device(stage.ana)
    request = await other.confirm_request((await stage.awaiting()).process_id)
    return Call(stage.ana, "ConfirmProcess", request)


async def completing_what_was_declined(stage: Stage, _: _Patch) -> Call:
    return _complete(stage, (await stage.declined()).process_id)


async def completing_what_is_contested(stage: Stage, _: _Patch) -> Call:
    return _complete(stage, (await stage.contested()).process_id)


async def settling_what_is_in_order(stage: Stage, _: _Patch) -> Call:
    request = operator.SettleProcessRequest(
        process_id=(await stage.instructed()).process_id,
        settlement=operator.PROCESS_SETTLEMENT_EXECUTED,
        note="the till said so",
    )
    return Call(stage.operator, "SettleProcess", request)


async def a_receipt_of_nothing(stage: Stage, _: _Patch) -> Call:
    process_id = (await stage.declined()).process_id
    return Call(stage.ana, "GetReceipt", customer.GetReceiptRequest(process_id=process_id))


async def updating_points_of_a_charge(stage: Stage, _: _Patch) -> Call:
    process = await stage.instructed(charge(420))
    return _update(stage, process.process_id, new_balance=400)


async def updating_points_of_another_version(stage: Stage, _: _Patch) -> Call:
    process = await stage.instructed(READ_POINTS)
    await stage.operator.add_points(stage.ana, 5, "birthday")
    return _update(stage, process.process_id, new_balance=400)


async def adding_more_than_the_bound(stage: Stage, _: _Patch) -> Call:
    process = await stage.instructed(READ_POINTS)
    return _update(stage, process.process_id, new_balance=901)


async def going_below_what_others_hold(stage: Stage, _: _Patch) -> Call:
    await stage.instructed(burn(120))
    process = await stage.instructed(READ_POINTS)
    return _update(stage, process.process_id, new_balance=119)


def _complete(stage: Stage, process_id: str) -> Call:
    request = terminal.CompleteProcessRequest(request_id=new_id(), reference=by_process(process_id))
    return Call(stage.till, "CompleteProcess", request)


def _update(stage: Stage, process_id: str, *, new_balance: int) -> Call:
    request = terminal.UpdatePointsRequest(
        request_id=new_id(),
        reference=by_process(process_id),
        version=1,
        new_balance=new_balance,
    )
    return Call(stage.till, "UpdatePoints", request)


CASES = (
    Case(reason=Reason.PROCESS_NOT_FOUND, arrange=a_process_that_never_was),
    Case(
        reason=Reason.PROCESS_NOT_AWAITING,
        arrange=an_answer_after_the_end,
        metadata={"state": "COMPLETED"},
    ),
    Case(reason=Reason.CONFIRMATION_SIGNATURE_WRONG, arrange=a_yes_signed_as_a_no),
    Case(reason=Reason.CONFIRMATION_SIGNATURE_WRONG, arrange=a_yes_signed_by_another_phone),
    Case(
        reason=Reason.PROCESS_NOT_INSTRUCTED,
        arrange=completing_what_was_declined,
        metadata={"state": "DECLINED"},
    ),
    Case(reason=Reason.PROCESS_CONTESTED, arrange=completing_what_is_contested),
    Case(
        reason=Reason.PROCESS_NOT_UNRESOLVED,
        arrange=settling_what_is_in_order,
        metadata={"state": "INSTRUCTED"},
    ),
    Case(
        reason=Reason.RECEIPT_NOT_READY,
        arrange=a_receipt_of_nothing,
        metadata={"state": "DECLINED"},
    ),
    Case(reason=Reason.NO_POINTS_IN_PROCESS, arrange=updating_points_of_a_charge),
    Case(
        reason=Reason.POINTS_VERSION_CONFLICT,
        arrange=updating_points_of_another_version,
        metadata={"version": "2"},
    ),
    Case(
        reason=Reason.POINTS_OVER_LIMIT,
        arrange=adding_more_than_the_bound,
        metadata={"limit": "500"},
    ),
    Case(
        reason=Reason.POINTS_BELOW_HOLDS,
        arrange=going_below_what_others_hold,
        metadata={"held": "120"},
    ),
)
