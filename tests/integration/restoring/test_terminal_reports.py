"""The terminal program at a server that was restored: it reports by itself what it sold."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallymark.v1 import action_pb2, process_pb2
from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark_terminal.actions import Action, BurnPoints, Charge, EarnPoints, SaleRequest
from tallymark_terminal.home import Home
from tallymark_terminal.money import Money
from tallymark_terminal.sale_results import Outcome
from tests.contract.institution_fixtures import trial
from tests.integration.restoring.ground import Kept, Served
from tests.integration.terminal_sales.test_with_server import Till, enrol, opened
from tests.world.actions import ADMIT, burn, charge


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """Keep everything, at an institution that outlives the server."""
    async with trial() as institution:
        kept = Kept.under(tmp_path)
        kept.institution = institution.institution
        yield kept


@contextlib.asynccontextmanager
async def at_till(served: Served, path: Path) -> AsyncIterator[Till]:
    """Open the terminal program, enrolled the first time, where the server listens now."""
    home = Home(path / "till-9", server=f"127.0.0.1:{served.shop.world.app.terminal_port}")
    if not home.journal_path.exists():
        await enrol(served.shop, home)
    async with opened(served.shop, home) as till:
        yield till


def sale(*actions: Action) -> SaleRequest:
    return SaleRequest(actions=actions)


CARD = Charge(amount=Money(currency_code="EUR", minor_units=450))


async def back_up(served: Served) -> Path:
    answer = await served.operator.call("Backup", operator.BackupRequest(name="night"))
    return Path(answer.path)


async def told(served: Served) -> operator.GetRecoveryResponse:
    answer: operator.GetRecoveryResponse
    answer = await served.operator.call("GetRecovery", operator.GetRecoveryRequest())
    return answer


async def state_of(served: Served, process_id: str) -> process_pb2.Process:
    request = operator.OperatorServiceListProcessesRequest()
    answer: operator.OperatorServiceListProcessesResponse
    answer = await served.operator.call("ListProcesses", request)
    return next(one for one in answer.processes if one.process_id == process_id)


async def test_lost_sales_are_reported_charged_once_and_told_to_the_operator(
    kept: Kept, tmp_path: Path
) -> None:
    async with kept.served() as served:
        async with at_till(served, tmp_path) as till:
            backup = await back_up(served)
            request = sale(CARD, BurnPoints(points=20), EarnPoints(points=5))
            assert await till.scan(await served.phone.issue(), request) is Outcome.EXECUTED
            process_id = till.shown()["process_id"]
        await served.shop.world.settle()
    kept.restore(backup)

    async with kept.served() as served:
        assert await served.phone.points() == 300
        async with at_till(served, tmp_path):
            await served.shop.world.settle()
        answer = await told(served)
        process = await state_of(served, process_id)

        assert await served.phone.points() == 285
        assert process.state == process_pb2.PROCESS_STATE_COMPLETED
        assert [outcome.settlement for outcome in process.actions] == [
            action_pb2.SETTLEMENT_SETTLED
        ] * 3, "the institution had captured under this id, and said so again"
        reported = {one.terminal_id: one for one in answer.terminals}
        assert reported["till-9"].HasField("reported_at")
        assert reported["till-9"].sales == 1
        assert not reported["till-1"].HasField("reported_at"), "this one is missing"


async def test_a_sale_that_the_backup_has_as_open_is_completed_by_the_report(kept: Kept) -> None:
    async with kept.served() as served:
        process = await served.shop.scan(charge(450), burn(20))
        backup = await back_up(served)
        completed = await served.till.complete(process.process_id)
        await served.shop.world.settle()
    kept.restore(backup)

    async with kept.served() as served:
        answer = await report(served, completed.process.sealed_record)
        again = await report(served, completed.process.sealed_record)
        await served.shop.world.settle()
        after = await state_of(served, process.process_id)

        assert (answer.applied, again.applied) == (1, 1)
        assert after.state == process_pb2.PROCESS_STATE_COMPLETED
        assert await served.phone.points() == 280


async def test_a_record_that_was_changed_or_is_another_terminals_counts_for_nothing(
    kept: Kept,
) -> None:
    async with kept.served() as served:
        backup = await back_up(served)
        process = await served.shop.scan(burn(20))
        record = process.sealed_record
        other = await served.shop.world.add_terminal("till-2")
        theirs = (await other.resolve(await served.phone.issue(), burn(10))).sealed_record
    kept.restore(backup)

    changed = record[:-1] + bytes([record[-1] ^ 1])
    async with kept.served() as served:
        answer = await report(served, changed, theirs, b"\0" * 16)

        assert (answer.not_genuine, answer.applied) == (3, 0)
        assert await served.phone.points() == 300


async def test_what_was_taken_back_after_the_backup_is_taken_back_again(
    kept: Kept, tmp_path: Path
) -> None:
    async with kept.served() as served, at_till(served, tmp_path) as till:
        assert await till.scan(await served.phone.issue(), sale(EarnPoints(points=5)))
        backup = await back_up(served)
        request_id = till.shown()["request_id"]
        found = await till.terminal.journal.find(request_id)
        assert found is not None
        result = await till.terminal.settling.reverse(found, note="wrong customer")
        assert result.outcome is Outcome.GIVEN_UP
        assert await served.phone.points() == 300
    kept.restore(backup)

    async with kept.served() as served:
        assert await served.phone.points() == 305
        async with at_till(served, tmp_path):
            assert await served.phone.points() == 300


async def test_rights_that_are_gone_with_the_backup_are_listed_for_the_operator(
    kept: Kept,
) -> None:
    async with kept.served() as served:
        backup = await back_up(served)
        await served.operator.add_ticket(served.phone, "A-2")
        await served.operator.add_points(served.phone, 100, "late")
        first = await served.shop.scan(ADMIT, burn(350))
        process = await served.shop.scan(ADMIT)
        records = [
            (await served.till.get(one)).sealed_record
            for one in (first.process_id, process.process_id)
        ]
    kept.restore(backup)

    async with kept.served() as served:
        answer = await report(served, *records)
        listed = await served.operator.call(
            "ListReportedSales", operator.ListReportedSalesRequest()
        )

        assert answer.with_problems == 2
        assert {one.process_id: list(one.problems) for one in listed.sales} == {
            first.process_id: ["50 points were spent that the account does not have"],
            process.process_id: [
                "ticket A-2 of jazz was added after the backup: add it again with one entry fewer"
            ],
        }
        assert await served.phone.points() == 0


async def report(served: Served, *records: bytes) -> terminal.ReportSalesResponse:
    recovery_id = (await told(served)).recovery.recovery_id
    answer: terminal.ReportSalesResponse = await served.till.call(
        "ReportSales",
        terminal.ReportSalesRequest(recovery_id=recovery_id, sealed_records=records, is_last=True),
    )
    return answer
