"""The part of the double of the OperatorService that is about trust.

Who may call, the server's own keys, lost phones, and the checkpoints of the journal.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import certificate_pb2, checkpoint_pb2, key_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceServicer
from tallymark_protocol.certificate_request import public_key_hash
from tallymark_protocol.checkpoint import Checkpoint, sign_checkpoint
from tallymark_protocol.errors import Refused
from tallymark_protocol.journal_chain import GENESIS_HASH, ChainedEntry
from tallymark_protocol.reasons import Reason
from tallymark_protocol.timestamps import to_timestamp

from .authority import Authority, caller_key_hash

__all__ = ["DEVICE_ID", "FIRST_ENROLMENT_CODE", "AccessDouble", "entry_message"]

FIRST_ENROLMENT_CODE = "first-code-of-the-server"
DEVICE_ID = "00" + "d1" * 16
SIGNED_AT = 1_790_000_000_000

Context = Any


class AccessDouble(OperatorServiceServicer):
    """Holds what the calls leave behind, in fields that tests may read and fill."""

    def __init__(self, *, customers: set[str]) -> None:
        self.authority = Authority()
        self.operator_port = 0
        self.renew_after = timedelta(hours=36)
        self.expires_after = timedelta(hours=72)
        self.enrolment_codes = {"operator/first": FIRST_ENROLMENT_CODE}
        self.certificate_requests: list[tuple[str, bytes]] = []
        """What was sent by EnrollOperator and RenewCertificate, with the request_id."""
        self.answered: dict[str, certificate_pb2.IssuedCertificate] = {}
        self.owners: dict[str, str] = {}
        """Operator of each key that may call, by the key's hash."""
        self.operators: dict[tuple[str, ...], contract.Operator] = {}
        self._operator("first")
        self.customers = customers
        self.devices = {DEVICE_ID: "Anna's phone"}
        self.wrong_passwords = 100
        self.server_keys: dict[tuple[int, int], contract.ServerKey] = {}
        for kind in (1, 2, 3):
            self.use_key(kind, 1)
        self.keys_given_up: set[int] = set()
        self.cells = 0
        """How many a rotation leaves to be sealed anew."""
        self.journal: list[contract.JournalEntry] = []
        self.audit_key = Ed25519PrivateKey.generate()
        self.checkpoint: checkpoint_pb2.SignedCheckpoint | None = None
        """What GetCheckpoint answers instead of the right one."""

    def owner_of(self, context: Context) -> str:
        """Return the operator who calls.

        Raises:
            Refused: the key of the caller may not call.

        """
        operator_id = self.owners.get(caller_key_hash(context))
        if operator_id is None or self.operators[operator_id,].revoked:
            raise Refused(Reason.CREDENTIALS_INVALID)
        return operator_id

    async def EnrollOperator(
        self, request: contract.EnrollOperatorRequest, _: Context
    ) -> contract.EnrollOperatorResponse:
        self.certificate_requests.append((request.request_id, request.certificate_request))
        if request.request_id not in self.answered:
            codes = self.enrolment_codes.items()
            owners = [owner for owner, code in codes if code == request.enrolment_code]
            if not owners:
                raise Refused(Reason.ENROLMENT_CODE_INVALID)
            self.enrolment_codes[owners[0]] = ""
            operator_id = owners[0].removeprefix("operator/")
            self._operator(operator_id).enrolled = True
            self._issue(request.request_id, request.certificate_request, operator_id)
        certificate = self.answered[request.request_id]
        return contract.EnrollOperatorResponse(
            operator_id=self._owner_of_certificate(certificate),
            certificate=certificate,
            operator_port=self.operator_port,
        )

    async def RenewCertificate(
        self, request: contract.OperatorServiceRenewCertificateRequest, context: Context
    ) -> contract.OperatorServiceRenewCertificateResponse:
        self.certificate_requests.append((request.request_id, request.certificate_request))
        if request.request_id not in self.answered:
            operator_id = self.owner_of(context)
            self._issue(request.request_id, request.certificate_request, operator_id)
        certificate = self.answered[request.request_id]
        return contract.OperatorServiceRenewCertificateResponse(certificate=certificate)

    async def CreateOperator(
        self, request: contract.CreateOperatorRequest, _: Context
    ) -> contract.CreateOperatorResponse:
        if self._operator(request.operator_id).enrolled:
            raise Refused(Reason.ALREADY_EXISTS_DIFFERENT)
        return contract.CreateOperatorResponse(
            enrolment_code=self.enrolment_code(f"operator/{request.operator_id}")
        )

    async def RevokeOperator(
        self, request: contract.RevokeOperatorRequest, context: Context
    ) -> contract.RevokeOperatorResponse:
        operator = self.operators.get((request.operator_id,))
        if operator is None:
            raise Refused(Reason.OPERATOR_NOT_FOUND)
        if request.operator_id == self.owner_of(context):
            raise Refused(Reason.OPERATOR_IS_CALLER)
        operator.revoked = True
        return contract.RevokeOperatorResponse(operator=operator)

    async def ListDevices(
        self, request: contract.ListDevicesRequest, _: Context
    ) -> contract.ListDevicesResponse:
        self._demand_customer(request.login_name)
        return contract.ListDevicesResponse(
            devices=[
                contract.CustomerDevice(device_id=device_id, name=name, sessions=2)
                for device_id, name in self.devices.items()
            ]
        )

    async def RevokeDevice(
        self, request: contract.RevokeDeviceRequest, _: Context
    ) -> contract.RevokeDeviceResponse:
        self._demand_customer(request.login_name)
        if self.devices.pop(request.device_id, None) is None:
            raise Refused(Reason.DEVICE_NOT_FOUND)
        return contract.RevokeDeviceResponse(codes_revoked=3)

    async def InviteCustomerDevice(
        self, request: contract.InviteCustomerDeviceRequest, _: Context
    ) -> contract.InviteCustomerDeviceResponse:
        self._demand_customer(request.login_name)
        return contract.InviteCustomerDeviceResponse(
            invitation=f"invitation-of-{request.login_name}", expires_at=to_timestamp(SIGNED_AT)
        )

    async def UnlockPassword(
        self, request: contract.UnlockPasswordRequest, _: Context
    ) -> contract.UnlockPasswordResponse:
        self._demand_customer(request.login_name)
        failures, self.wrong_passwords = self.wrong_passwords, 0
        return contract.UnlockPasswordResponse(failures=failures)

    async def ListKeys(
        self, request: contract.ListKeysRequest, _: Context
    ) -> contract.ListKeysResponse:
        """List the keys; each time a third of the cells that are left has been sealed anew."""
        answer = contract.ListKeysResponse(epoch=9)
        for (kind, key_id), key in sorted(self.server_keys.items()):
            answer.server_keys.append(key)
            key.cells_left -= -(-key.cells_left // 3)
            if kind == contract.KEY_KIND_SIGNING:
                public_key = key_pb2.PublicKey(
                    algorithm=key_pb2.KEY_ALGORITHM_ED25519, key_bytes=bytes([key_id] * 32)
                )
                answer.keys.add(key_id=key_id, public_key=public_key)
        return answer

    async def RotateKey(
        self, request: contract.RotateKeyRequest, _: Context
    ) -> contract.RotateKeyResponse:
        key = self._key_in_use(request.kind)
        if key.key_id == request.key_id:
            key.in_use = False
            key.cells_left = self.cells if request.kind == contract.KEY_KIND_CELLS else 0
            key = self.use_key(request.kind, request.key_id + 1)
        return contract.RotateKeyResponse(key=key)

    async def RevokeKey(
        self, request: contract.RevokeKeyRequest, _: Context
    ) -> contract.RevokeKeyResponse:
        key = self.server_keys.pop((contract.KEY_KIND_SIGNING, request.key_id), None)
        if key is None and request.key_id not in self.keys_given_up:
            raise Refused(Reason.KEY_NOT_FOUND)
        self.keys_given_up.add(request.key_id)
        if key is not None and key.in_use:
            self.use_key(contract.KEY_KIND_SIGNING, request.key_id + 1)
        return contract.RevokeKeyResponse(key=self._key_in_use(contract.KEY_KIND_SIGNING))

    async def ListJournal(
        self, request: contract.ListJournalRequest, _: Context
    ) -> contract.ListJournalResponse:
        later = [entry for entry in self.journal if entry.sequence > request.after_sequence]
        return contract.ListJournalResponse(entries=later[: request.size or 200])

    async def GetCheckpoint(
        self, request: contract.GetCheckpointRequest, _: Context
    ) -> contract.GetCheckpointResponse:
        return contract.GetCheckpointResponse(checkpoint=self.checkpoint or self.sign_journal())

    def sign_journal(self) -> checkpoint_pb2.SignedCheckpoint:
        """Return the signed checkpoint of the journal as it is."""
        checkpoint = Checkpoint(
            partition=0,
            sequence=self.journal[-1].sequence if self.journal else 0,
            chain_hash=self.journal[-1].chain_hash if self.journal else GENESIS_HASH,
        )
        return checkpoint_pb2.SignedCheckpoint(
            partition=checkpoint.partition,
            sequence=checkpoint.sequence,
            chain_hash=checkpoint.chain_hash,
            signed_at=to_timestamp(SIGNED_AT),
            signature=sign_checkpoint(checkpoint, signed_at=SIGNED_AT, private_key=self.audit_key),
            audit_key=key_pb2.PublicKey(
                algorithm=key_pb2.KEY_ALGORITHM_ED25519,
                key_bytes=self.audit_key.public_key().public_bytes_raw(),
            ),
        )

    def enrolment_code(self, owner: str) -> str:
        """Return the one-time code of a terminal or an operator, empty once it was used."""
        return self.enrolment_codes.setdefault(owner, f"one-time-code-of-{owner}")

    def _operator(self, operator_id: str) -> contract.Operator:
        return self.operators.setdefault((operator_id,), contract.Operator(operator_id=operator_id))

    def _issue(self, request_id: str, certificate_request: bytes, operator_id: str) -> None:
        pem = self.authority.issue(certificate_request, kind="operator", owner_id=operator_id)
        now = datetime.now(tz=UTC)
        self.answered[request_id] = certificate_pb2.IssuedCertificate(
            certificate_pem=pem,
            ca_certificates_pem=self.authority.certificate_pem,
            renew_at=_timestamp(now + self.renew_after),
            expires_at=_timestamp(now + self.expires_after),
        )
        self.owners[_key_hash(pem)] = operator_id

    def _owner_of_certificate(self, certificate: certificate_pb2.IssuedCertificate) -> str:
        return self.owners[_key_hash(certificate.certificate_pem)]

    def _demand_customer(self, login_name: str) -> None:
        if login_name not in self.customers:
            raise Refused(Reason.CUSTOMER_NOT_FOUND)

    def use_key(self, kind: int, key_id: int) -> contract.ServerKey:
        """Make a key and use it."""
        key = contract.ServerKey(
            kind=kind,  # type: ignore[arg-type] # a number is what the wire carries
            key_id=key_id,
            in_use=True,
            valid_from=to_timestamp(SIGNED_AT),
        )
        self.server_keys[kind, key_id] = key
        return key

    def _key_in_use(self, kind: int) -> contract.ServerKey:
        (key,) = (key for key in self.server_keys.values() if key.in_use and key.kind == kind)
        return key


def entry_message(entry: ChainedEntry) -> contract.JournalEntry:
    """Return an entry as the server lists it."""
    return contract.JournalEntry(
        sequence=entry.sequence,
        decided_at=to_timestamp(entry.decided_at),
        command=entry.command,
        caller=entry.caller,
        process_id=entry.process_id,
        state=entry.state,  # type: ignore[arg-type] # the same numbers
        payload=entry.payload,
        chain_hash=entry.chain_hash,
    )


def _key_hash(certificate_pem: str) -> str:
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    return public_key_hash(certificate.public_key())


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
