"""G11 after old rows were removed, and what must never be removed."""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import identification_pb2, terminal_service_pb2
from tallymark.v1 import operator_service_pb2 as o
from tallymark_admin.journal_check import check_file
from tallymark_protocol.checkpoint import Checkpoint
from tallymark_protocol.journal_messages import entry_of
from tallymark_server.domain import retention
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.journal import GENESIS, Record
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.processes import Code, CustomerProcess, Process, Request
from tallymark_server.domain.model.recovery import Recovery, SaleReportOutcome
from tallymark_server.domain.model.tallies import DAY_MILLISECONDS
from tallymark_server.domain.processes.reported import apply_reported
from tallymark_server.domain.state import Draft, Row
from tallymark_server.keyring import Keyring
from tallymark_server.lanes import purger
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.storage.sqlite import SqliteStore
from tests.doubles.mutant import Mutant, plant
from tests.integration.trust.test_dead_codes import ENDS, show
from tests.proof import Proof
from tests.world.actions import burn
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import START, MovedClock
from tests.world.messages import by_request, new_id
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.shop import Shop, open_shop
from tests.world.signed_requests import sign_in_request

DAY_SECONDS = 86_400

YEARS_DAYS = 401
"""Longer than a process is kept unless the operator says otherwise."""


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purger, "REST_TIMES", 0)
    monkeypatch.setattr(purger, "ROWS_A_STEP", 7)


@asynccontextmanager
async def opened(keyring: Keyring) -> AsyncIterator[Shop]:
    """Serve a shop whose customer has many points."""
    async with world(MemoryStore(), keyring) as made:
        shop = await open_shop(made)
        await made.operator.add_points(shop.phone, 100_000, "more")
        yield shop


async def pass_days(shop: Shop, days: float) -> int:
    """Let days pass and old rows be removed; return how many were."""
    await shop.world.pass_time(seconds=days * DAY_SECONDS)
    total = 0
    while removed := await shop.world.app.purger.look():
        total += removed
    return total


async def _sign_in_again(shop: Shop) -> None:
    answer = await shop.phone.call("SignIn", sign_in_request(shop.phone))
    shop.phone.secret = answer.session_token


async def kept(shop: Shop, *tables: type[Row]) -> dict[str, int]:
    """Return how many rows there are in these tables."""
    found = {table: await shop.world.store.scan(table, 0, limit=10_000) for table in tables}
    return {table.table: len(rows) for table, rows in found.items()}


@pytest.mark.guarantee
async def test_a_dead_code_stays_dead_after_its_rows_were_removed(
    keyring: Keyring, proof: Proof, tmp_path: Path
) -> None:
    codes = proof.trials(ci=20, campaign=2_000)
    seen: Counter[str] = Counter()
    authority, clock, dead = new_authority(LONG_LIVES), MovedClock(), list[str]()
    path = tmp_path / "tallymark.sqlite3"
    store = await SqliteStore.open(path, keyring.cells)
    async with world(store, keyring, clock=clock, authority=authority) as made:
        shop = await open_shop(made)
        await made.operator.add_points(shop.phone, 100_000, "more")
        tills = [shop.till, await made.add_terminal("till-2"), await made.add_terminal("gate-1")]
        for number in range(codes):
            dead.append(await shop.phone.issue())
            await ENDS[number % len(ENDS)](shop, dead[-1])
            assert await pass_days(shop, 0) == 0, "nothing is old"
        before = await shop.belongings()
        for days in (1.1, 30, YEARS_DAYS):
            assert await pass_days(shop, days) > 0
            for code in dead:
                for till in tills:
                    seen[await show(till, code)] += 1
        assert await kept(shop, Code, Process) == {"codes": 0, "processes": 0}
    await store.close()

    store = await SqliteStore.open(path, keyring.cells)
    async with world(store, keyring, clock=clock, authority=authority, again=True) as made:
        for till in tills:
            await made.connect(till)
            for code in dead:
                seen[await show(till, code)] += 1
        assert await Shop(made, Phone(None), tills[0]).belongings() == before
    await store.close()

    assert set(seen) == {"CODE_EXPIRED"}
    proof.record(
        "G11 replays of codes whose rows were removed",
        trials=seen.total(),
        failures=seen["OK"],
        faults_fired={"removed": codes},
        mutants_killed={"rows removed before expiry and skew": 1, "open processes removed": 1},
    )


