"""Ends that a person asks for, and answers that settle nothing."""

import pytest

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_terminal.journal import Stage
from tallymark_terminal.processes import ReversalRefusal
from tallymark_terminal.sale_results import Outcome

from .rig import Rig


async def test_completed_sale_is_compensated_on_request(rig: Rig) -> None:
    await rig.sell()

    result = await rig.settling.reverse(await rig.only_sale(), note="goods returned")

    assert result.outcome is Outcome.GIVEN_UP
    assert rig.double.only_process().reversed_by_process_id


async def test_second_reversal_of_a_sale_is_a_new_request(rig: Rig) -> None:
    await rig.sell()
    await rig.settling.reverse(await rig.only_sale(), note="goods returned")

    await rig.settling.reverse(await rig.only_sale(), note="again")

    first, second = rig.double.requests("ReverseProcess")
    assert first.request_id != second.request_id


async def test_reversal_that_is_refused_leaves_the_sale_as_it_is(rig: Rig) -> None:
    await rig.sell()
    rig.double.refuses_reversals = contract.REVERSAL_REFUSAL_WINDOW_OVER

    result = await rig.settling.reverse(await rig.only_sale(), note="goods returned")

    assert result.outcome is Outcome.NOT_REVERSED
    assert result.reversal is not None
    assert result.reversal.refused_because is ReversalRefusal.WINDOW_OVER
    assert (await rig.only_sale()).stage is Stage.ENDED


async def test_reversal_of_a_process_that_does_not_exist_is_over(rig: Rig) -> None:
    await rig.sell()
    rig.double.processes.clear()

    result = await rig.settling.reverse(await rig.only_sale(), note="goods returned")

    assert (result.outcome, result.reason) == (Outcome.NOT_REVERSED, Reason.PROCESS_NOT_FOUND)


@pytest.mark.parametrize("rpc", ["CompleteProcess", "ReverseProcess"])
async def test_terminal_that_may_not_call_settles_nothing(rig: Rig, rpc: str) -> None:
    rig.cashier.can_execute = rpc == "CompleteProcess"
    rig.double.errors[rpc].append(Refused(Reason.CREDENTIALS_INVALID))

    result = await rig.sell()

    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, Reason.CREDENTIALS_INVALID)
    assert (await rig.only_sale()).stage is not Stage.ENDED
    (recovered,) = await rig.recover()
    assert recovered.outcome is not Outcome.UNKNOWN
