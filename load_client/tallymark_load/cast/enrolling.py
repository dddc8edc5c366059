"""Gives operators and terminals their certificates, and keeps those new."""

import uuid
from dataclasses import replace
from typing import TypeVar

from tallymark.v1 import certificate_pb2, operator_service_pb2, terminal_service_pb2
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_load.cast.calls import Waiting, patiently
from tallymark_load.cast.drawing import new_terminal
from tallymark_load.cast.members import Operator, Server, Terminal
from tallymark_protocol.timestamps import to_milliseconds

__all__ = [
    "enrol_operator",
    "enrol_terminal",
    "let_in_again",
    "renewed_operator",
    "renewed_terminal",
]

MemberT = TypeVar("MemberT", Operator, Terminal)


async def enrol_operator(
    stub: OperatorServiceStub, drawn: Operator, server: Server
) -> tuple[Operator, Server]:
    """Enrol by its one-time code; return the operator, and the server with the operators' port."""
    request = operator_service_pb2.EnrollOperatorRequest(
        request_id=drawn.request_id,
        enrolment_code=drawn.enrolment_code,
        certificate_request=bytes.fromhex(drawn.certificate_request),
    )
    answer = await patiently(stub.EnrollOperator, request)
    operator = replace(_certified(drawn, answer.certificate), operator_id=answer.operator_id)
    address = _with_port(server.phones, answer.operator_port)
    certificates = server.ca_certificates_pem or answer.certificate.ca_certificates_pem
    return operator, replace(server, operators=address, ca_certificates_pem=certificates)


async def enrol_terminal(
    stub: TerminalServiceStub, drawn: Terminal, server: Server, waiting: Waiting
) -> tuple[Terminal, Server]:
    """Enrol by its one-time code; return the terminal, and the server with the terminals' port."""
    request = terminal_service_pb2.EnrollRequest(
        request_id=drawn.request_id,
        enrolment_code=drawn.enrolment_code,
        certificate_request=bytes.fromhex(drawn.certificate_request),
    )
    answer = await patiently(stub.Enroll, request, waiting=waiting)
    terminal = _certified(drawn, answer.certificate)
    return terminal, replace(server, terminals=_with_port(server.phones, answer.terminal_port))


async def renewed_operator(stub: OperatorServiceStub, operator: Operator) -> Operator:
    """Return the operator with its next certificate, for the same key."""
    request = operator_service_pb2.OperatorServiceRenewCertificateRequest(
        request_id=str(uuid.uuid4()),
        certificate_request=bytes.fromhex(operator.certificate_request),
    )
    return _certified(operator, (await patiently(stub.RenewCertificate, request)).certificate)


async def renewed_terminal(stub: TerminalServiceStub, terminal: Terminal) -> Terminal:
    """Return the terminal with its next certificate, for the same key."""
    request = terminal_service_pb2.RenewCertificateRequest(
        request_id=str(uuid.uuid4()),
        certificate_request=bytes.fromhex(terminal.certificate_request),
    )
    return _certified(terminal, (await patiently(stub.RenewCertificate, request)).certificate)


async def let_in_again(stub: OperatorServiceStub, terminal: Terminal) -> Terminal:
    """Let a terminal enrol once more, with a new key."""
    request = operator_service_pb2.ReenrollTerminalRequest(terminal_id=terminal.terminal_id)
    code = (await patiently(stub.ReenrollTerminal, request)).enrolment_code
    drawn = new_terminal(terminal.name, terminal.terminal_id, terminal.merchant)
    return replace(drawn, enrolment_code=code)


def _certified(member: MemberT, issued: certificate_pb2.IssuedCertificate) -> MemberT:
    return replace(
        member,
        certificate_pem=issued.certificate_pem,
        renew_at_ms=to_milliseconds(issued.renew_at),
        expires_at_ms=to_milliseconds(issued.expires_at),
    )


def _with_port(address: str, port: int) -> str:
    return f"{address.rpartition(':')[0]}:{port}"