async def _good_codes(shop: Shop) -> list[str]:
    """Show a code before it is over and again when it is spent, while old rows are removed."""
    code = await shop.phone.issue()
    await shop.world.app.purger.look()
    first = await show(shop.till, code)
    await shop.world.app.purger.look()
    return [first, await show(shop.till, code)]


async def test_codes_that_are_not_over_stay(keyring: Keyring) -> None:
    async with opened(keyring) as shop:
        assert await _good_codes(shop) == ["OK", "CODE_ALREADY_CLAIMED"]


async def test_codes_removed_before_their_expiry_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: rows go an hour before expiry, not a day after it."""
    for module in (retention, purger):
        monkeypatch.setattr(module, "CODE_KEPT_SECONDS", -3_600)
    async with opened(keyring) as shop:
        assert await _good_codes(shop) == ["CODE_NOT_FOUND", "CODE_NOT_FOUND"]


async def _instructed(shop: Shop) -> str:
    process = await shop.scan(burn(5))
    return str(process.process_id)


async def _disputed(shop: Shop) -> str:
    process = await shop.scan(burn(5))
    await shop.till.complete(process.process_id)
    request = c.DisputeProcessRequest(
        request_id=new_id(), process_id=process.process_id, statement="It was not me."
    )
    await shop.phone.call("DisputeProcess", request)
    return str(process.process_id)


@pytest.mark.parametrize("make", [_instructed, _disputed])
async def test_what_waits_for_a_person_stays_and_can_be_ended(
    keyring: Keyring, make: Callable[[Shop], Awaitable[str]]
) -> None:
    async with opened(keyring) as shop:
        process_id = await make(shop)

        await pass_days(shop, 2 * YEARS_DAYS)

        waiting = [process.process_id for process in await shop.unresolved()]
        assert waiting == [process_id]
        assert (await shop.till.get(process_id)).process_id == process_id


async def test_an_open_process_can_be_completed_after_years(keyring: Keyring) -> None:
    async with opened(keyring) as shop:
        process_id = await _instructed(shop)
        await pass_days(shop, 2 * YEARS_DAYS)

        await shop.till.complete(process_id)

        assert await pass_days(shop, YEARS_DAYS) > 0
        assert await kept(shop, Code, Process, CustomerProcess) == {
            "codes": 0,
            "processes": 0,
            "customer_processes": 0,
        }


async def test_open_processes_that_are_removed_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: only the age counts."""
    bug = Mutant(retention, "is_old_process", "process.is_final and is_settled and ", "")
    plant(bug, monkeypatch)
    async with opened(keyring) as shop:
        process_id = await _instructed(shop)
        await pass_days(shop, 2 * YEARS_DAYS)
        request = terminal_service_pb2.GetProcessRequest(
            reference=identification_pb2.ProcessReference(
                identification=identification_pb2.Identification(process_id=process_id)
            )
        )

        assert await shop.till.reason("GetProcess", request) == "PROCESS_NOT_FOUND"


Again = Callable[[Shop], Awaitable[str]]


async def _issue(shop: Shop) -> Again:
    request = c.IssueCodeRequest(
        request_id=new_id(), purpose=identification_pb2.CODE_PURPOSE_GENERAL
    )
    first = (await shop.phone.call("IssueCode", request)).code

    async def again(shop: Shop) -> str:
        second = (await shop.phone.call("IssueCode", request)).code
        return "the same code" if second == first else "another code"

    return again


