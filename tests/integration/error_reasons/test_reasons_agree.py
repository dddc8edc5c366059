"""The enum of the contract, its comments, and the table of both sides of the wire agree."""

import pytest

from tallymark.v1.error_reason_pb2 import ErrorReason
from tallymark_protocol.reasons import DESCRIPTIONS, Reason
from tests.world.contract import RPCS
from tests.world.contract_comments import PROMISES, promised_reasons, promised_rows

NAMES = [
    name.removeprefix("ERROR_REASON_")
    for name in ErrorReason.keys()  # noqa: SIM118 -- an enum, no dict
    if name != "ERROR_REASON_UNSPECIFIED"
]


def test_the_table_has_the_reasons_of_the_contract_in_their_order() -> None:
    assert list(Reason.__members__) == NAMES
    assert list(DESCRIPTIONS) == list(Reason)


def test_every_reason_has_status_example_and_message_in_its_comment() -> None:
    assert list(PROMISES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_comment_of_a_reason_shows_what_the_table_says(name: str) -> None:
    promise, description = PROMISES[name], DESCRIPTIONS[Reason(name)]

    assert (promise.reason, promise.domain) == (name, "tallymark")
    assert promise.status == description.status
    assert promise.message == description.sentence.format_map(promise.metadata)


def test_every_reason_is_promised_by_some_rpc() -> None:
    promised = {reason for rpc in RPCS for reason in promised_reasons(rpc) | promised_rows(rpc)}

    assert promised == set(NAMES)
