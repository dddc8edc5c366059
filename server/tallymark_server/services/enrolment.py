"""Certificates for terminals and operators: for an enrolment code, and when one is running out."""

from typing import Final

from tallymark.v1 import certificate_pb2, operator_service_pb2, terminal_service_pb2
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import CertificateAnswer
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import CallerKind, Credential, Enrolment
from tallymark_server.keyring import Keyring, secret_hash
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one, request_key
from tallymark_server.services.values_out import time_message
from tallymark_server.storage.store import Store
from tallymark_server.tls.authority import Authority, IssuedCertificate, RequestInvalid

__all__ = ["Certificates"]

_ENROL_RPC: Final = {CallerKind.TERMINAL: "Enroll", CallerKind.OPERATOR: "EnrollOperator"}

_EnrolRequest = terminal_service_pb2.EnrollRequest | operator_service_pb2.EnrollOperatorRequest

_RenewRequest = (
    terminal_service_pb2.RenewCertificateRequest
    | operator_service_pb2.OperatorServiceRenewCertificateRequest
)


class Certificates:
    """Issues client certificates, the same way for terminals and operators."""

    def __init__(
        self, *, lane: Lane, store: Store, clock: Clock, keyring: Keyring, authority: Authority
    ) -> None:
        """Take the parts it works with."""
        self._lane = lane
        self._store = store
        self._clock = clock
        self._keyring = keyring
        self._authority = authority

    async def enrol(self, kind: CallerKind, request: _EnrolRequest) -> CertificateAnswer:
        """Use up the code; the same request gets the same certificate, unless it was revoked.

        Raises:
            Refused: ENROLMENT_CODE_INVALID, CERTIFICATE_REQUEST_INVALID.

        """
        code_hash = secret_hash(request.enrolment_code)
        enrolment = await load_one(self._store, Enrolment.key_of(code_hash))
        # For a code that is used up, the rules find the earlier answer, or refuse.
        owner_id = enrolment.owner_id if enrolment else "nobody"
        issued = self._issue(request.certificate_request, kind, owner_id)
        command = commands.Enrol(
            caller=Caller(kind=CallerKind.ANYONE, caller_id=code_hash),
            partition=DIRECTORY,
            request=request_key(self._keyring, _ENROL_RPC[kind], request, request.request_id),
            kind=kind,
            code_hash=code_hash,
            owner_id=owner_id,
            key_hash=issued.key_hash,
            certificate_pem=issued.certificate_pem,
            expires_at=issued.expires_at,
        )
        answer = await decided(self._lane, command, CertificateAnswer)
        if await load_one(self._store, Credential.key_of(issued.key_hash)) is None:
            raise Refused(Reason.ENROLMENT_CODE_INVALID)  # revoked since
        return answer

    async def renew(self, caller: Caller, request: _RenewRequest) -> CertificateAnswer:
        """Return the caller's next certificate.

        Raises:
            Refused: CERTIFICATE_REQUEST_INVALID.

        """
        issued = self._issue(request.certificate_request, caller.kind, caller.caller_id)
        command = commands.RenewCertificate(
            caller=caller,
            partition=DIRECTORY,
            request=request_key(self._keyring, "RenewCertificate", request, request.request_id),
            key_hash=issued.key_hash,
            certificate_pem=issued.certificate_pem,
            expires_at=issued.expires_at,
        )
        return await decided(self._lane, command, CertificateAnswer)

    def message(self, answer: CertificateAnswer) -> certificate_pb2.IssuedCertificate:
        """Return the answer as the contract has it."""
        issued_at = answer.expires_at - self._authority.lives.client_seconds * 1000
        return certificate_pb2.IssuedCertificate(
            certificate_pem=answer.certificate_pem,
            ca_certificates_pem=self._authority.certificates_pem,
            renew_at=time_message((issued_at + answer.expires_at) // 2),
            expires_at=time_message(answer.expires_at),
        )

    def _issue(self, request: bytes, kind: CallerKind, owner_id: str) -> IssuedCertificate:
        try:
            return self._authority.issue_client(
                request, kind=kind.value, owner_id=owner_id, now=self._clock.now()
            )
        except RequestInvalid:
            raise Refused(Reason.CERTIFICATE_REQUEST_INVALID) from None
