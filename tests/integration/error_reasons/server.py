"""Reasons that have to do with the server: its keys, too much work, stopping, a broken store."""

import shutil
from typing import Never

import pytest

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark_protocol.reasons import Reason
from tallymark_server.lanes import lane
from tallymark_server.passwords import hashing
from tallymark_server.storage.store import StoreFailed
from tests.integration.error_reasons.case import Case
from tests.world.actor import Actor
from tests.world.calls import Call
from tests.world.messages import new_id
from tests.world.signed_requests import sign_in_request
from tests.world.stage import Stage

__all__ = ["CASES"]

_Patch = pytest.MonkeyPatch


async def a_key_that_never_was(stage: Stage, _: _Patch) -> Call:
    request = operator.RevokeKeyRequest(key_id=250, note="nobody had it")
    return Call(stage.operator, "RevokeKey", request)


async def a_full_lane(stage: Stage, patch: _Patch) -> Call:
    patch.setattr(lane, "QUEUE_MAX", 0)
    patch.setattr(lane, "ENDING_MAX", 0)
    return _revoke(stage)


async def a_disk_that_is_nearly_full(stage: Stage, patch: _Patch) -> Call:
    patch.setattr(stage.world.app.lane, "_has_room", lambda: False)
    request = customer.InviteDeviceRequest(request_id=new_id())
    return Call(stage.ana, "InviteDevice", request)


async def too_many_passwords(stage: Stage, patch: _Patch) -> Call:
    patch.setattr(hashing, "WAITING_MAX", 0)
    return Call(Actor(stage.ana.stub), "SignIn", sign_in_request(stage.ana))


async def a_lane_that_ends(stage: Stage, _: _Patch) -> Call:
    stage.world.app.lane.stop()
    return _revoke(stage)


async def a_disk_that_does_not_write(stage: Stage, patch: _Patch) -> Call:
    patch.setattr(stage.world.store, "save", _fail_to_store)
    return _revoke(stage)


async def a_disk_that_does_not_read(stage: Stage, patch: _Patch) -> Call:
    patch.setattr(stage.world.store, "load", _fail_to_store)
    return Call(stage.ana, "GetWallet", customer.GetWalletRequest())


async def a_fault_in_the_rules(stage: Stage, patch: _Patch) -> Call:
    def decide(*_: object) -> Never:
        message = "a fault of the rules"
        raise KeyError(message)

    patch.setattr(lane, "decide", decide)
    return _revoke(stage)


async def a_disk_without_space(stage: Stage, patch: _Patch) -> Call:
    def no_space(_: object) -> Never:
        message = "the disk is full"
        raise OSError(message)

    patch.setattr(shutil, "disk_usage", no_space)
    return Call(stage.operator, "Backup", operator.BackupRequest(name="no-space.sqlite3"))


async def finishing_what_nobody_opened(stage: Stage, _: _Patch) -> Call:
    request = operator.FinishRecoveryRequest(recovery_id="ef" * 16, note="nothing was lost")
    return Call(stage.operator, "FinishRecovery", request)


async def reporting_to_nobody(stage: Stage, _: _Patch) -> Call:
    request = terminal.ReportSalesRequest(recovery_id="ef" * 16, is_last=True)
    return Call(stage.till, "ReportSales", request)


def _revoke(stage: Stage) -> Call:
    return Call(stage.ana, "RevokeCode", customer.RevokeCodeRequest(request_id=new_id()))


async def _fail_to_store(*_: object) -> Never:
    message = "the disk is broken"
    raise StoreFailed(message)


CASES = (
    Case(reason=Reason.KEY_NOT_FOUND, arrange=a_key_that_never_was),
    Case(
        reason=Reason.BACKUP_FAILED,
        arrange=a_disk_without_space,
        metadata={"why": "the disk is full"},
    ),
    Case(reason=Reason.RECOVERY_NOT_OPEN, arrange=finishing_what_nobody_opened),
    Case(reason=Reason.RECOVERY_NOT_OPEN, arrange=reporting_to_nobody),
    Case(reason=Reason.OVERLOADED, arrange=a_full_lane),
    Case(reason=Reason.OVERLOADED, arrange=too_many_passwords),
    Case(reason=Reason.DISK_NEARLY_FULL, arrange=a_disk_that_is_nearly_full),
    Case(reason=Reason.SHUTTING_DOWN, arrange=a_lane_that_ends),
    Case(reason=Reason.STORE_FAILED, arrange=a_disk_that_does_not_write),
    Case(reason=Reason.STORE_FAILED, arrange=a_disk_that_does_not_read),
    Case(reason=Reason.INTERNAL, arrange=a_fault_in_the_rules),
)