async def _resolve(shop: Shop, *, complete: bool = True) -> Again:
    code = await shop.phone.issue()
    request = shop.till.resolve_request(code, burn(5), complete_on_instruction=complete)
    await shop.till.call("ResolveCode", request)
    return lambda shop: shop.till.reason("ResolveCode", request)


async def _complete(shop: Shop) -> Again:
    process = await shop.scan(burn(5))
    request = terminal_service_pb2.CompleteProcessRequest(
        request_id=new_id(),
        reference=identification_pb2.ProcessReference(
            identification=identification_pb2.Identification(process_id=process.process_id)
        ),
    )
    await shop.till.call("CompleteProcess", request)
    return lambda shop: shop.till.reason("CompleteProcess", request)


async def _reverse(shop: Shop) -> Again:
    process = await shop.scan(burn(5))
    await shop.till.complete(process.process_id)
    request = terminal_service_pb2.ReverseProcessRequest(
        request_id=new_id(),
        reference=identification_pb2.ProcessReference(
            identification=identification_pb2.Identification(process_id=process.process_id)
        ),
    )
    await shop.till.call("ReverseProcess", request)
    return lambda shop: shop.till.reason("ReverseProcess", request)


async def _give_up(shop: Shop) -> Again:
    """Give up a request that never arrived; then it arrives."""
    code = await shop.phone.issue()
    late = shop.till.resolve_request(code, burn(5))
    request = terminal_service_pb2.ReverseProcessRequest(
        request_id=new_id(), reference=by_request(code, late.request_id)
    )
    await shop.till.call("ReverseProcess", request)
    return lambda shop: shop.till.reason("ResolveCode", late)


async def _add_points(shop: Shop) -> Again:
    await shop.world.operator.add_points(shop.phone, 50, "once")

    async def again(shop: Shop) -> str:
        await shop.world.operator.add_points(shop.phone, 50, "once")
        return "OK"

    return again


@pytest.mark.parametrize(
    ("first", "later", "years_later"),
    [
        (_issue, "another code", "another code"),
        (_resolve, "OK", "CODE_EXPIRED"),
        (_complete, "PROCESS_NOT_INSTRUCTED", "PROCESS_NOT_FOUND"),
        (_reverse, "OK", "PROCESS_NOT_FOUND"),
        (_give_up, "CODE_EXPIRED", "CODE_EXPIRED"),
        (_add_points, "OK", "OK"),
    ],
)
async def test_a_request_repeated_after_it_was_removed_has_no_second_effect(
    keyring: Keyring, first: Callable[[Shop], Awaitable[Again]], later: str, years_later: str
) -> None:
    async with opened(keyring) as shop:
        again = await first(shop)
        before = await shop.belongings()
        for days, answer in ((31, later), (YEARS_DAYS, years_later)):
            await pass_days(shop, days)
            await _sign_in_again(shop)
            assert await again(shop) == answer
            assert await shop.belongings() == before


async def test_requests_go_by_the_journal_whatever_their_ids(keyring: Keyring) -> None:
    async with opened(keyring) as shop:
        for make in (_issue, _complete, _reverse, _give_up):
            await make(shop)
        with_effects = await kept(shop, Request)

        await pass_days(shop, 31)
        left = await shop.world.store.scan(Request, 0, limit=100)
        await pass_days(shop, YEARS_DAYS)

        assert with_effects["requests"] > len(left) > 0
        assert all(request.process_id for request in left), "they go with their processes"
        assert await kept(shop, Request) == {"requests": 0}


async def test_what_took_a_process_back_stays_as_long_as_that(keyring: Keyring) -> None:
    async with opened(keyring) as shop:
        process = await shop.scan(burn(5))
        await shop.till.complete(process.process_id)
        await shop.till.reverse(process.process_id)
        request = c.DisputeProcessRequest(
            request_id=new_id(), process_id=process.process_id, statement="Twice."
        )
        await shop.phone.call("DisputeProcess", request)

        await pass_days(shop, YEARS_DAYS)

        assert await kept(shop, Process) == {"processes": 2}
        await shop.till.reverse(process.process_id)


