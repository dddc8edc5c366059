"""The sale loop over real gRPC: every way an answer can come, not come, or come late."""

import pytest

from tallymark.v1 import action_pb2, process_pb2
from tallymark_protocol.errors import NotDone, Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_terminal.actions import Admit, AdmitDirection, EarnPoints, ReadPoints
from tallymark_terminal.identification import TelephoneNumber
from tallymark_terminal.journal import Stage
from tallymark_terminal.processes import ProcessState, RefusalReason, ReversalOutcome
from tallymark_terminal.sale_results import Outcome

from .rig import Rig

AWAITING = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
AUTHORISING = process_pb2.PROCESS_STATE_AUTHORISING
INSTRUCTED = process_pb2.PROCESS_STATE_INSTRUCTED
OVERDUE = process_pb2.PROCESS_STATE_OVERDUE
CONTESTED = process_pb2.PROCESS_STATE_CONTESTED
DECLINED = process_pb2.PROCESS_STATE_DECLINED
RELEASED = process_pb2.PROCESS_STATE_RELEASED
EXPIRED = process_pb2.PROCESS_STATE_EXPIRED

ADMIT = Admit(event_id="concert", direction=AdmitDirection.ENTRY)


async def test_sale_is_shown_once_and_completed(rig: Rig) -> None:
    result = await rig.sell()

    assert result.outcome is Outcome.EXECUTED
    assert result.process is not None
    assert result.process.state is ProcessState.COMPLETED
    assert len(rig.cashier.executed) == 1
    assert (await rig.only_sale()).stage is Stage.ENDED


async def test_intent_is_written_before_the_request_is_sent(rig: Rig) -> None:
    rig.double.hangs_before = "ResolveCode"

    await rig.kill_in_sale()

    sale = await rig.only_sale()
    assert sale.stage is Stage.INTENT
    assert sale.process_id is None
    assert sale.code_hash is not None


async def test_code_text_is_in_no_file_of_the_journal(rig: Rig) -> None:
    code = rig.code()

    await rig.sell(identification=code)

    written = b"".join(path.read_bytes() for path in rig.folder.iterdir() if path.is_file())
    assert written
    assert code.text.encode() not in written


@pytest.mark.parametrize("rpc", ["ResolveCode", "CompleteProcess"])
@pytest.mark.parametrize("lost", ["lost_requests", "lost_answers"])
async def test_lost_message_is_sent_again_with_the_same_request_id(
    rig: Rig, rpc: str, lost: str
) -> None:
    getattr(rig.double, lost)[rpc] = 3

    result = await rig.sell()

    assert result.outcome is Outcome.EXECUTED
    assert len({request.request_id for request in rig.double.requests(rpc)}) == 1
    assert len(rig.double.processes) == 1
    assert len(rig.cashier.executed) == 1
    assert len(rig.cashier.silences) == 3


@pytest.mark.parametrize(
    "error",
    [
        UnknownOutcome(Reason.INTERNAL),
        UnknownOutcome(Reason.STORE_FAILED),
        NotDone(Reason.OVERLOADED, retry_after_seconds=2),
        NotDone(Reason.SHUTTING_DOWN, retry_after_seconds=2),
    ],
)
async def test_server_that_cannot_say_is_asked_again(rig: Rig, error: UnknownOutcome) -> None:
    rig.double.errors["ResolveCode"].append(error)

    result = await rig.sell()

    assert result.outcome is Outcome.EXECUTED
    first, second = rig.double.requests("ResolveCode")
    assert first == second


async def test_server_is_given_the_time_that_it_asks_for(rig: Rig) -> None:
    rig.double.errors["ResolveCode"].append(NotDone(Reason.OVERLOADED, retry_after_seconds=9))
    began = rig.time.steady()

    await rig.sell()

    assert rig.time.steady() - began >= 9


