"""The connection to a server's OperatorService.

Messages of the contract stop here, in server_lists.py, server_rows.py and checkpoints.py.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import grpc.aio
from google.protobuf.json_format import MessageToDict

from tallymark.v1 import (
    certificate_pb2,
    merchant_pb2,
    money_pb2,
    policy_pb2,
    registration_pb2,
)
from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_admin.calls import BACKUP_DEADLINE_SECONDS, RECONCILIATION_DEADLINE_SECONDS, call
from tallymark_admin.identity import Certificate, CertificateRequest
from tallymark_admin.plain import Plain, Row, from_row, to_row
from tallymark_admin.server_lists import ServerLists
from tallymark_admin.server_rows import ServerRows

__all__ = ["Enrolment", "OperatorConnection"]


class Enrolment(NamedTuple):
    """What a one-time code was exchanged for."""

    operator_id: str
    operator_port: int
    certificate: Certificate


class OperatorConnection:
    """What an operator can ask of a server, one method per thing, in plain values.

    Every method raises `Refused` when the server says no and `UnknownOutcome` when nobody can say.
    All of them may be repeated: what is there already stays as it is.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take an open channel; all but `enrol` need one that presents a certificate."""
        self._stub = OperatorServiceStub(channel)
        self.lists = ServerLists(self._stub)
        self.rows = ServerRows(self._stub)

    async def enrol(self, request: CertificateRequest, *, enrolment_code: str) -> Enrolment:
        """Exchange a one-time code for a certificate."""
        answer = await call(
            self._stub.EnrollOperator,
            contract.EnrollOperatorRequest(
                request_id=request.request_id,
                enrolment_code=enrolment_code,
                certificate_request=request.certificate_request,
            ),
        )
        return Enrolment(
            operator_id=answer.operator_id,
            operator_port=answer.operator_port,
            certificate=_certificate(answer.certificate),
        )

    async def renew_certificate(self, request: CertificateRequest) -> Certificate:
        """Return the next certificate."""
        answer = await call(
            self._stub.RenewCertificate,
            contract.OperatorServiceRenewCertificateRequest(
                request_id=request.request_id, certificate_request=request.certificate_request
            ),
        )
        return _certificate(answer.certificate)

    async def create_operator(self, operator_id: str) -> str:
        """Create an operator and return the one-time enrolment code, empty once it was used."""
        request = contract.CreateOperatorRequest(operator_id=operator_id)
        return (await call(self._stub.CreateOperator, request)).enrolment_code

    async def revoke_operator(self, operator_id: str) -> Row:
        """Revoke another operator."""
        request = contract.RevokeOperatorRequest(operator_id=operator_id)
        return to_row((await call(self._stub.RevokeOperator, request)).operator)

    async def create_merchant(self, *, merchant_id: str, name: str, programme_id: str) -> Row:
        """Create a merchant; an empty programme_id means none."""
        merchant = merchant_pb2.Merchant(
            merchant_id=merchant_id, name=name, programme_id=programme_id
        )
        request = contract.CreateMerchantRequest(merchant=merchant)
        return to_row((await call(self._stub.CreateMerchant, request)).merchant)

    async def create_terminal(self, *, terminal_id: str, merchant_id: str) -> str:
        """Create a terminal and return its one-time enrolment code, empty once it was used."""
        request = contract.CreateTerminalRequest(terminal_id=terminal_id, merchant_id=merchant_id)
        return (await call(self._stub.CreateTerminal, request)).enrolment_code

    async def revoke_terminal(self, terminal_id: str) -> Row:
        """Revoke a terminal."""
        request = contract.RevokeTerminalRequest(terminal_id=terminal_id)
        return to_row((await call(self._stub.RevokeTerminal, request)).terminal)

    async def delegate_terminal(self, terminal_id: str, *, concentrator_id: str) -> Row:
        """Let another terminal speak for a terminal; an empty id: none."""
        request = contract.DelegateTerminalRequest(
            terminal_id=terminal_id, concentrator_id=concentrator_id
        )
        return to_row((await call(self._stub.DelegateTerminal, request)).terminal)

    async def reenrol_terminal(self, terminal_id: str) -> str:
        """Let a terminal enrol once more, and return its one-time enrolment code."""
        request = contract.ReenrollTerminalRequest(terminal_id=terminal_id)
        return (await call(self._stub.ReenrollTerminal, request)).enrolment_code

    async def create_event(
        self, *, event_id: str, merchant_id: str, name: str, reentry_rule: str
    ) -> Row:
        """Create an event."""
        row: Row = {
            "event_id": event_id,
            "merchant_id": merchant_id,
            "name": name,
            "reentry_rule": reentry_rule,
        }
        request = contract.CreateEventRequest(event=from_row(row, registration_pb2.Event()))
        return to_row((await call(self._stub.CreateEvent, request)).event)

    async def create_programme(
        self,
        *,
        programme_id: str,
        name: str,
        currency_code: str,
        point_value_minor_units: int,
        earn_points_max: int,
    ) -> Row:
        """Create a points programme."""
        programme = registration_pb2.PointsProgramme(
            programme_id=programme_id,
            name=name,
            point_value=money_pb2.Money(
                currency_code=currency_code, minor_units=point_value_minor_units
            ),
            earn_points_max=earn_points_max,
        )
        request = contract.CreateProgrammeRequest(programme=programme)
        return to_row((await call(self._stub.CreateProgramme, request)).programme)

    async def revoke_device(self, *, login_name: str, device_id: str) -> int:
        """Cut a customer's device off and return the number of codes that are dead now."""
        request = contract.RevokeDeviceRequest(login_name=login_name, device_id=device_id)
        return (await call(self._stub.RevokeDevice, request)).codes_revoked

    async def invite_device(self, login_name: str) -> Row:
        """Make an invitation for a customer's next device; return it with its end."""
        request = contract.InviteCustomerDeviceRequest(login_name=login_name)
        return to_row(await call(self._stub.InviteCustomerDevice, request))

    async def unlock_password(self, login_name: str) -> int:
        """Forget a customer's wrong passwords and return how many there were."""
        request = contract.UnlockPasswordRequest(login_name=login_name)
        return (await call(self._stub.UnlockPassword, request)).failures

    async def policy(self) -> Row:
        """Return the policy in force."""
        return to_row((await call(self._stub.GetPolicy, contract.GetPolicyRequest())).policy)

    async def set_policy(self, policy: Mapping[str, Plain]) -> Row:
        """Set a whole policy, which carries the version it was read with; return the new one.

        Raises:
            UnknownName: a name that is none of an enum's values.

        """
        message = from_row(dict(policy), policy_pb2.Policy())
        request = contract.SetPolicyRequest(policy=message)
        return to_row((await call(self._stub.SetPolicy, request)).policy)

    async def rotate_key(self, *, kind: str, key_id: int) -> Row:
        """Follow the key in use, which is named, by a new one; return the one in use now."""
        request = from_row({"kind": kind, "key_id": key_id}, contract.RotateKeyRequest())
        return to_row((await call(self._stub.RotateKey, request)).key)

    async def revoke_key(self, *, key_id: int, note: str) -> Row:
        """Give up a key that signs codes; return the one in use now."""
        request = contract.RevokeKeyRequest(key_id=key_id, note=note)
        return to_row((await call(self._stub.RevokeKey, request)).key)

    async def settle_process(self, process_id: str, *, settlement: str, note: str) -> Row:
        """Settle an overdue or contested process as EXECUTED or NOT_EXECUTED."""
        row: Row = {"process_id": process_id, "settlement": settlement, "note": note}
        request = from_row(row, contract.SettleProcessRequest())
        return to_row((await call(self._stub.SettleProcess, request)).process)

    async def backup(self, name: str) -> Row:
        """Have a backup made and checked, and return what it holds."""
        request = contract.BackupRequest(name=name)
        answer = await call(self._stub.Backup, request, deadline_seconds=BACKUP_DEADLINE_SECONDS)
        return to_row(answer)

    async def recovery(self) -> Row:
        """Return the newest recovery, None if there never was one, and what terminals reported."""
        return to_row(await call(self._stub.GetRecovery, contract.GetRecoveryRequest()))

    async def finish_recovery(self, recovery_id: str, *, note: str) -> Row:
        """Finish a recovery and return it."""
        request = contract.FinishRecoveryRequest(recovery_id=recovery_id, note=note)
        return to_row((await call(self._stub.FinishRecovery, request)).recovery)

    async def reconcile_day(self, day: datetime) -> Row:
        """Return where the charges of the 24 hours from a time differ from the institution's."""
        request = contract.ReconcileDayRequest()
        request.starts_at.FromDatetime(day)
        deadline_seconds = RECONCILIATION_DEADLINE_SECONDS
        answer = await call(self._stub.ReconcileDay, request, deadline_seconds=deadline_seconds)
        return to_row(answer)

    async def checkpoint(self) -> dict[str, Any]:
        """Return a signed checkpoint of the journal, as the contract's own JSON has it."""
        answer = await call(self._stub.GetCheckpoint, contract.GetCheckpointRequest())
        return MessageToDict(answer.checkpoint)


def _certificate(issued: certificate_pb2.IssuedCertificate) -> Certificate:
    return Certificate(
        certificate_pem=issued.certificate_pem,
        ca_certificates_pem=issued.ca_certificates_pem,
        renew_at=issued.renew_at.ToDatetime(tzinfo=UTC),
        expires_at=issued.expires_at.ToDatetime(tzinfo=UTC),
    )
