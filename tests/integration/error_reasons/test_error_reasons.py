"""Every reason, given by the real server to a real call, is what the contract says it is."""

import pytest
from google.rpc import error_details_pb2

from tallymark.v1 import operator_service_pb2
from tallymark.v1.error_reason_pb2 import ErrorReason
from tallymark_protocol.errors import (
    RETRY_PUSHBACK_KEY,
    NotDone,
    Refused,
    TallymarkError,
    UnknownOutcome,
)
from tallymark_protocol.reasons import DESCRIPTIONS, Reason
from tests.integration.error_reasons import (
    callers,
    codes,
    devices,
    guessing,
    processes,
    registrations,
    server,
)
from tests.integration.error_reasons.case import Case
from tests.world.calls import Call, Failure, changed_tables, failure_of, send
from tests.world.contract import RPCS, Rpc
from tests.world.contract_comments import PROMISES, promised_reasons, promised_rows
from tests.world.stage import Stage
from tests.world.world import World

CASES = (
    *callers.CASES,
    *codes.CASES,
    *devices.CASES,
    *guessing.CASES,
    *processes.CASES,
    *registrations.CASES,
    *server.CASES,
)

CALL_CASES = [case for case in CASES if not case.is_row]
ROW_CASES = [case for case in CASES if case.is_row]

TRANSIENT = {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}

CLASSES: dict[Reason, type[TallymarkError]] = {
    Reason.OVERLOADED: NotDone,
    Reason.RATE_LIMITED: NotDone,
    Reason.SHUTTING_DOWN: NotDone,
    Reason.DISK_NEARLY_FULL: NotDone,
    Reason.INSTITUTION_UNAVAILABLE: UnknownOutcome,
    Reason.STORE_FAILED: UnknownOutcome,
    Reason.INTERNAL: UnknownOutcome,
}
"""Every other reason is a refusal."""


def test_every_reason_of_the_contract_has_a_row_here() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()}  # noqa: SIM118 -- an enum, no dict

    assert {str(case.reason) for case in CASES} == names - {"UNSPECIFIED"}


@pytest.mark.parametrize("case", CALL_CASES, ids=str)
async def test_a_failed_call_carries_what_the_contract_says(
    in_memory: World, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    call = await case.arrange(await Stage.set_up(in_memory), monkeypatch)

    failure = await failure_of(call)

    _check_wire(case, failure)
    _check_retry(case, failure)
    _check_client(case, failure)
    assert str(case.reason) in promised_reasons(_rpc_of(call))


@pytest.mark.parametrize("case", CALL_CASES, ids=str)
async def test_a_failed_call_changes_nothing(
    in_memory: World, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    stage = await Stage.set_up(in_memory)
    call = await case.arrange(stage, monkeypatch)
    before = await stage.rows()

    await failure_of(call)

    assert changed_tables(before, await stage.rows()) == case.changes


@pytest.mark.parametrize("case", ROW_CASES, ids=str)
async def test_a_refused_row_carries_reason_and_sentence(
    in_memory: World, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    stage = await Stage.set_up(in_memory)
    call = await case.arrange(stage, monkeypatch)
    before = await stage.rows()

    (outcome,) = (await send(call)).outcomes

    assert outcome.result == operator_service_pb2.ROW_RESULT_REFUSED
    assert outcome.reason == case.reason
    assert outcome.message == DESCRIPTIONS[case.reason].sentence.format_map(case.metadata)
    assert await stage.rows() == before
    assert str(case.reason) in promised_rows(_rpc_of(call))


def _check_wire(case: Case, failure: Failure) -> None:
    description = DESCRIPTIONS[case.reason]
    assert failure.status.name == description.status
    assert failure.message == description.sentence.format_map(case.metadata)
    info = failure.detail(error_details_pb2.ErrorInfo)
    assert info is not None
    assert (info.reason, info.domain) == (case.reason, "tallymark")
    assert dict(info.metadata) == case.metadata
    assert info.metadata.keys() == PROMISES[case.reason].metadata.keys()


def _check_retry(case: Case, failure: Failure) -> None:
    """See that only transient failures say when to come back, in the detail and the trailer."""
    retry = failure.detail(error_details_pb2.RetryInfo)
    pushback = failure.trailing.get(RETRY_PUSHBACK_KEY)
    if DESCRIPTIONS[case.reason].status not in TRANSIENT:
        assert (retry, pushback) == (None, None)
        return
    assert retry is not None
    assert retry.retry_delay.ToMilliseconds() > 0
    assert pushback == str(retry.retry_delay.ToMilliseconds())
    assert failure.error.retry_after_seconds == retry.retry_delay.ToMilliseconds() / 1000


def _check_client(case: Case, failure: Failure) -> None:
    """See that the client library raises what the reason means."""
    assert type(failure.error) is CLASSES.get(case.reason, Refused)
    assert failure.error.reason is case.reason
    assert failure.error.metadata == case.metadata
    assert failure.error.message == failure.message
    assert tuple(field for field, _ in failure.error.violations) == case.violations


def _rpc_of(call: Call) -> Rpc:
    """Return the RPC of the service that the stub is of."""
    service = type(call.actor.stub).__name__.removesuffix("Stub")
    return next(rpc for rpc in RPCS if rpc.path == f"{service}/{call.rpc}")
