"""The plain-text mode, for tests and measurements: the same list of keys, and nobody proves any."""

import json
from pathlib import Path

import grpc
import pytest

from tallymark.v1 import operator_service_pb2 as o
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_protocol.errors import from_call
from tests.e2e.served import server
from tests.world.messages import new_id


async def test_a_caller_is_whoever_it_says_it_is(tmp_path: Path) -> None:
    program = await server(tmp_path, 1, "--unsafe-plain-text")
    try:
        await program.says("serving on port")
        ready = json.loads((tmp_path / "server.json").read_text())
        code = EnrolmentFile.parse((tmp_path / "data/operator-enrolment-code").read_text())
        key = ClientKey.generate()
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{ready['port']}") as public,
            grpc.aio.insecure_channel(f"127.0.0.1:{ready['operator_port']}") as operators,
        ):
            await OperatorServiceStub(public).EnrollOperator(
                o.EnrollOperatorRequest(
                    request_id=new_id(),
                    enrolment_code=code.enrolment_code,
                    certificate_request=key.certificate_request(),
                )
            )
            stub = OperatorServiceStub(operators)
            listed = await stub.ListOperators(
                o.ListOperatorsRequest(), metadata=(("unsafe-key-hash", key.key_hash()),)
            )
            reasons = [
                await _reason(stub, ()),
                await _reason(stub, (("unsafe-key-hash", "0" * 64),)),
            ]
    finally:
        await program.kill()

    assert [one.operator_id for one in listed.operators] == ["first"]
    assert reasons == ["CREDENTIALS_MISSING", "CREDENTIALS_INVALID"]


async def test_the_plain_text_mode_is_not_for_the_network(tmp_path: Path) -> None:
    program = await server(tmp_path, 1, "--unsafe-plain-text", "--listen", "0.0.0.0:0")

    assert await program.ended() == 1
    assert "loopback" in program.output


async def _reason(stub: OperatorServiceStub, metadata: tuple[tuple[str, str], ...]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListOperators(o.ListOperatorsRequest(), metadata=metadata)
    return str(from_call(caught.value).reason)
