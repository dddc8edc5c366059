"""What a customer's streams showed is compared whichever of them showed it."""

from collections.abc import Sequence
from typing import TypeAlias

import pytest

from tallymark.v1 import customer_service_pb2, process_pb2
from tallymark_load.recorded import RecordedCall
from tallymark_load.replay.comparison import Comparison, Difference
from tallymark_load.replay.correlation import Correlation, Key
from tallymark_load.replay.judging import Judge
from tallymark_load.replay.played import Played
from tests.unit.load.recorded_calls import RULES, planned, recorded

AWAITING = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
DECLINED = process_pb2.PROCESS_STATE_DECLINED
EXPIRED = process_pb2.PROCESS_STATE_EXPIRED

State: TypeAlias = process_pb2.ProcessState.ValueType


def shown(process_id: str, state: State) -> bytes:
    process = process_pb2.Process(process_id=process_id, state=state)
    return customer_service_pb2.WatchProcessesResponse(process=process).SerializeToString()


def watching(number: int, *states: State) -> RecordedCall:
    """Return a stream of one customer that showed these states, and was given up."""
    request = customer_service_pb2.WatchProcessesRequest().SerializeToString()
    answers = [shown("then", state) for state in states]
    method = "CustomerService/WatchProcesses"
    return recorded(number, method, [request], answers, status_code=1)


def judged(before: Sequence[Sequence[State]], now: Sequence[Sequence[State]]) -> list[Difference]:
    """Return the differences of streams that follow each other."""
    correlation = Correlation(RULES.value_selection())
    correlation.set(Key("process", "then"), "now")
    calls = [watching(number, *states) for number, states in enumerate(before)]
    plan = planned(calls, correlation)
    judge = Judge(RULES, correlation, Comparison(RULES, correlation, is_faster=True))
    differences: list[Difference] = []
    for call, states in zip(plan.calls, now, strict=True):
        bodies = [shown("now", state) for state in states]
        played = Played(call, outcome=call.outcome, bodies=bodies)
        differences += judge.differences(played)
    return differences


def test_streams_that_show_what_was_recorded_do_not_differ() -> None:
    assert judged([[AWAITING], [DECLINED]], [[AWAITING], [DECLINED]]) == []


def test_what_an_earlier_stream_showed_already_is_explained() -> None:
    (difference,) = judged([[AWAITING], [DECLINED]], [[AWAITING, DECLINED], []])

    assert difference.call == 2
    assert difference.explained == "its caller was told on an earlier stream of this replay"


@pytest.mark.parametrize("first", [[AWAITING], [], [AWAITING, EXPIRED]])
def test_what_no_stream_showed_is_not(first: list[State]) -> None:
    differences = judged([[AWAITING], [DECLINED]], [first, []])

    assert [one.recorded for one in differences if not one.explained][-1:] == ["(set)"]
