"""Who the terminal is: what enrolment gave it, and the key and certificate that prove it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

from tallymark_protocol.certificate_request import ClientKey, public_key_hash
from tallymark_protocol.tls import ClientIdentity

__all__ = ["Certificate", "CertificateAttempt", "Enrolment", "Identity"]

_UNREADABLE: Final = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, InternalError)
"""What the library raises on certificates that a disk has damaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A certificate as the server issued it, and whom to trust from then on."""

    certificate_pem: str
    ca_certificates_pem: str
    renew_at: datetime
    expires_at: datetime

    def fits(self, key: ClientKey) -> bool:
        """Say whether it was issued for this key, and everything in it can be read."""
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate_pem.encode())
            if self.ca_certificates_pem:
                x509.load_pem_x509_certificates(self.ca_certificates_pem.encode())
            public_key = certificate.public_key()
        except _UNREADABLE:
            return False
        return public_key_hash(public_key) == key.key_hash()


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateAttempt:
    """A request for a certificate, which is repeated as it is until it is answered."""

    request_id: str
    purpose: str
    """What it is for; another purpose needs another request."""

    certificate_request: bytes = field(repr=False)
    """PKCS#10 in DER. It is kept as it was made: to sign it again gives other bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """Answer of Enroll."""

    terminal_id: str
    merchant_id: str
    merchant_name: str
    terminal_port: int
    """Port at which the terminal calls from now on, on the host that it enrolled at."""

    certificate: Certificate


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """An enrolled terminal, and where its server listens."""

    server: str
    """HOST:PORT."""

    terminal_id: str
    merchant_id: str
    merchant_name: str
    certificate: Certificate
    key: ClientKey

    @property
    def for_tls(self) -> ClientIdentity:
        """What it presents to the server."""
        return ClientIdentity(self.certificate.certificate_pem, self.key.to_pem().decode())
