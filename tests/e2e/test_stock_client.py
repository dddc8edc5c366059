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

from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign
from tallymark_protocol.tls import ClientIdentity
from tests.e2e.served import DEADLINE_SECONDS, Town, town

BUF = Path(sys.executable).with_name("buf")


class StockClient:
    """`buf curl`: JSON in, JSON out; what the fields are it asks the server.

    It has the certificate of the server's authority, and if it is a terminal or operator its own.
    """

    def __init__(
        self, port: int, home: Path, running: Town, identity: ClientIdentity | None = None
    ) -> None:
        self._port = port
        self._home = home
        ca_file = home / "ca.pem"
        ca_file.write_text(running.ca_pem)
        self._trust = ["--cacert", str(ca_file)]
        if identity is not None:
            own, key = home / f"{port}.pem", home / f"{port}.key"
            own.write_text(identity.certificate_pem)
            key.write_text(identity.private_key_pem)
            self._trust += ["--cert", str(own), "--key", str(key)]

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
        process = await asyncio.create_subprocess_exec(
            str(BUF),
            "curl",
            *("--protocol", "grpc"),
            *self._trust,
            *arguments,
            f"https://127.0.0.1:{self._port}{path}",
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


async def customer(phone: StockClient) -> str:
    """Register a customer whose device has signed the request, and return the session token."""
    key, request_id = DevicePrivateKey.generate(), new_id()
    statement = proof_to_sign(
        ProofPurpose.REGISTER, login_name="ana", request_id=request_id, public_key=key.public()
    )
    person = {
        "requestId": request_id,
        "loginName": "ana",
        "password": "correct horse battery",
        "deviceName": "phone",
        "deviceKey": {
            "algorithm": "KEY_ALGORITHM_ED25519",
            "keyBytes": base64.b64encode(key.public().key_bytes).decode(),
        },
        "deviceProof": base64.b64encode(key.sign(statement)).decode(),
    }
    token: str = (await phone.call("CustomerService/RegisterCustomer", person))["sessionToken"]
    return token


async def terminal(running: Town, phone: StockClient, home: Path) -> StockClient:
    """Let the operator create a terminal, and enrol it."""
    operator = StockClient(running.app.operator_port, home, running, running.operator.identity)
    created = await operator.call(
        "OperatorService/CreateTerminal", {"terminalId": "till-1", "merchantId": "cafe"}
    )
    key = ClientKey.generate()
    enrolled = await phone.call(
        "TerminalService/Enroll",
        {
            "requestId": new_id(),
            "enrolmentCode": created["enrolmentCode"],
            "certificateRequest": base64.b64encode(key.certificate_request()).decode(),
        },
    )
    identity = ClientIdentity(enrolled["certificate"]["certificatePem"], key.to_pem().decode())
    return StockClient(enrolled["terminalPort"], home, running, identity)


async def test_a_code_is_issued_resolved_and_completed_by_a_stock_client(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        client = StockClient(running.app.port, tmp_path, running)
        token, till = await customer(client), await terminal(running, client, tmp_path)

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
        resolved = await till.call("TerminalService/ResolveCode", resolve)
        process_id = resolved["process"]["processId"]
        complete = {
            "requestId": new_id(),
            "reference": {"identification": {"processId": process_id}},
        }
        completed = await till.call("TerminalService/CompleteProcess", complete)
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
        client = StockClient(running.app.port, tmp_path, running)
        refused = await client.call("CustomerService/GetWallet", {})
        invalid = await client.call(
            "CustomerService/RegisterCustomer", {"requestId": "1", "loginName": "ana"}
        )

    assert refused["code"] == "unauthenticated"
    info = ErrorInfo.FromString(detail(refused, "google.rpc.ErrorInfo"))
    assert (info.domain, info.reason) == ("tallymark", "CREDENTIALS_MISSING")
    assert invalid["code"] == "invalid_argument"
    bad = BadRequest.FromString(detail(invalid, "google.rpc.BadRequest"))
    assert {"request_id", "password", "device_name", "device_key", "device_proof"} == {
        each.field for each in bad.field_violations
    }


async def test_reflection_lists_the_services_of_each_port(tmp_path: Path) -> None:
    async with town(tmp_path) as running:
        public = await StockClient(running.app.port, tmp_path, running).services()
        operators = await StockClient(
            running.app.operator_port, tmp_path, running, running.operator.identity
        ).services()

    common = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert set(public) == common | {
        "tallymark.v1.CustomerService",
        "tallymark.v1.OperatorService",
        "tallymark.v1.TerminalService",
    }, "the port of phones serves the two enrolments too"
    assert set(operators) == common | {"tallymark.v1.OperatorService"}