async def test_sale_without_any_answer_is_given_up(rig: Rig) -> None:
    rig.double.lost_answers["ResolveCode"] = 1_000

    result = await rig.sell()

    assert result.outcome is Outcome.GIVEN_UP
    assert result.reversal is not None
    assert result.reversal.outcome is ReversalOutcome.RELEASED
    assert rig.double.only_process().state == RELEASED
    assert not rig.cashier.executed


async def test_giving_up_a_request_that_never_arrived_leaves_a_mark(rig: Rig) -> None:
    rig.double.lost_requests["ResolveCode"] = 1_000

    result = await rig.sell()

    assert result.outcome is Outcome.GIVEN_UP
    assert result.reversal is not None
    assert result.reversal.outcome is ReversalOutcome.NEVER_SEEN
    assert rig.double.tombstones == {result.request_id}


async def test_lost_answer_to_giving_up_is_asked_for_with_the_same_request_id(rig: Rig) -> None:
    rig.double.lost_requests["ResolveCode"] = 1_000
    rig.double.lost_answers["ReverseProcess"] = 2

    result = await rig.sell()

    assert result.outcome is Outcome.GIVEN_UP
    assert len(rig.double.requests("ReverseProcess")) == 3
    assert len({r.request_id for r in rig.double.requests("ReverseProcess")}) == 1


async def test_sale_that_cannot_even_be_given_up_is_unknown_and_kept(rig: Rig) -> None:
    rig.double.lost_answers["ResolveCode"] = 1_000
    rig.double.lost_answers["ReverseProcess"] = 1_000

    result = await rig.sell()

    assert result.outcome is Outcome.UNKNOWN
    assert (await rig.only_sale()).stage is Stage.REVERSING


async def test_unreported_execution_is_unknown_and_kept_as_shown(rig: Rig) -> None:
    rig.double.lost_answers["CompleteProcess"] = 1_000

    result = await rig.sell()

    assert result.outcome is Outcome.UNKNOWN
    assert (await rig.only_sale()).stage is Stage.SHOWN
    assert not rig.double.requests("ReverseProcess")


@pytest.mark.parametrize(
    "reason",
    [
        Reason.CODE_MALFORMED,
        Reason.CODE_NOT_FOUND,
        Reason.CODE_EXPIRED,
        Reason.CODE_REVOKED,
        Reason.CODE_ALREADY_CLAIMED,
    ],
)
async def test_refused_request_ends_the_sale(rig: Rig, reason: Reason) -> None:
    rig.double.errors["ResolveCode"].append(Refused(reason, message="no"))

    result = await rig.sell()

    assert (result.outcome, result.reason) == (Outcome.REFUSED, reason)
    assert (await rig.only_sale()).stage is Stage.ENDED
    assert not rig.cashier.executed


@pytest.mark.parametrize(
    "reason",
    [Reason.CREDENTIALS_INVALID, Reason.CERTIFICATE_EXPIRED, Reason.CALLER_NOT_ALLOWED],
)
async def test_terminal_that_is_not_accepted_has_done_nothing(rig: Rig, reason: Reason) -> None:
    rig.double.errors["ResolveCode"].append(Refused(reason, message="no"))

    result = await rig.sell()

    assert (result.outcome, result.reason) == (Outcome.NOT_ACCEPTED, reason)
    assert (await rig.only_sale()).stage is Stage.ENDED
    assert not rig.cashier.executed


async def test_revocation_does_not_tell_what_became_of_an_earlier_try(rig: Rig) -> None:
    rig.double.lost_answers["ResolveCode"] = 1
    rig.double.lost_answer_revokes = True

    result = await rig.sell()

    assert result.outcome is Outcome.UNKNOWN
    assert (await rig.only_sale()).stage is Stage.REVERSING


async def test_declined_process_is_refused_with_its_reason(rig: Rig) -> None:
    rig.double.states.append(DECLINED)

    result = await rig.sell()

    assert result.outcome is Outcome.REFUSED
    assert result.process is not None
    assert result.process.refusal is not None
    assert result.process.refusal.reason is RefusalReason.INSUFFICIENT_FUNDS
    assert not rig.cashier.executed


