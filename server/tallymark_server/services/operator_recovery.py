"""The part of OperatorService that is about backups, and what follows when one was restored."""

from typing import Any, Final

import grpc

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.beginning import newest_recovery
from tallymark_server.domain import commands
from tallymark_server.domain.answers import RowAnswer
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import Terminal, TerminalState
from tallymark_server.domain.model.recovery import Recovery, ReportedSale, TerminalReport
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, first_of_page, page
from tallymark_server.services.callers import CALLER
from tallymark_server.services.values_out import number_in_contract, time_message
from tallymark_server.storage.sqlite_backup import BackupRefused, Backups
from tallymark_server.storage.store import Store

__all__ = ["OperatorRecovery"]

TERMINALS_A_STEP: Final = 1_000

PAGE_SIZE: Final = 200
"""As in every list, unless another size is asked for."""

_Context = grpc.aio.ServicerContext[Any, Any]


class OperatorRecovery:
    """Makes backups, tells of a recovery, and finishes it."""

    _lane: Lane
    _store: Store
    _backups: Backups | None

    async def Backup(
        self, request: contract.BackupRequest, context: _Context
    ) -> contract.BackupResponse:
        """Make a backup while serving, and check it."""
        if self._backups is None:
            raise Refused(Reason.BACKUP_FAILED, why="the server keeps its data in memory")
        try:
            facts = await self._backups.make(request.name)
        except BackupRefused as refused:
            raise Refused(Reason.BACKUP_FAILED, why=str(refused)) from refused
        return contract.BackupResponse(
            path=facts.path,
            size_bytes=facts.size_bytes,
            sequence=facts.sequence,
            chain_hash=facts.chain_hash,
            decided_at=time_message(facts.decided_at),
            already_there=facts.already_there,
        )

    async def GetRecovery(
        self, request: contract.GetRecoveryRequest, context: _Context
    ) -> contract.GetRecoveryResponse:
        """Tell of the newest recovery, and how far each terminal has reported."""
        recovery = await newest_recovery(self._store)
        if recovery is None:
            return contract.GetRecoveryResponse()
        return contract.GetRecoveryResponse(
            recovery=_recovery_message(recovery),
            terminals=[_report_message(one) for one in await self._reports(recovery)],
        )

    async def ListReportedSales(
        self, request: contract.ListReportedSalesRequest, context: _Context
    ) -> contract.ListReportedSalesResponse:
        """List what terminals have reported in the newest recovery."""
        recovery = await newest_recovery(self._store)
        if recovery is None:
            return contract.ListReportedSalesResponse()
        size = request.page.size or PAGE_SIZE
        first = first_of_page(request.page.token, ReportedSale)
        rows = await self._store.scan(
            ReportedSale,
            DIRECTORY,
            first=max(first, f"{recovery.recovery_id}/"),
            last=f"{recovery.recovery_id}0",  # the character after the slash
            limit=size + 1,
        )
        shown, next_page_token = page(rows, size)
        return contract.ListReportedSalesResponse(
            sales=[_sale_message(sale) for sale in shown], next_page_token=next_page_token
        )

    async def FinishRecovery(
        self, request: contract.FinishRecoveryRequest, context: _Context
    ) -> contract.FinishRecoveryResponse:
        """Let what was frozen be used again."""
        command = commands.FinishRecovery(
            caller=CALLER.get(),
            partition=DIRECTORY,
            recovery_id=request.recovery_id,
            note=request.note,
        )
        await decided(self._lane, command, RowAnswer)
        recovery = await newest_recovery(self._store)
        assert recovery is not None, "the recovery was just decided about"
        return contract.FinishRecoveryResponse(recovery=_recovery_message(recovery))

    async def _reports(self, recovery: Recovery) -> list[TerminalReport]:
        """Return a report for every terminal that is enrolled, or has reported, by id."""
        found = await self._store.scan(
            TerminalReport,
            DIRECTORY,
            first=f"{recovery.recovery_id}/",
            last=f"{recovery.recovery_id}0",
            limit=TERMINALS_A_STEP,
        )
        reports = {report.terminal_id: report for report in found}
        first = ""
        while True:
            terminals = await self._store.scan(
                Terminal, DIRECTORY, first=first, limit=TERMINALS_A_STEP
            )
            for terminal in terminals:
                if terminal.state is TerminalState.ENROLLED:
                    reports.setdefault(
                        terminal.terminal_id,
                        TerminalReport(
                            partition=DIRECTORY,
                            recovery_id=recovery.recovery_id,
                            terminal_id=terminal.terminal_id,
                        ),
                    )
            if len(terminals) < TERMINALS_A_STEP:
                return [reports[name] for name in sorted(reports)]
            first = f"{terminals[-1].text}\0"


def _recovery_message(recovery: Recovery) -> contract.Recovery:
    return contract.Recovery(
        recovery_id=recovery.recovery_id,
        opened_at=time_message(recovery.opened_at),
        lost_since=time_message(recovery.lost_since),
        lost_at_least=recovery.lost_at_least,
        kept_sequence=recovery.kept_sequence,
        epoch=recovery.epoch,
        found_by=recovery.found_by,
        finished_at=time_message(recovery.finished_at),
        finished_by=recovery.finished_by,
        note=recovery.note,
    )


def _report_message(report: TerminalReport) -> contract.TerminalReport:
    return contract.TerminalReport(
        terminal_id=report.terminal_id,
        reported_at=time_message(report.reported_at),
        sales=report.sales,
        problems=report.problems,
    )


def _sale_message(sale: ReportedSale) -> contract.ReportedSale:
    return contract.ReportedSale(
        process_id=sale.process_id,
        terminal_id=sale.terminal_id,
        outcome=number_in_contract(sale.outcome),
        problems=sale.problems,
        reported_at=time_message(sale.reported_at),
    )
