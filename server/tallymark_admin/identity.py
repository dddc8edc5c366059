"""What an operator is known by: certificates, the requests for them, and who they name."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tallymark_protocol.tls import ClientIdentity

__all__ = ["Certificate", "CertificateRequest", "Identity", "Operator"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A certificate as the server issued it, with the authorities to trust."""

    certificate_pem: str
    ca_certificates_pem: str
    renew_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateRequest:
    """A request for a certificate as it is sent, byte for byte, until it is answered."""

    request_id: str
    certificate_request: bytes = field(repr=False)
    identity: str
    """Name of the folder with the key that it is about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """Who this user is, at which server, and until when."""

    server: str
    """HOST:PORT at which operators call."""
    operator_id: str
    identity: str
    """Name of the folder with key and certificate."""
    renew_at: datetime
    expires_at: datetime


class Identity(NamedTuple):
    """What mutual TLS needs: what is presented, and whom to trust."""

    client: ClientIdentity
    ca_certificates_pem: str
