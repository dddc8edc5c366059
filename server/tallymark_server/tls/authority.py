"""The server's own certificate authority, from which it and all who call have certificates.

Keys are ECDSA P-256, which every TLS library has. A certificate names its owner for people and
logs; what counts on every call is the list of keys, so a certificate that leaves the house in some
other way opens nothing.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tallymark_protocol.certificate_request import public_key_hash

__all__ = ["Authority", "CertificateLives", "IssuedCertificate", "RequestInvalid", "ServerIdentity"]

_DAY_SECONDS: Final = 24 * 3600

_KEY_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


# What the library raises on requests of strangers. A version that PKCS #10 does not have and a key
# that OpenSSL cannot set up are not ValueErrors to it.
_NO_REQUEST: Final = (
    ValueError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.InvalidVersion,
    InternalError,
)


class RequestInvalid(ValueError):
    """The request is not PKCS #10 for an ECDSA P-256 key, signed by that key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateLives:
    """How long certificates last, in seconds."""

    client_seconds: int = 72 * 3600
    """Of terminals and operators: short, because a thief who copies a key keeps it no longer."""

    server_seconds: int = 30 * _DAY_SECONDS
    """Of the server; it makes the next one by itself when half of this is over."""

    authority_seconds: int = 20 * 365 * _DAY_SECONDS
    """Of the authority: clients keep it, and changing it means to enrol everybody again."""

    backdated_seconds: int = 2 * _DAY_SECONDS
    """A certificate begins so long before it is made, for clients whose clocks are behind."""


class IssuedCertificate(NamedTuple):
    """A client certificate, the hash of its key, and the time in milliseconds at which it ends."""

    certificate_pem: str
    key_hash: str
    expires_at: int


class ServerIdentity(NamedTuple):
    """What a listener shows: its certificate chain and key in PEM. Its repr shows neither."""

    certificate_pem: bytes
    private_key_pem: bytes
    expires_at: int

    def __repr__(self) -> str:
        """Leave the key out."""
        return f"ServerIdentity(expires_at={self.expires_at})"


class Authority:
    """Issues certificates. Its repr shows nothing."""

    def __init__(
        self,
        *,
        private_key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        lives: CertificateLives,
    ) -> None:
        """Take the authority's key and certificate; `open` reads or makes them."""
        self._private_key = private_key
        self._certificate = certificate
        self.lives = lives
        self.certificates_pem = _pem(certificate)

    @classmethod
    def open(
        cls,
        read_or_make: Callable[[str, Callable[[], bytes]], bytes],
        *,
        now: int,
        lives: CertificateLives | None = None,
    ) -> "Authority":
        """Read key and certificate from where the keys are, or make them there.

        `read_or_make` takes the name of a private file and what makes its content.

        Raises:
            RuntimeError: what is there is no authority.

        """
        lives = lives or CertificateLives()
        key = serialization.load_pem_private_key(
            read_or_make("authority.key.pem", _new_key_pem), password=None
        )
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            message = "the authority's key is not an ECDSA key; put it back from your backup"
            raise RuntimeError(message)  # noqa: TRY004 -- the file is wrong, not the caller
        made = read_or_make(
            "authority.pem", lambda: _pem(_self_signed(key, now=now, lives=lives)).encode()
        )
        certificate = x509.load_pem_x509_certificate(made)
        if certificate.public_key() != key.public_key():
            message = "the authority's certificate is not over its key; put both back together"
            raise RuntimeError(message)
        return cls(private_key=key, certificate=certificate, lives=lives)

    def issue_client(
        self, request: bytes, *, kind: str, owner_id: str, now: int
    ) -> IssuedCertificate:
        """Return a certificate over the key that the request is about and signed by.

        Raises:
            RequestInvalid: it is no such request.

        """
        public_key = _requested_key(request)
        expires_at = now + self.lives.client_seconds * 1000
        name = x509.UniformResourceIdentifier(f"tallymark:{kind}/{owner_id}")
        builder = self._builder(owner_id, now=now, expires_at=expires_at).public_key(public_key)
        certificate = self._sign(builder, [name], ExtendedKeyUsageOID.CLIENT_AUTH)
        return IssuedCertificate(_pem(certificate), public_key_hash(public_key), expires_at)

    def issue_server(self, host_names: Sequence[str], *, now: int) -> ServerIdentity:
        """Return a new key with a certificate for these names and addresses."""
        private_key = ec.generate_private_key(ec.SECP256R1())
        expires_at = now + self.lives.server_seconds * 1000
        builder = self._builder("Tallymark server", now=now, expires_at=expires_at)
        certificate = self._sign(
            builder.public_key(private_key.public_key()),
            [_host_name(name) for name in host_names],
            ExtendedKeyUsageOID.SERVER_AUTH,
        )
        return ServerIdentity(_pem(certificate).encode(), _key_pem(private_key), expires_at)

    def _builder(self, common_name: str, *, now: int, expires_at: int) -> x509.CertificateBuilder:
        return _builder(
            common_name,
            issuer=self._certificate.subject,
            not_before=now - self.lives.backdated_seconds * 1000,
            not_after=expires_at,
        )

    def _sign(
        self,
        builder: x509.CertificateBuilder,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
    ) -> x509.Certificate:
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self._private_key.public_key()
        )
        return (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_KEY_USAGE, critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(authority_key, critical=False)
            .sign(self._private_key, hashes.SHA256())
        )


def _requested_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key of a request, after checking that whoever asks has its private half."""
    try:
        parsed = x509.load_der_x509_csr(request)
        public_key = parsed.public_key()
        is_signed = parsed.is_signature_valid
    except _NO_REQUEST:
        raise RequestInvalid from None
    is_p256 = isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(
        public_key.curve, ec.SECP256R1
    )
    if not is_p256 or not is_signed:
        raise RequestInvalid
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    return public_key


def _self_signed(
    key: ec.EllipticCurvePrivateKey, *, now: int, lives: CertificateLives
) -> x509.Certificate:
    """Return the authority's own certificate; it may sign others, and these sign nothing."""
    common_name = f"Tallymark authority {public_key_hash(key.public_key())[:16]}"
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(
        common_name,
        issuer=_name(common_name),
        not_before=now - lives.backdated_seconds * 1000,
        not_after=now + lives.authority_seconds * 1000,
    ).public_key(key.public_key())
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(subject_key, critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    common_name: str, *, issuer: x509.Name, not_before: int, not_after: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(not_before))
        .not_valid_after(_moment(not_after))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=milliseconds // 1000)


def _new_key_pem() -> bytes:
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
