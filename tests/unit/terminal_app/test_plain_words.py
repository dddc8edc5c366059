from datetime import UTC, datetime

import pytest

from tallymark.v1 import action_pb2, process_pb2
from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_protocol.reasons import Reason
from tallymark_terminal.actions import AdmitDirection, Funding
from tallymark_terminal.plain_words import Words, error_words, unanswered_words
from tallymark_terminal.processes import (
    ProcessKnowledge,
    ProcessState,
    Refusal,
    RefusalReason,
    ReversalOutcome,
    ReversalRefusal,
    Settlement,
    TicketUse,
)

WORDS = Words(zone=UTC)
USED = TicketUse(
    used_at=datetime(2030, 5, 1, 18, 4, tzinfo=UTC),
    terminal_id="gate-north",
    direction=AdmitDirection.ENTRY,
)


def assert_plain(words: str) -> None:
    assert words
    assert words[0].isupper()
    assert words[-1] in ".:"
    assert "_" not in words
    assert "None" not in words


@pytest.mark.parametrize("reason", list(RefusalReason))
def test_every_refusal_has_plain_words(reason: RefusalReason) -> None:
    assert_plain(WORDS.refusal(Refusal(reason=reason)))


@pytest.mark.parametrize("reason", list(Reason))
def test_every_error_has_plain_words(reason: Reason) -> None:
    assert_plain(error_words(reason))


def test_unknown_error_has_plain_words() -> None:
    assert_plain(error_words(None))


@pytest.mark.parametrize("reason", [None, *Reason])
def test_every_missing_answer_has_plain_words(reason: Reason | None) -> None:
    assert_plain(unanswered_words(reason))


def test_missing_connection_may_be_a_matter_of_certificates() -> None:
    words = unanswered_words(None)

    assert "not reached" in words
    assert "does not accept this terminal's certificate" in words
    assert "not the server that this terminal trusts" in words


@pytest.mark.parametrize("outcome", list(ReversalOutcome))
def test_every_outcome_of_a_reversal_has_plain_words(outcome: ReversalOutcome) -> None:
    assert_plain(WORDS.reversal(outcome, None))


@pytest.mark.parametrize("refused", list(ReversalRefusal))
def test_every_refused_reversal_has_plain_words(refused: ReversalRefusal) -> None:
    assert_plain(WORDS.reversal(ReversalOutcome.REFUSED, refused))


@pytest.mark.parametrize(
    ("kind", "names", "prefix"),
    [
        (RefusalReason, action_pb2.RefusalReason, "REFUSAL_REASON_"),
        (Settlement, action_pb2.Settlement, "SETTLEMENT_"),
        (Funding, action_pb2.Funding, "FUNDING_"),
        (AdmitDirection, action_pb2.AdmitDirection, "ADMIT_DIRECTION_"),
        (ProcessState, process_pb2.ProcessState, "PROCESS_STATE_"),
        (ProcessKnowledge, contract.ProcessKnowledge, "PROCESS_KNOWLEDGE_"),
        (ReversalOutcome, contract.ReversalOutcome, "REVERSAL_OUTCOME_"),
        (ReversalRefusal, contract.ReversalRefusal, "REVERSAL_REFUSAL_"),
    ],
)
def test_terminal_knows_every_value_of_the_contract(
    kind: type[RefusalReason], names: type[action_pb2.RefusalReason], prefix: str
) -> None:
    in_contract = {name.removeprefix(prefix) for name in names.keys()}  # noqa: SIM118 - no dict

    assert in_contract - {"UNSPECIFIED"} == {value.value for value in kind} - {"UNKNOWN"}


@pytest.mark.parametrize("reason", [RefusalReason.ALREADY_ADMITTED, RefusalReason.STILL_INSIDE])
def test_refused_ticket_tells_when_and_at_which_gate_it_was_first_used(
    reason: RefusalReason,
) -> None:
    words = WORDS.refusal(Refusal(reason=reason, first_use=USED))

    assert "First use: 2030-05-01 18:04 at gate-north." in words


def test_several_bills_are_listed() -> None:
    refusal = Refusal(reason=RefusalReason.BILL_REFERENCE_NEEDED, bill_references=("B-1", "B-2"))

    assert "B-1, B-2" in WORDS.refusal(refusal)


def test_missing_points_tell_how_many_are_free() -> None:
    refusal = Refusal(reason=RefusalReason.INSUFFICIENT_POINTS, points_available=17)

    assert "17" in WORDS.refusal(refusal)


def test_ticket_outside_its_time_tells_its_time() -> None:
    moment = datetime(2030, 5, 1, 18, 4, tzinfo=UTC)

    early = Refusal(reason=RefusalReason.TICKET_NOT_YET_VALID, valid_from=moment)
    late = Refusal(reason=RefusalReason.TICKET_NO_LONGER_VALID, valid_until=moment)

    assert "2030-05-01 18:04" in WORDS.refusal(early)
    assert "2030-05-01 18:04" in WORDS.refusal(late)
