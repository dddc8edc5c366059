"""The part of the operator's double that is about backups and restores: a recovery that is open."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["RECOVERY_ID", "RecoveryDouble"]

RECOVERY_ID = "5f0c6c53c8a04f0c8f0a3e6d2b7c9d10"


class RecoveryDouble:
    """Answers about one recovery, unless a test says that there never was one."""

    recovery: contract.Recovery | None = contract.Recovery(
        recovery_id=RECOVERY_ID, lost_at_least=3, epoch=2, found_by="a test says so"
    )

    async def Backup(self, request: contract.BackupRequest, _: Any) -> contract.BackupResponse:
        return contract.BackupResponse(
            path=f"/data/backups/{request.name}",
            size_bytes=8192,
            sequence=5,
            decided_at=Timestamp(seconds=1_800_000_000),
        )

    async def GetRecovery(
        self, request: contract.GetRecoveryRequest, _: Any
    ) -> contract.GetRecoveryResponse:
        assert request is not None
        if self.recovery is None:
            return contract.GetRecoveryResponse()
        reported_at = Timestamp(seconds=1_800_000_060)
        return contract.GetRecoveryResponse(
            recovery=self.recovery,
            terminals=[
                contract.TerminalReport(terminal_id="till-1", reported_at=reported_at, sales=2),
                contract.TerminalReport(terminal_id="till-2"),
            ],
        )

    async def ListReportedSales(
        self, request: contract.ListReportedSalesRequest, _: Any
    ) -> contract.ListReportedSalesResponse:
        assert request.page.size
        sale = contract.ReportedSale(
            process_id="00" * 17,
            terminal_id="till-1",
            outcome=contract.SALE_REPORT_OUTCOME_PARTLY_APPLIED,
            problems=["2 points were spent that the account does not have"],
        )
        return contract.ListReportedSalesResponse(sales=[sale])

    async def FinishRecovery(
        self, request: contract.FinishRecoveryRequest, _: Any
    ) -> contract.FinishRecoveryResponse:
        if self.recovery is None or self.recovery.recovery_id != request.recovery_id:
            raise Refused(Reason.RECOVERY_NOT_OPEN)
        return contract.FinishRecoveryResponse(recovery=self.recovery)
