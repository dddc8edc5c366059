"""G17: a restored backup revives nothing that was spent.

Some customers each have a ticket, a bill and points, and for each of these a code that the backup
knows as unused. All of it is spent after the backup. Then the backup is restored, and everything is
tried again: the old codes, and fresh codes for the old rights; before the terminals have reported,
and after that is settled.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tallymark.v1 import action_pb2, customer_service_pb2, identification_pb2, process_pb2
from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark.v1.action_pb2 import Action
from tallymark_protocol.errors import TallymarkError
from tallymark_server.domain import frozen
from tallymark_server.keyring import Keyring
from tests.integration.restoring.ground import Kept, Served
from tests.proof import Proof
from tests.world.actions import ADMIT, burn, pay_bill
from tests.world.phone import Phone
from tests.world.terminal import Terminal

pytestmark = pytest.mark.guarantee

RECORDS_A_CALL = 20

POINTS = 50


class Right(NamedTuple):
    """Something that a customer can spend once, with a code that the backup knows."""

    phone: Phone
    action: Action
    purpose: identification_pb2.CodePurpose.ValueType
    ticket: customer_service_pb2.TicketChoice | None
    code: str

    async def fresh_code(self) -> str:
        more = {"ticket": self.ticket} if self.ticket else {}
        return await self.phone.issue(self.purpose, **more)


class Fallen(NamedTuple):
    """A server that had a backup, sold on, and was restored."""

    kept: Kept
    rights: list[Right]
    records: list[bytes]


async def rights_of(served: Served, number: int) -> list[Right]:
    """Add a customer with three rights, and a code for each."""
    phone = await served.shop.world.add_phone(f"customer-{number}")
    phone.stub = served.phone.stub
    await served.operator.add_ticket(phone, f"T-{number}")
    await served.operator.add_bill(phone, f"R-{number}", 500)
    await served.operator.add_points(phone, POINTS)
    ticket = customer_service_pb2.TicketChoice(event_id="jazz", ticket_id=f"T-{number}")
    return [
        await _with_code(phone, ADMIT, identification_pb2.CODE_PURPOSE_TICKET, ticket),
        await _with_code(
            phone, pay_bill(f"R-{number}"), identification_pb2.CODE_PURPOSE_GENERAL, None
        ),
        await _with_code(phone, burn(POINTS), identification_pb2.CODE_PURPOSE_POINTS, None),
    ]


async def _with_code(
    phone: Phone,
    action: Action,
    purpose: identification_pb2.CodePurpose.ValueType,
    ticket: customer_service_pb2.TicketChoice | None,
) -> Right:
    right = Right(phone, action, purpose, ticket, "")
    return right._replace(code=await right.fresh_code())


async def show(till: Terminal, code: str, action: Action) -> str:
    """Show a code and ask; return "OK" or why not."""
    try:
        process = await till.resolve(code, action)
    except TallymarkError as error:
        return str(error.reason)
    if process.state == process_pb2.PROCESS_STATE_DECLINED:
        return _reason(process)
    return "OK"


def _reason(process: process_pb2.Process) -> str:
    return action_pb2.RefusalReason.Name(process.refusal.reason).removeprefix("REFUSAL_REASON_")


async def fall(path: Path, customers: int) -> Fallen:
    kept = Kept.under(path)
    rights: list[Right] = []
    records: list[bytes] = []
    async with kept.served() as served:
        for number in range(customers):
            rights += await rights_of(served, number)
        backup = await served.operator.call("Backup", operator.BackupRequest(name="night"))
        kept.clock.move(seconds=1)
        for right in rights:
            process = await served.till.resolve(right.code, right.action)
            answer = await served.till.complete(process.process_id)
            records.append(answer.process.sealed_record)
    kept.restore(Path(backup.path))
    return Fallen(kept, rights, records)


async def replay(served: Served, rights: list[Right]) -> Counter[str]:
    """Show every old code; return how often what was answered."""
    return Counter([await show(served.till, right.code, right.action) for right in rights])


async def try_again(served: Served, rights: list[Right]) -> Counter[str]:
    """Show a fresh code for every old right; return how often what was answered."""
    seen: Counter[str] = Counter()
    for right in rights:
        right.phone.stub = served.phone.stub  # one connection for all
        seen[await show(served.till, await right.fresh_code(), right.action)] += 1
    return seen


async def report(served: Served, records: list[bytes]) -> Counter[str]:
    """Report the sealed records as a terminal does; return how many were what."""
    keys = await served.till.call("ListVerificationKeys", terminal.ListVerificationKeysRequest())
    counts: Counter[str] = Counter()
    for first in range(0, len(records), RECORDS_A_CALL):
        answer = await served.till.call(
            "ReportSales",
            terminal.ReportSalesRequest(
                recovery_id=keys.open_recovery.recovery_id,
                sealed_records=records[first : first + RECORDS_A_CALL],
                is_last=first + RECORDS_A_CALL >= len(records),
            ),
        )
        for name in ("known", "applied", "with_problems", "not_genuine"):
            counts[name] += getattr(answer, name)
    return counts


async def finish(served: Served) -> operator.GetRecoveryResponse:
    told: operator.GetRecoveryResponse
    told = await served.operator.call("GetRecovery", operator.GetRecoveryRequest())
    request = operator.FinishRecoveryRequest(
        recovery_id=told.recovery.recovery_id, note="all terminals have reported"
    )
    await served.operator.call("FinishRecovery", request)
    return told


async def test_nothing_that_was_spent_after_the_backup_can_be_spent_again(
    tmp_path: Path, proof: Proof
) -> None:
    customers = proof.trials(ci=6, campaign=334)
    kept, rights, records = await fall(tmp_path, customers)
    async with kept.served() as served:
        old = await replay(served, rights)
        frozen_rights = await try_again(served, rights)
        reported = await report(served, records)
        again = await report(served, records)
        still_frozen = await try_again(served, rights)
        told = await finish(served)
        settled = await try_again(served, rights)
        balances = [await right.phone.points() for right in rights]

    assert reported == {"applied": len(rights), "known": 0, "with_problems": 0, "not_genuine": 0}
    assert again["known"] + again["applied"] == len(rights)
    assert set(settled) == {"ALREADY_ADMITTED", "BILL_ALREADY_PAID", "INSUFFICIENT_POINTS"}
    assert balances == [0] * len(rights)
    assert told.recovery.lost_at_least > 0
    assert [one.sales for one in told.terminals] == [len(rights)]
    tries = (old, frozen_rights, still_frozen, settled)
    proof.record(
        "G17 rights spent after a backup that was restored",
        trials=sum(seen.total() for seen in tries),
        failures=sum(seen["OK"] for seen in tries) + len(rights) - old["CODE_NOT_GENUINE"],
        faults_fired={
            "old codes": old["CODE_NOT_GENUINE"],
            "fresh codes for frozen rights": frozen_rights["RESTORE_UNSETTLED"],
            "fresh codes for spent rights": settled.total(),
        },
        mutants_killed={"the epoch is not raised": 1, "nothing is frozen": 1},
        figures={"rights": len(rights), "reported": reported["applied"]},
    )


async def test_an_epoch_that_comes_back_with_the_database_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the epoch is in the database, so the backup has the one of then."""
    kept, rights, _ = await fall(tmp_path, 1)
    monkeypatch.setattr(Keyring, "raise_epoch", lambda *_: None)
    async with kept.served() as served:
        seen = await replay(served, rights)

    assert seen["CODE_NOT_GENUINE"] == 0, "every old code is genuine again"


async def test_a_freeze_that_is_left_out_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: rights of before the restore may be used at once."""
    kept, rights, _ = await fall(tmp_path, 1)
    monkeypatch.setattr(frozen, "is_frozen", lambda *_: False)
    async with kept.served() as served:
        seen = await try_again(served, rights)

    assert seen == {"OK": len(rights)}
