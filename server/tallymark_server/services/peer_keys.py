"""Whose key a connection was opened with: what TLS has proved, and nothing that a message says."""

from collections import OrderedDict
from typing import Any, Final, NamedTuple, Protocol

import grpc
from cryptography import x509

from tallymark_protocol.certificate_request import public_key_hash
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["UNSAFE_KEY_HASH", "CertifiedPeers", "PeerKey", "PeerKeys", "UnsafeNamedPeers"]

UNSAFE_KEY_HASH: Final = "unsafe-key-hash"
"""Metadata in which a caller of the plain-text mode says whose key it would have."""

CACHE_MAX: Final = 20_000
"""Certificates that are remembered; reading one takes 18 us (measured), a look-up none."""

_NEVER: Final = 2**63

_SCHEME: Final = "tallymark:"

_Context = grpc.aio.ServicerContext[Any, Any]


class PeerKey(NamedTuple):
    """A key by its hash, and what its certificate says; times in milliseconds since 1970."""

    key_hash: str
    expires_at: int
    not_before: int = 0
    name: str = ""
    """Whom it was issued to, as in "terminal/till-1"; "" if it does not say."""


class PeerKeys(Protocol):
    """Tells the key of the caller at the other end of a connection."""

    def of(self, context: _Context) -> PeerKey:
        """Return the key. Raises `Refused` CREDENTIALS_MISSING when there is none."""
        ...


class CertifiedPeers:
    """Reads the certificate that the handshake has checked."""

    def __init__(self) -> None:
        """Start knowing none."""
        self._known: OrderedDict[bytes, PeerKey] = OrderedDict()

    def of(self, context: _Context) -> PeerKey:
        """Return the key of the client certificate. Raises `Refused` CREDENTIALS_MISSING."""
        pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
        if not pem:
            raise Refused(Reason.CREDENTIALS_MISSING)
        known = self._known.get(pem)
        if known is None:
            known = _read(pem)
            self._known[pem] = known
            if len(self._known) > CACHE_MAX:
                self._known.popitem(last=False)
        return known


class UnsafeNamedPeers:
    """Believes whatever the caller says: for the plain-text mode, which is for tests only."""

    def of(self, context: _Context) -> PeerKey:
        """Return the key that the caller names. Raises `Refused` CREDENTIALS_MISSING."""
        named = dict(context.invocation_metadata() or ()).get(UNSAFE_KEY_HASH)
        if not named:
            raise Refused(Reason.CREDENTIALS_MISSING)
        return PeerKey(str(named), _NEVER)


def _read(pem: bytes) -> PeerKey:
    certificate = x509.load_pem_x509_certificate(pem)
    return PeerKey(
        public_key_hash(certificate.public_key()),
        expires_at=round(certificate.not_valid_after_utc.timestamp() * 1000),
        not_before=round(certificate.not_valid_before_utc.timestamp() * 1000),
        name=_name(certificate),
    )


def _name(certificate: x509.Certificate) -> str:
    """Return the name that the authority has put in (see `Authority.issue_client`)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return next((uri.removeprefix(_SCHEME) for uri in uris if uri.startswith(_SCHEME)), "")