async def test_process_is_asked_about_every_three_seconds_until_it_is_instructed(
    rig: Rig,
) -> None:
    rig.double.states.extend([AWAITING, AWAITING, AUTHORISING, INSTRUCTED])
    began = rig.time.steady()

    result = await rig.sell()

    assert result.outcome is Outcome.EXECUTED
    assert len(rig.double.requests("GetProcess")) == 3
    assert rig.time.steady() - began == 9
    assert [process.state for process in rig.cashier.waits] == [
        ProcessState.AWAITING_CUSTOMER,
        ProcessState.AWAITING_CUSTOMER,
        ProcessState.AUTHORISING,
    ]


@pytest.mark.parametrize("state", [DECLINED, RELEASED, EXPIRED])
async def test_process_that_ends_while_waiting_is_refused(rig: Rig, state: int) -> None:
    rig.double.states.extend([AWAITING, state])

    result = await rig.sell()

    assert result.outcome is Outcome.REFUSED
    assert not rig.cashier.executed


async def test_process_that_stays_undecided_is_given_up_after_poll_until(rig: Rig) -> None:
    rig.double.states.extend([AWAITING] * 500)
    began = rig.time.steady()

    result = await rig.sell()

    assert result.outcome is Outcome.GIVEN_UP
    assert 180 <= rig.time.steady() - began <= 190
    assert rig.double.only_process().state == RELEASED


async def test_lost_answers_while_waiting_change_nothing(rig: Rig) -> None:
    rig.double.states.extend([AWAITING, INSTRUCTED])
    rig.double.lost_requests["GetProcess"] = 4

    result = await rig.sell()

    assert result.outcome is Outcome.EXECUTED
    assert len(rig.cashier.silences) == 4


async def test_overdue_process_that_was_never_shown_is_given_up(rig: Rig) -> None:
    rig.double.states.extend([AUTHORISING, OVERDUE])

    result = await rig.sell()

    assert result.outcome is Outcome.GIVEN_UP
    assert not rig.cashier.executed


async def test_contested_process_is_not_shown_until_the_customer_decides(rig: Rig) -> None:
    rig.double.states.extend([CONTESTED, CONTESTED, INSTRUCTED])

    result = await rig.sell()

    assert result.outcome is Outcome.EXECUTED
    assert [process.state for process in rig.cashier.waits] == [ProcessState.CONTESTED] * 2
    assert len(rig.cashier.executed) == 1


async def test_process_contested_after_it_was_shown_is_completed_with_a_new_request(
    rig: Rig,
) -> None:
    rig.double.states.extend([INSTRUCTED, CONTESTED, CONTESTED, INSTRUCTED])

    result = await rig.sell()

    assert result.outcome is Outcome.EXECUTED
    reports = rig.double.requests("CompleteProcess")
    assert len({report.request_id for report in reports}) == len(reports) == 2


async def test_process_taken_back_after_it_was_shown_is_refused(rig: Rig) -> None:
    rig.double.states.extend([INSTRUCTED, RELEASED])

    result = await rig.sell()

    assert result.outcome is Outcome.REFUSED
    assert result.reason is Reason.PROCESS_NOT_INSTRUCTED


async def test_process_contested_for_long_stays_unknown_and_is_never_taken_back(
    rig: Rig,
) -> None:
    rig.double.states.extend([INSTRUCTED, *[CONTESTED] * 500])

    result = await rig.sell()

    assert result.outcome is Outcome.UNKNOWN
    assert (await rig.only_sale()).stage is Stage.SHOWN
    assert not rig.double.requests("ReverseProcess")


async def test_what_could_not_be_executed_is_taken_back(rig: Rig) -> None:
    rig.cashier.can_execute = False

    result = await rig.sell()

    assert result.outcome is Outcome.GIVEN_UP
    assert rig.double.only_process().state == RELEASED


