"""Whatever stream of a customer tells a thing, nobody waits for it on another one."""

import pytest

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import process_pb2 as p
from tallymark_load.replay.correlation import Correlation, Key
from tallymark_load.replay.hearing import Hearing
from tallymark_load.replay.played import Played
from tallymark_load.replay.resuming import Resuming
from tallymark_load.replay.signing import Signing
from tallymark_load.replay.streams import StreamAnswers
from tests.unit.load.recorded_calls import RULES, planned, recorded

AWAITING = p.PROCESS_STATE_AWAITING_CUSTOMER
DECLINED = p.PROCESS_STATE_DECLINED


def shown(process_id: str, state: p.ProcessState.ValueType) -> bytes:
    process = p.Process(process_id=process_id, state=state)
    return c.WatchProcessesResponse(process=process).SerializeToString()


@pytest.mark.parametrize(
    ("process_id", "settles"),
    [("known", True), ("another", False)],
    ids=["what was recorded on the next stream", "what nobody recorded"],
)
def test_what_comes_a_stream_early_is_waited_for_no_longer(
    process_id: str, *, settles: bool
) -> None:
    correlation = Correlation(RULES.value_selection())
    correlation.set(Key("process", "then"), "known")
    method = "CustomerService/WatchProcesses"
    calls = [
        recorded(1, method, [b""], [shown("then", AWAITING)], status_code=1),
        recorded(2, method, [b""], [shown("then", DECLINED)], status_code=1),
    ]
    plan = planned(calls, correlation)
    first, second = plan.calls
    pairing = {
        call: StreamAnswers(call.rule, call.received, correlation, RULES.value_selection())
        for call in plan.calls
        if call.rule is not None
    }
    hearing = Hearing(pairing, correlation=correlation, signing=Signing(), resuming=Resuming())
    body = shown(process_id, DECLINED)

    hearing.hear(Played(first, bodies=[body]), body, asked=b"")

    assert second.shown[0].settled.is_set() is settles
    assert pairing[second].has_all_last() is settles