async def test_nothing_is_removed_while_a_recovery_is_open(
    keyring: Keyring,
) -> None:
    async with opened(keyring) as shop:
        await _resolve(shop)
        recovery = Recovery(
            partition=DIRECTORY,
            recovery_id="r",
            opened_at=1,
            lost_since=1,
            kept_sequence=1,
            lost_at_least=1,
            epoch=2,
            found_by="test",
        )
        await shop.world.store.save({recovery.key: recovery}, [])

        assert await pass_days(shop, YEARS_DAYS) == 0


async def test_an_old_sale_that_may_have_been_removed_is_not_applied_again(
    keyring: Keyring,
) -> None:
    """A terminal reports it after a restore, when nobody can tell it from one that was lost."""
    async with opened(keyring) as shop:
        process = await shop.scan(burn(5))
        await shop.till.complete(process.process_id)
        (sealed,) = await shop.world.store.scan(Process, 0, limit=10)
    draft = Draft({sealed.key: None, Policy.key_of_current(): None})

    outcome, problems = apply_reported(draft, sealed, START + YEARS_DAYS * DAY_MILLISECONDS)

    assert outcome is SaleReportOutcome.CONTRADICTS
    assert problems
    assert not dict(draft.changes())


async def listed(shop: Shop) -> list[bytes]:
    """Return the journal as `tallymark-admin audit export` writes it."""
    request = o.ListJournalRequest(size=1_000)
    answer = await shop.world.operator.call("ListJournal", request)
    return [MessageToJson(entry, indent=None).encode() for entry in answer.entries]


async def test_a_journal_whose_payloads_were_erased_still_verifies(
    keyring: Keyring, tmp_path: Path
) -> None:
    store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", keyring.cells)
    path = tmp_path / "journal.jsonl"
    async with world(store, keyring) as made:
        shop = await open_shop(made)
        await made.operator.set_policy(keep_journal_days=40)
        await _complete(shop)
        before = [entry_of(line) for line in await listed(shop)]
        seen = Checkpoint(partition=0, sequence=len(before), chain_hash=before[-1].chain_hash)
        await pass_days(shop, 31)
        assert not any(entry_of(line).payload_hash for line in await listed(shop))
        await shop.world.pass_time(seconds=10 * DAY_SECONDS)
        for _ in range(3):  # the last entries of the first look are those of removing, and young
            await made.app.purger.look()

        after = await listed(shop)
        path.write_bytes(b"\n".join(after) + b"\n")
        checked = check_file(path, [seen])

        assert checked.problems == ()
        assert checked.erased == checked.erased_to == len(before)
        entries = [entry_of(line) for line in after]
        assert [(one.sequence, one.chain_hash) for one in entries[: len(before)]] == [
            (one.sequence, one.chain_hash) for one in before
        ]
        assert all(not entry.payload for entry in entries[: len(before)])
        assert entries[-1].payload, "what is young stays"
        path.write_bytes(after[0].replace(b'"command": "', b'"command": "Not') + b"\n")
        assert [problem.fault for problem in check_file(path, []).problems] == ["edited"]
    await store.close()


async def test_only_payloads_leave_the_journal(tmp_path: Path, keyring: Keyring) -> None:
    path = tmp_path / "tallymark.sqlite3"
    store = await SqliteStore.open(path, keyring.cells)
    record = Record(
        decided_at=1, command="C", caller="c", process_id="", state=0, payload="what was decided"
    )
    await store.save({}, [GENESIS.follow(0, record)])
    await store.erase_payloads(0, after_sequence=0, limit=9)
    await store.close()

    assert b"what was decided" not in path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        for change in ("payload = 'other'", "caller = 'd'", f"payload_sha256 = '{64 * 'a'}'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(f"UPDATE journal SET {change}")  # noqa: S608 -- our own texts
    again = await SqliteStore.open(path, keyring.cells)
    (entry,) = await again.journal(0, after_sequence=0, limit=9)
    assert GENESIS.follow(0, entry.record) == entry
    await again.close()
