"""Whatever rule a request breaks, the answer names the field and nothing is done."""

from typing import Any

import grpc
import pytest

from tallymark.v1 import operator_service_pb2
from tallymark_protocol.errors import from_call
from tallymark_protocol.reasons import DESCRIPTIONS, Reason
from tests.integration.bad_input.broken_fields import broken_fields, message_rules
from tests.integration.bad_input.broken_messages import BROKEN_MESSAGES
from tests.world.calls import Call, everything_in, failure_of, send
from tests.world.contract import RPCS, Rpc, rpc_named
from tests.world.samples import SAMPLES
from tests.world.stage import Stage
from tests.world.world import World

RPCS_WITH_RULES = [rpc for rpc in RPCS if any(broken_fields(rpc.request_type))]


def test_every_rpc_has_a_sample_request() -> None:
    assert set(SAMPLES) == {rpc.path for rpc in RPCS}


def test_every_changing_rpc_has_rules() -> None:
    without = {rpc.name for rpc in RPCS} - {rpc.name for rpc in RPCS_WITH_RULES}

    assert without == {
        *("GetWallet", "GetTag", "ListVerificationKeys"),
        *("GetPolicy", "ListKeys", "GetCheckpoint", "GetRecovery"),
    }


@pytest.mark.parametrize("rpc", RPCS_WITH_RULES, ids=str)
async def test_a_broken_field_is_named_and_nothing_is_done(in_memory: World, rpc: Rpc) -> None:
    stage = await Stage.set_up(in_memory)
    sample = await SAMPLES[rpc.path](stage)
    await stage.world.settle()
    before = await everything_in(stage.world.store)

    for broken in broken_fields(rpc.request_type):
        request = type(sample)()
        request.CopyFrom(sample)
        broken.apply(request)
        failure = await failure_of(Call(stage.caller_of(rpc), rpc.name, request))
        assert failure.reason == "REQUEST_INVALID", broken
        assert broken.shown_path in {field for field, _ in failure.error.violations}, broken

    assert await everything_in(stage.world.store) == before


@pytest.mark.parametrize("path", sorted(BROKEN_MESSAGES))
async def test_a_broken_rule_about_several_fields_is_told(in_memory: World, path: str) -> None:
    stage = await Stage.set_up(in_memory)
    rpc = rpc_named(path)
    sample = await SAMPLES[path](stage)
    before = await everything_in(stage.world.store)

    for rule, break_it in BROKEN_MESSAGES[path].items():
        request = type(sample)()
        request.CopyFrom(sample)
        break_it(request)
        failure = await failure_of(Call(stage.caller_of(rpc), rpc.name, request))
        assert failure.reason == "REQUEST_INVALID", rule
        assert message_rules(rpc.request_type)[rule] in {
            text for _, text in failure.error.violations
        }

    assert await everything_in(stage.world.store) == before


@pytest.mark.parametrize("rpc", RPCS, ids=str)
def test_every_rule_about_several_fields_has_a_row(rpc: Rpc) -> None:
    assert set(BROKEN_MESSAGES.get(rpc.path, {})) == set(message_rules(rpc.request_type))


async def test_nanoseconds_beyond_a_second_count_on(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    request = await SAMPLES["OperatorService/AddTickets"](stage)
    request.tickets[0].valid_until.nanos = 2**31 - 1

    await send(Call(stage.operator, "AddTickets", request))

    shown = (await stage.ana.wallet()).tickets[-1]
    assert shown.valid_until.ToMilliseconds() == 2_147


async def test_bytes_that_are_no_message_are_refused(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    before = await everything_in(stage.world.store)

    for rpc in RPCS:
        error = await _error_of_bytes(stage, rpc, b"\x0a\xff\xff")
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, rpc
        assert error.details() == DESCRIPTIONS[Reason.REQUEST_INVALID].sentence, rpc
        assert from_call(error).reason is Reason.REQUEST_INVALID, rpc

    assert await everything_in(stage.world.store) == before


@pytest.mark.parametrize(
    "path",
    ["CustomerService/GetWallet", "TerminalService/ResolveCode", "OperatorService/AddBills"],
)
async def test_a_request_above_one_mebibyte_is_refused_unread(in_memory: World, path: str) -> None:
    stage = await Stage.set_up(in_memory)

    error = await _error_of_bytes(stage, rpc_named(path), bytes(1024 * 1024 + 1))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert from_call(error).reason is None


async def _error_of_bytes(stage: Stage, rpc: Rpc, request: bytes) -> grpc.aio.AioRpcError:
    """Send bytes as they are, with good credentials."""
    app, actor = stage.world.app, stage.caller_of(rpc)
    ports = {
        "customer": app.port,
        "terminal": app.terminal_port,
        "operator": app.operator_port,
    }
    channel = await stage.world.channel(ports[rpc.caller], actor.identity)
    method: Any = channel.unary_stream if rpc.streams else channel.unary_unary
    under_way = method(rpc.full_path)(request, metadata=actor.metadata)
    try:
        await (anext(aiter(under_way)) if rpc.streams else under_way)
    except grpc.aio.AioRpcError as error:
        return error
    message = f"{rpc} took bytes that it cannot read"
    raise AssertionError(message)


async def test_of_many_broken_rules_the_first_are_told(in_memory: World) -> None:
    """All of them made the trailer longer than gRPC takes: RESOURCE_EXHAUSTED came instead."""
    request = operator_service_pb2.AddBillsRequest()
    for _ in range(400):
        request.bills.add(merchant_id="?", login_name="?", bill_reference="")

    failure = await failure_of(Call(in_memory.operator, "AddBills", request))

    assert (failure.status, failure.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "REQUEST_INVALID",
    )
    assert failure.error.violations[0][0] == "bills[0].merchant_id"
