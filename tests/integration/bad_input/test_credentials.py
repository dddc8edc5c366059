"""Without credentials, with unknown ones or with another kind's, no RPC does anything."""

import grpc
import pytest

from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.errors import UnknownOutcome
from tests.world.actor import Actor
from tests.world.calls import Call, everything_in, failure_of, send
from tests.world.contract import RPCS, Rpc
from tests.world.contract_comments import promised_reasons
from tests.world.operator import Operator
from tests.world.samples import SAMPLES
from tests.world.stage import Stage
from tests.world.terminal import Terminal
from tests.world.world import World

CLOSED_TO_STRANGERS = [rpc for rpc in RPCS if rpc.needs_credentials and rpc.caller == "customer"]
FOR_CERTIFICATES = [rpc for rpc in RPCS if rpc.needs_credentials and rpc.caller != "customer"]
OPEN = [rpc for rpc in RPCS if not rpc.needs_credentials]

NOT_PRESENTED = ("", "Bearer", "Bearer ", "Basic YW5hOnNlY3JldA==", "tms_abc")


@pytest.mark.parametrize("rpc", CLOSED_TO_STRANGERS, ids=str)
async def test_phones_need_a_session(in_memory: World, rpc: Rpc) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.ana, rpc.name, await SAMPLES[rpc.path](stage))
    await stage.world.settle()
    before = await everything_in(stage.world.store)

    missing = await failure_of(call, secret="")
    unknown = await failure_of(call, secret=f"tms_{'A' * 43}")

    assert missing.reason == "CREDENTIALS_MISSING"
    assert unknown.reason == "CREDENTIALS_INVALID"
    assert await everything_in(stage.world.store) == before
    assert promised_reasons(rpc) >= {"CREDENTIALS_MISSING", "CREDENTIALS_INVALID"}
    await send(call)  # and the right one is let in


@pytest.mark.parametrize("rpc", FOR_CERTIFICATES, ids=str)
async def test_terminals_and_operators_need_a_certificate_whose_key_may_call(
    in_memory: World, rpc: Rpc
) -> None:
    stage = await Stage.set_up(in_memory)
    world, request = stage.world, await SAMPLES[rpc.path](stage)
    kind = Terminal if rpc.caller == "terminal" else Operator
    nobody, unlisted, other = kind(None), kind(None), kind(None)
    await world.connect(nobody)
    key = ClientKey.generate()
    issued = world.authority.issue_client(
        key.certificate_request(), kind=rpc.caller, owner_id="till-1", now=world.clock.now()
    )
    await world.present(unlisted, key, issued.certificate_pem)
    other.identity = (stage.operator if rpc.caller == "terminal" else stage.till).identity
    await world.connect(other)
    await world.settle()
    before = await everything_in(world.store)

    without = await failure_of(Call(nobody, rpc.name, request))
    not_listed = await failure_of(Call(unlisted, rpc.name, request))
    of_others = await failure_of(Call(other, rpc.name, request))

    assert without.status is grpc.StatusCode.UNAVAILABLE
    assert isinstance(without.error, UnknownOutcome)
    assert not_listed.reason == "CREDENTIALS_INVALID"
    assert of_others.reason == "CALLER_NOT_ALLOWED"
    assert of_others.error.metadata["needed"] == rpc.caller
    assert await everything_in(world.store) == before
    assert promised_reasons(rpc) >= {
        "CREDENTIALS_INVALID",
        "CERTIFICATE_EXPIRED",
        "CALLER_NOT_ALLOWED",
    }
    await send(Call(stage.caller_of(rpc), rpc.name, request))  # and the right one is let in


@pytest.mark.parametrize("rpc", OPEN, ids=str)
async def test_a_first_call_needs_no_credentials(in_memory: World, rpc: Rpc) -> None:
    stage = await Stage.set_up(in_memory)
    stranger = type(stage.caller_of(rpc))(stage.caller_of(rpc).stub)
    if rpc.caller != "customer":
        await stage.world.enrol_stub(stranger)

    await send(Call(stranger, rpc.name, await SAMPLES[rpc.path](stage)))


@pytest.mark.parametrize("authorization", NOT_PRESENTED)
async def test_metadata_of_another_form_presents_nothing(
    in_memory: World, authorization: str
) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.ana, "GetWallet", await SAMPLES["CustomerService/GetWallet"](stage))

    failure = await failure_of(call, authorization=authorization)

    assert failure.reason == "CREDENTIALS_MISSING"


async def test_a_terminal_is_not_let_in_by_what_it_says(in_memory: World) -> None:
    """What a message or its metadata says of the caller counts for nothing."""
    stage = await Stage.set_up(in_memory)
    await stage.operator.call(
        "RevokeTerminal", await SAMPLES["OperatorService/RevokeTerminal"](stage)
    )
    request = await SAMPLES["TerminalService/ListVerificationKeys"](stage)
    assert stage.till.key is not None
    claims = (("unsafe-key-hash", stage.till.key.key_hash()),)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stage.gate.stub.ListVerificationKeys(request, metadata=claims)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_port_of_phones_serves_no_terminal(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    intruder = Actor(stage.till.stub, stage.ana.secret)
    await stage.world.enrol_stub(terminal := Terminal(None))
    intruder.stub = terminal.stub

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await intruder.stub.ListVerificationKeys(
            await SAMPLES["TerminalService/ListVerificationKeys"](stage),
            metadata=intruder.metadata,
        )

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
