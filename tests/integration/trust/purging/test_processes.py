"""Which processes stay, however old, and what becomes of a sale that is reported years late."""

from collections.abc import Awaitable, Callable

import pytest

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import identification_pb2, terminal_service_pb2
from tallymark_server.domain import retention
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.processes import Code, CustomerProcess, Process
from tallymark_server.domain.model.recovery import Recovery, SaleReportOutcome
from tallymark_server.domain.model.tallies import DAY_MILLISECONDS
from tallymark_server.domain.processes.reported import apply_reported
from tallymark_server.domain.state import Draft
from tallymark_server.keyring import Keyring
from tests.doubles.mutant import Mutant, plant
from tests.world.actions import burn
from tests.world.clock import START
from tests.world.messages import new_id
from tests.world.shop import Shop

from .ageing import YEARS_DAYS, kept, opened, pass_days
from .repetitions import resolve


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
        await resolve(shop)
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
