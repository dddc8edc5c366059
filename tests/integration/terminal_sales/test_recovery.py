"""A terminal killed anywhere in a sale: the next start settles it, once."""

import pytest

from tallymark.v1 import process_pb2
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_terminal.actions import Admit, AdmitDirection, ReadPoints
from tallymark_terminal.identification import TelephoneNumber
from tallymark_terminal.journal import Stage
from tallymark_terminal.sale_results import Outcome

from .rig import Rig

AWAITING = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
INSTRUCTED = process_pb2.PROCESS_STATE_INSTRUCTED
COMPLETED = process_pb2.PROCESS_STATE_COMPLETED
DECLINED = process_pb2.PROCESS_STATE_DECLINED
RELEASED = process_pb2.PROCESS_STATE_RELEASED

ADMIT = Admit(event_id="concert", direction=AdmitDirection.ENTRY)


@pytest.mark.parametrize(
    ("hangs", "rpc", "outcome", "times_shown"),
    [
        ("hangs_before", "ResolveCode", Outcome.GIVEN_UP, 0),
        ("hangs_after", "ResolveCode", Outcome.EXECUTED, 1),
        ("hangs_before", "UpdatePoints", Outcome.EXECUTED, 1),
        ("hangs_after", "UpdatePoints", Outcome.EXECUTED, 1),
        ("hangs_before", "CompleteProcess", Outcome.EXECUTED, 1),
        ("hangs_after", "CompleteProcess", Outcome.EXECUTED, 1),
    ],
)
async def test_killed_sale_is_picked_up_as_one_process_and_shown_at_most_once(
    rig: Rig, hangs: str, rpc: str, outcome: Outcome, times_shown: int
) -> None:
    setattr(rig.double, hangs, rpc)
    await rig.kill_in_sale(ReadPoints(), set_points=500)

    (result,) = await rig.recover()

    assert result.outcome is outcome
    assert len(rig.double.processes) + len(rig.double.tombstones) == 1
    assert len(rig.cashier.executed) == times_shown
    assert (await rig.only_sale()).stage is Stage.ENDED
    assert await rig.recover() == []


@pytest.mark.parametrize("rpc", ["ResolveCode", "UpdatePoints", "CompleteProcess"])
async def test_every_repeated_call_carries_the_request_id_of_the_first(rig: Rig, rpc: str) -> None:
    rig.double.hangs_after = rpc
    await rig.kill_in_sale(ReadPoints(), set_points=500)

    await rig.recover()

    assert len({request.request_id for request in rig.double.requests(rpc)}) == 1


@pytest.mark.parametrize("hangs", ["hangs_before", "hangs_after"])
async def test_sale_killed_while_it_was_given_up_is_given_up_again(rig: Rig, hangs: str) -> None:
    rig.double.lost_answers["ResolveCode"] = 1_000
    setattr(rig.double, hangs, "ReverseProcess")
    await rig.kill_in_sale()

    (result,) = await rig.recover()

    assert result.outcome is Outcome.GIVEN_UP
    assert rig.double.only_process().state == RELEASED
    assert len({r.request_id for r in rig.double.requests("ReverseProcess")}) == 1


async def test_request_that_arrives_after_the_recovery_does_nothing(rig: Rig) -> None:
    rig.double.hangs_before = "ResolveCode"
    await rig.kill_in_sale()
    await rig.recover()

    with pytest.raises(Refused) as refused:
        await rig.resolve_again(await rig.only_sale())

    assert refused.value.reason is Reason.REQUEST_REVERSED
    assert not rig.double.processes


async def test_instruction_found_too_late_is_taken_back_and_not_shown(rig: Rig) -> None:
    rig.double.hangs_after = "ResolveCode"
    await rig.kill_in_sale()
    await rig.time.sleep(61)

    (result,) = await rig.recover()

    assert result.outcome is Outcome.GIVEN_UP
    assert rig.double.only_process().state == RELEASED
    assert not rig.cashier.executed


