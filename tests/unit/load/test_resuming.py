"""A customer's next stream goes on after what was shown in this replay, not in the recording."""

from collections.abc import Sequence

import pytest

from tallymark.v1 import customer_service_pb2 as c
from tallymark_load.recorded import RecordedCall
from tallymark_load.replay.correlation import Correlation
from tallymark_load.replay.plan import PlannedCall
from tallymark_load.replay.resuming import Resuming
from tests.unit.load.recorded_calls import RULES, planned, recorded


def watching(number: int, method: str = "CustomerService/WatchProcesses") -> RecordedCall:
    return recorded(number, method, [b""], [], status_code=1)


def planned_calls(*calls: RecordedCall) -> Sequence[PlannedCall]:
    return planned(calls, Correlation(RULES.value_selection())).calls


@pytest.mark.parametrize(
    ("told", "recorded_after", "after"),
    [([7, 9, 8], 12, 9), ([20], 12, 20), ([], 12, 12), ([9], 0, 0)],
    ids=["fewer than recorded", "more", "nothing yet", "from the start"],
)
def test_a_stream_goes_on_after_the_last_event_of_this_replay(
    told: list[int], recorded_after: int, after: int
) -> None:
    first, second = planned_calls(watching(1), watching(2))
    resuming = Resuming()
    for event in told:
        resuming.saw(first, c.WatchProcessesResponse(event=event))
    request = c.WatchProcessesRequest(after_event=recorded_after)
    resuming.resume(second, request)

    assert request.after_event == after


def test_calls_that_do_not_count_stay_as_they_are() -> None:
    (wallet,) = planned_calls(watching(1, "CustomerService/GetWallet"))
    resuming = Resuming()
    request = c.GetWalletRequest()
    resuming.saw(wallet, c.GetWalletResponse())
    resuming.resume(wallet, request)

    assert request == c.GetWalletRequest()
