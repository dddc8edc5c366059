"""A restored database: what is frozen, what terminals report, and how it is finished.

Between the backup and the restore tickets may have been used, bills paid and points spent, and the
database knows nothing of it. So what was registered before is frozen until the terminals have
reported what they executed and an operator has said that this is all.
"""

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done, RowAnswer, SaleReportAnswer
from tallymark_server.domain.commands import (
    FinishRecovery,
    FinishReport,
    RecordStart,
    ReportSale,
)
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.recovery import (
    Recovery,
    ReportedSale,
    SaleReportOutcome,
    ServerStart,
    TerminalReport,
)
from tallymark_server.domain.processes.reported import apply_reported
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = ["finish_recovery", "finish_report", "record_start", "report_sale"]


def record_start(draft: Draft, command: RecordStart, now: int) -> Done:
    """Write down the start, and open a recovery if something is lost.

    One that is still open is taken up by the new one, which reaches back as far.
    """
    draft.put(ServerStart(start_id=command.start_id, started_at=now))
    loss = command.loss
    if loss is None:
        return Done()
    before = draft.get(Recovery.key_of_newest())
    lost_since = loss.lost_since
    if before is not None and before.is_unsettled:
        lost_since = min(lost_since, before.lost_since)
    draft.put(
        Recovery(
            recovery_id=loss.recovery_id,
            opened_at=now,
            lost_since=lost_since,
            kept_sequence=loss.kept_sequence,
            lost_at_least=loss.lost_at_least,
            epoch=loss.epoch,
            found_by=loss.found_by,
        )
    )
    return Done(count=1)


def report_sale(draft: Draft, command: ReportSale, now: int) -> SaleReportAnswer:
    """Take in one sale that a terminal executed; reported again, it counts once."""
    recovery = _open_recovery(draft, command.recovery_id)
    terminal_id = command.caller.caller_id
    process_id = command.process.process_id if command.process else command.record_hash
    key = ReportedSale.key_of(recovery.recovery_id, process_id)
    earlier = draft.get(key)
    if earlier is not None:
        return SaleReportAnswer(outcome=earlier.outcome)
    report = _report_of(draft, recovery, terminal_id)
    outcome = SaleReportOutcome.NOT_GENUINE
    problems: tuple[str, ...] = ("it is no record of this server",)
    if command.process is not None:
        outcome, problems = apply_reported(draft, command.process, now)
    if outcome is SaleReportOutcome.KNOWN:
        return SaleReportAnswer(outcome=outcome)
    draft.put(
        ReportedSale(
            partition=DIRECTORY,
            recovery_id=recovery.recovery_id,
            process_id=process_id,
            terminal_id=terminal_id,
            outcome=outcome,
            problems=problems,
            reported_at=now,
        )
    )
    draft.put(
        msgspec.structs.replace(
            report, sales=report.sales + 1, problems=report.problems + bool(problems)
        )
    )
    return SaleReportAnswer(outcome=outcome)


def finish_report(draft: Draft, command: FinishReport, now: int) -> Done:
    """Write down that a terminal has reported everything."""
    recovery = _open_recovery(draft, command.recovery_id)
    report = _report_of(draft, recovery, command.caller.caller_id)
    draft.put(msgspec.structs.replace(report, reported_at=now))
    return Done()


def finish_recovery(draft: Draft, command: FinishRecovery, now: int) -> RowAnswer:
    """Let what was frozen be used again. Repeating it changes nothing."""
    recovery = draft.get(Recovery.key_of_newest())
    if recovery is None or recovery.recovery_id != command.recovery_id:
        raise Refused(Reason.RECOVERY_NOT_OPEN)
    if not recovery.is_unsettled:
        return RowAnswer(is_new=False)
    draft.put(
        msgspec.structs.replace(
            recovery,
            finished_at=now,
            finished_by=command.caller.caller_id,
            note=command.note,
        )
    )
    return RowAnswer(is_new=True)


def _open_recovery(draft: Draft, recovery_id: str) -> Recovery:
    recovery = draft.get(Recovery.key_of_newest())
    if recovery is None or not recovery.is_unsettled or recovery.recovery_id != recovery_id:
        raise Refused(Reason.RECOVERY_NOT_OPEN)
    return recovery


def _report_of(draft: Draft, recovery: Recovery, terminal_id: str) -> TerminalReport:
    key = TerminalReport.key_of(recovery.recovery_id, terminal_id)
    return draft.get(key) or TerminalReport(
        partition=DIRECTORY, recovery_id=recovery.recovery_id, terminal_id=terminal_id
    )