async def test_what_was_shown_is_completed_however_late(rig: Rig) -> None:
    rig.double.hangs_before = "CompleteProcess"
    await rig.kill_in_sale()
    await rig.time.sleep(86_400)

    (result,) = await rig.recover()

    assert result.outcome is Outcome.EXECUTED
    assert rig.double.only_process().state == COMPLETED


async def test_admission_that_was_never_shown_gives_the_entry_back_when_it_is_too_late(
    rig: Rig,
) -> None:
    rig.double.hangs_after = "ResolveCode"
    await rig.kill_in_sale(ADMIT, complete_on_instruction=True)
    await rig.time.sleep(61)

    (result,) = await rig.recover()

    assert result.outcome is Outcome.GIVEN_UP
    assert rig.double.only_process().reversed_by_process_id
    assert not rig.cashier.executed


async def test_admission_that_was_never_shown_is_shown_while_there_is_time(rig: Rig) -> None:
    rig.double.hangs_after = "ResolveCode"
    await rig.kill_in_sale(ADMIT, complete_on_instruction=True)
    await rig.time.sleep(10)

    (result,) = await rig.recover()

    assert result.outcome is Outcome.EXECUTED
    assert len(rig.cashier.executed) == 1


async def test_sale_that_an_operator_completed_is_not_taken_back(rig: Rig) -> None:
    rig.double.hangs_after = "ResolveCode"
    await rig.kill_in_sale()
    rig.double.only_process().state = COMPLETED
    await rig.time.sleep(86_400)

    (result,) = await rig.recover()

    assert result.outcome is Outcome.EXECUTED
    assert not rig.double.requests("ReverseProcess")


async def test_process_that_waits_for_the_customer_is_waited_for_again(rig: Rig) -> None:
    rig.double.states.extend([AWAITING])
    rig.double.hangs_before = "GetProcess"
    await rig.kill_in_sale(identification=TelephoneNumber(number="+4930123456"))
    rig.double.states.extend([AWAITING, INSTRUCTED])

    (result,) = await rig.recover()

    assert result.outcome is Outcome.EXECUTED
    assert rig.cashier.waits


async def test_declined_process_is_written_down_as_refused(rig: Rig) -> None:
    rig.double.states.append(DECLINED)
    rig.double.hangs_after = "ResolveCode"
    await rig.kill_in_sale()

    (result,) = await rig.recover()

    assert result.outcome is Outcome.REFUSED
    assert (await rig.only_sale()).outcome == "refused"


async def test_request_that_failed_is_written_down_with_its_reason(rig: Rig) -> None:
    rig.double.hangs_before = "ResolveCode"
    await rig.kill_in_sale()
    sale = await rig.only_sale()
    rig.double.failed[sale.request_id] = Reason.CODE_ALREADY_CLAIMED

    (result,) = await rig.recover()

    assert (result.outcome, result.reason) == (Outcome.REFUSED, Reason.CODE_ALREADY_CLAIMED)
    assert (await rig.only_sale()).stage is Stage.ENDED


async def test_telephone_sale_is_found_again_by_its_number(rig: Rig) -> None:
    rig.double.hangs_after = "ResolveCode"
    await rig.kill_in_sale(identification=TelephoneNumber(number="+4930123456"))

    (result,) = await rig.recover()

    assert result.outcome is Outcome.EXECUTED
    (query,) = rig.double.requests("GetProcess")
    assert query.reference.identification.telephone_number == "+4930123456"
    assert (await rig.only_sale()).telephone_number is None


async def test_held_sale_is_left_to_a_person(rig: Rig) -> None:
    await rig.sell(is_held=True)

    assert await rig.recover() == []
    assert (await rig.only_sale()).stage is Stage.HELD


async def test_silent_server_leaves_the_journal_as_it_was(rig: Rig) -> None:
    rig.double.hangs_before = "ResolveCode"
    await rig.kill_in_sale()
    rig.double.lost_requests["GetProcess"] = 1_000

    (result,) = await rig.recover()

    assert result.outcome is Outcome.UNKNOWN
    assert (await rig.only_sale()).stage is Stage.INTENT
