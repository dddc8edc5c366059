"""The whole job with a client that knows nothing of us but what reflection tells it."""

import asyncio
import base64
import json
import sys
import uuid
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from tests.e2e.served import DEADLINE_SECONDS, Town, town

BUF = Path(sys.executable).with_name("buf")


class StockClient:
    """`buf curl`: JSON in, JSON out; what the fields are it asks the server."""

    def __init__(self, port: int, home: Path) -> None:
        self._port = port
        self._home = home

    async def call(
        self, rpc: str, request: Mapping[str, Any], *, secret: str = ""
    ) -> dict[str, Any]:
        arguments = ["--data", json.dumps(request)]
        if secret:
            arguments += ["--header", f"authorization: Bearer {secret}"]
        code, output, errors = await self._curl(f"/tallymark.v1.{rpc}", *arguments)
        answer: dict[str, Any] = json.loads(output if code == 0 else errors)
        return answer

    async def services(self) -> list[str]:
        code, output, errors = await self._curl("", "--list-services")
        assert code == 0, errors
        return output.split()

    async def _curl(self, path: str, *arguments: str) -> tuple[int, str, str]:
        plain = ["--http2-prior-knowledge", "--protocol", "grpc"]
        process = await asyncio.create_subprocess_exec(
            str(BUF),
            "curl",
            *plain,
            *arguments,
            f"http://127.0.0.1:{self._port}{path}",
            cwd=self._home,
            env={"HOME": str(self._home), "PATH": "/usr/bin:/bin"},
            stdout=PIPE,
            stderr=PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
        return process.returncode or 0, output.decode(), errors.decode()


def detail(error: Mapping[str, Any], kind: str) -> bytes:
    """Return a detail of an error, as it is on the wire."""
    (value,) = [each["value"] for each in error["details"] if each["type"] == kind]
    return base64.b64decode(value + "==")


def new_id() -> str:
    return str(uuid.uuid4())


async def secrets_of(running: Town, phone: StockClient, operator: StockClient) -> tuple[str, str]:
    """Register a customer and enrol a terminal, all by the stock client."""
    person = {
        "requestId": new_id(),
        "loginName": "ana",
        "password": "correct horse battery",
        "deviceName": "phone",
    }
    registered = await phone.call("CustomerService/RegisterCustomer", person)
    created = await operator.call(
        "OperatorService/CreateTerminal",
        {"terminalId": "till-1", "merchantId": "cafe"},
        secret=running.operator.secret,
    )
    enrolled = await phone.call(
        "TerminalService/Enroll",
        {"requestId": new_id(), "enrolmentCode": created["enrolmentCode"]},
    )
    return registered["sessionToken"], enrolled["terminalSecret"]


async def test_a_code_is_issued_resolved_and_completed_by_a_stock_client(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        client = StockClient(running.app.port, tmp_path)
        operator = StockClient(running.app.operator_port, tmp_path)
        token, secret = await secrets_of(running, client, operator)

        issued = await client.call(
            "CustomerService/IssueCode",
            {"requestId": new_id(), "purpose": "CODE_PURPOSE_GENERAL"},
            secret=token,
        )
        resolve = {
            "requestId": new_id(),
            "identification": {"code": issued["code"]},
            "actions": [{"earnPoints": {"points": "25"}}, {"readPoints": {}}],
        }
        resolved = await client.call("TerminalService/ResolveCode", resolve, secret=secret)
        process_id = resolved["process"]["processId"]
        complete = {
            "requestId": new_id(),
            "reference": {"identification": {"processId": process_id}},
        }
        completed = await client.call("TerminalService/CompleteProcess", complete, secret=secret)
        receipt = await client.call(
            "CustomerService/GetReceipt", {"processId": process_id}, secret=token
        )

    assert issued["code"].startswith("TM1:")
    assert resolved["process"]["state"] == "PROCESS_STATE_INSTRUCTED"
    assert completed["process"]["state"] == "PROCESS_STATE_COMPLETED"
    assert completed["receipt"] == receipt["receipt"]
    assert receipt["receipt"]["postings"] == [
        {"programmeId": "beans", "points": "25", "balanceAfter": "25"}
    ]


async def test_a_stock_client_reads_the_reason_of_an_error(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        client = StockClient(running.app.port, tmp_path)
        refused = await client.call("CustomerService/GetWallet", {})
        invalid = await client.call(
            "CustomerService/RegisterCustomer", {"requestId": "1", "loginName": "ana"}
        )

    assert refused["code"] == "unauthenticated"
    info = ErrorInfo.FromString(detail(refused, "google.rpc.ErrorInfo"))
    assert (info.domain, info.reason) == ("tallymark", "CREDENTIALS_MISSING")
    assert invalid["code"] == "invalid_argument"
    bad = BadRequest.FromString(detail(invalid, "google.rpc.BadRequest"))
    assert {"request_id", "password", "device_name"} == {
        each.field for each in bad.field_violations
    }


async def test_reflection_lists_the_services_of_each_port(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        public = await StockClient(running.app.port, tmp_path).services()
        operators = await StockClient(running.app.operator_port, tmp_path).services()

    common = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert set(public) == common | {
        "tallymark.v1.CustomerService",
        "tallymark.v1.TerminalService",
    }
    assert set(operators) == common | {"tallymark.v1.OperatorService"}