async def test_gate_makes_one_call_for_an_admission(rig: Rig) -> None:
    rig.double.calls.clear()

    result = await rig.sell(ADMIT, complete_on_instruction=True)

    assert result.outcome is Outcome.EXECUTED
    assert [rpc for rpc, _ in rig.double.calls] == ["ResolveCode"]


async def test_gate_that_does_not_open_gives_the_entry_back(rig: Rig) -> None:
    rig.cashier.can_execute = False

    result = await rig.sell(ADMIT, complete_on_instruction=True)

    assert result.outcome is Outcome.GIVEN_UP
    assert result.reversal is not None
    assert result.reversal.outcome is ReversalOutcome.COMPENSATED


async def test_points_that_complete_by_themselves_still_give_a_receipt(rig: Rig) -> None:
    result = await rig.sell(EarnPoints(points=12), complete_on_instruction=True)

    assert result.receipt is not None
    assert [posting.points for posting in result.receipt.postings] == [12]


async def test_held_sale_is_shown_and_left_open(rig: Rig) -> None:
    result = await rig.sell(is_held=True)

    assert result.outcome is Outcome.HELD
    assert (await rig.only_sale()).stage is Stage.HELD
    assert not rig.double.requests("CompleteProcess")


async def test_points_are_set_before_they_are_shown_and_completed(rig: Rig) -> None:
    rig.double.lost_answers["UpdatePoints"] = 2

    result = await rig.sell(ReadPoints(), set_points=500)

    assert result.outcome is Outcome.EXECUTED
    updates = rig.double.requests("UpdatePoints")
    assert [(u.version, u.new_balance) for u in updates] == [(9, 500)] * 3
    assert len({update.request_id for update in updates}) == 1
    (shown,) = rig.cashier.executed
    assert shown.staged_balance is not None


@pytest.mark.parametrize(
    "reason",
    [Reason.POINTS_VERSION_CONFLICT, Reason.POINTS_OVER_LIMIT, Reason.POINTS_BELOW_HOLDS],
)
async def test_points_that_cannot_be_set_refuse_the_whole_sale(rig: Rig, reason: Reason) -> None:
    rig.double.errors["UpdatePoints"].append(Refused(reason, message="no"))

    result = await rig.sell(ReadPoints(), set_points=500)

    assert (result.outcome, result.reason) == (Outcome.REFUSED, reason)
    assert rig.double.only_process().state == RELEASED
    assert not rig.cashier.executed


async def test_telephone_number_is_forgotten_once_the_process_is_known(rig: Rig) -> None:
    # The digits must come at once, not after the wait for a decision.
    rig.double.states.extend([AWAITING, INSTRUCTED])
    rig.double.confirmation_digits = "42"

    result = await rig.sell(identification=TelephoneNumber(number="+4930123456"))

    assert result.outcome is Outcome.EXECUTED
    assert rig.cashier.waits[0].confirmation_digits == "42"
    (asked,) = rig.double.requests("ResolveCode")
    assert asked.wait_milliseconds == 1
    assert (await rig.only_sale()).telephone_number is None
    assert result.process is not None
    (query,) = rig.double.requests("GetProcess")
    assert query.reference.identification.process_id == result.process.process_id


async def test_state_of_a_newer_server_is_never_executed(rig: Rig) -> None:
    rig.double.states.extend([99] * 100)

    result = await rig.sell()

    assert result.outcome is Outcome.GIVEN_UP
    assert not rig.cashier.executed


async def test_reason_of_a_newer_server_is_still_a_refusal(rig: Rig) -> None:
    rig.double.states.append(DECLINED)
    rig.double.refusal = action_pb2.Refusal(reason=action_pb2.RefusalReason.ValueType(999))

    result = await rig.sell()

    assert result.outcome is Outcome.REFUSED
    assert result.process is not None
    assert result.process.refusal is not None
    assert result.process.refusal.reason is RefusalReason.UNKNOWN
