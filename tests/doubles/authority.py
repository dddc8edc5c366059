"""A certificate authority for tests: it vouches for doubles of the server, and for their callers.

Its certificates are good for longer than any test's clock looks ahead, because TLS goes by the
computer's clock and a test by its own; a double that checks ends does so by its own clock too.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tallymark_protocol.certificate_request import ClientKey, public_key_hash
from tallymark_protocol.tls import ClientIdentity

__all__ = ["Authority", "caller_key_hash"]

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2120, 1, 1, tzinfo=UTC)


class Authority:
    """One authority with its own key; two of them do not trust each other's certificates."""

    def __init__(self, name: str = "authority of the tests") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        certificate = (
            _builder(subject=self._name, issuer=self._name, key=self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate_pem = _pem(certificate)

    def issue(self, request: bytes, *, kind: str = "terminal", owner_id: str) -> str:
        """Return a client certificate in PEM for a request that a ClientKey made."""
        asked = x509.load_der_x509_csr(request)
        assert asked.is_signature_valid
        return self._issue(
            asked.public_key(),
            name=owner_id,
            also=[x509.UniformResourceIdentifier(f"tallymark:{kind}/{owner_id}")],
            usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        )

    def identity(self, *, kind: str = "terminal", owner_id: str) -> ClientIdentity:
        """Return a new key with its certificate."""
        key = ClientKey.generate()
        certificate_pem = self.issue(key.certificate_request(), kind=kind, owner_id=owner_id)
        return ClientIdentity(certificate_pem, key.to_pem().decode())

    def server_credentials(
        self, *, demands_certificate: bool, hosts: Sequence[str] = ("127.0.0.1", "localhost")
    ) -> grpc.ServerCredentials:
        """Return what a server on these hosts shows, and whether it demands the same of callers."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate_pem = self._issue(
            key.public_key(),
            name="server",
            also=[_host(host) for host in hosts],
            usage=ExtendedKeyUsageOID.SERVER_AUTH,
        )
        key_pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return grpc.ssl_server_credentials(
            [(key_pem, certificate_pem.encode())],
            root_certificates=self.certificate_pem.encode() if demands_certificate else None,
            require_client_auth=demands_certificate,
        )

    def _issue(
        self,
        key: CertificatePublicKeyTypes,
        *,
        name: str,
        also: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
    ) -> str:
        certificate = (
            _builder(subject=_name(name), issuer=self._name, key=key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(also), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(certificate)


def caller_key_hash(context: "grpc.aio.ServicerContext[Any, Any]") -> str:
    """Return the hash of the key that the caller's certificate is over; "" without one."""
    for certificate_pem in context.auth_context().get("x509_pem_cert", ()):
        return public_key_hash(x509.load_pem_x509_certificate(certificate_pem).public_key())
    return ""


def _builder(
    *, subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINNING)
        .not_valid_after(END)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
