"""Who may call the double of the TerminalService: codes, certificates, and the list of keys."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import grpc
from cryptography import x509
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import certificate_pb2
from tallymark.v1 import terminal_service_pb2 as pb
from tallymark_protocol.certificate_request import public_key_hash
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_terminal.home import Home
from tallymark_terminal.identity import Certificate, Enrolment, Identity
from tests.doubles.authority import Authority, caller_key_hash

__all__ = ["ENROLMENT_CODE", "MERCHANT_ID", "TERMINAL_ID", "TerminalAccess", "stamp"]

TERMINAL_ID = "till-1"
MERCHANT_ID = "corner-shop"
ENROLMENT_CODE = "enrol-me-once"
LIFE_SECONDS = 72 * 3600.0

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class TerminalAccess:
    """Knows one terminal, by however many keys."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Take the server's clock, in seconds since 1970."""
        self.authority = Authority()
        self.life_seconds = LIFE_SECONDS
        """Life of the certificates that are issued from now on."""
        self.port = 0
        self.ends: dict[str, float] = {}
        """By key hash, when the newest certificate over an allowed key ends."""
        self.callers: list[str] = []
        """Hashes of the keys of all calls, in order."""
        self._now = now
        self._enrolments: dict[str, tuple[pb.EnrollRequest, pb.EnrollResponse]] = {}

    def enrol(self, request: pb.EnrollRequest) -> pb.EnrollResponse:
        """Enrol once; the same request gets the same answer."""
        if self._enrolments:
            (asked, answer) = next(iter(self._enrolments.values()))
            if asked != request:
                raise Refused(Reason.ENROLMENT_CODE_INVALID)
            return answer
        if request.enrolment_code != ENROLMENT_CODE:
            raise Refused(Reason.ENROLMENT_CODE_INVALID)
        answer = pb.EnrollResponse(
            terminal_id=TERMINAL_ID,
            merchant_id=MERCHANT_ID,
            merchant_name="Corner Shop",
            certificate=self.issue(request.certificate_request),
            terminal_port=self.port,
        )
        self._enrolments[request.enrolment_code] = (request, answer)
        return answer

    def issue(self, request: bytes) -> certificate_pb2.IssuedCertificate:
        """Return a certificate, and allow its key."""
        key_hash = public_key_hash(x509.load_der_x509_csr(request).public_key())
        begins_at = self._now()
        self.ends[key_hash] = begins_at + self.life_seconds
        return certificate_pb2.IssuedCertificate(
            certificate_pem=self.authority.issue(request, owner_id=TERMINAL_ID),
            ca_certificates_pem=self.authority.certificate_pem,
            renew_at=stamp(begins_at + self.life_seconds / 2),
            expires_at=stamp(self.ends[key_hash]),
        )

    def check(self, context: Context) -> None:
        """Refuse whoever is not on the list, and certificates whose time is over."""
        key_hash = caller_key_hash(context)
        self.callers.append(key_hash)
        if key_hash not in self.ends:
            raise Refused(Reason.CREDENTIALS_INVALID)
        if self._now() >= self.ends[key_hash]:
            raise Refused(Reason.CERTIFICATE_EXPIRED)

    def revoke(self) -> None:
        """Forget every key."""
        self.ends.clear()

    def enrolment(self, request: bytes) -> Enrolment:
        """Return what the terminal reads in the answer to this request."""
        issued = self.issue(request)
        return Enrolment(
            terminal_id=TERMINAL_ID,
            merchant_id=MERCHANT_ID,
            merchant_name="Corner Shop",
            terminal_port=self.port,
            certificate=Certificate(
                certificate_pem=issued.certificate_pem,
                ca_certificates_pem=issued.ca_certificates_pem,
                renew_at=issued.renew_at.ToDatetime(tzinfo=UTC),
                expires_at=issued.expires_at.ToDatetime(tzinfo=UTC),
            ),
        )

    def enrol_home(self, home: Home, *, server: str) -> Identity:
        """Leave in the terminal's folder what enrolment leaves."""
        files = home.identity_files
        attempt = files.attempt("enrol", new_id="request-1")
        enrolment = self.enrolment(attempt.certificate_request)
        return files.keep_enrolment(attempt, enrolment, server=server)


def stamp(seconds: float) -> Timestamp:
    """Return a time as the contract carries it."""
    message = Timestamp()
    message.FromDatetime(datetime.fromtimestamp(seconds, tz=UTC))
    return message
