"""The key of a terminal or an operator, and the request (PKCS#10) for a certificate over it.

The key is ECDSA on P-256, made where it is used, and never leaves that machine. A request is signed
with the key that it is about, so nobody gets a certificate over a key of somebody else. It names
nobody: who asks is known from the enrolment code or from the certificate that is being renewed, and
the server alone writes names into certificates.
"""

import hashlib
from typing import Final

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = ["ClientKey", "NotAClientKey", "public_key_hash"]

_NOBODY: Final = x509.Name([])


class NotAClientKey(ValueError):
    """The bytes are not the PEM of an ECDSA P-256 private key; the message repeats none of them."""


class ClientKey:
    """The private key behind a client certificate; its repr shows nothing.

    Whoever reads its PEM may call as its owner: keep it in a file for its owner's eyes only.
    """

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        """Take the key.

        Raises:
            NotAClientKey: the key is on another curve than P-256.

        """
        if not isinstance(private_key.curve, ec.SECP256R1):
            message = "the private key is not on the curve P-256; enrol again for a new one"
            raise NotAClientKey(message)
        self._private_key = private_key

    def __repr__(self) -> str:
        """Show nothing."""
        return "ClientKey()"

    @classmethod
    def generate(cls) -> "ClientKey":
        """Make a new key from the system's randomness."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "ClientKey":
        """Return the key of a PEM text without password.

        Raises:
            NotAClientKey: no such text, or a key of another kind.

        """
        try:
            private_key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
            # Without its cause, which may repeat what it read.
            private_key = None
        if not isinstance(private_key, ec.EllipticCurvePrivateKey):
            message = "this is not the PEM of an ECDSA private key; enrol again for a new one"
            raise NotAClientKey(message)
        return cls(private_key)

    def to_pem(self) -> bytes:
        """Return the key as PEM (PKCS#8, no password). A secret."""
        return self._private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def certificate_request(self) -> bytes:
        """Return a request for a certificate over this key: PKCS#10 (RFC 2986) in DER."""
        request = x509.CertificateSigningRequestBuilder(_NOBODY).sign(
            self._private_key, hashes.SHA256()
        )
        return request.public_bytes(serialization.Encoding.DER)

    def key_hash(self) -> str:
        """Return what the server knows this key by: see public_key_hash."""
        return public_key_hash(self._private_key.public_key())


def public_key_hash(public_key: PublicKeyTypes) -> str:
    """Return the SHA-256 of the key's SubjectPublicKeyInfo in DER (RFC 5280), 64 hex digits.

    It names a key wherever one is allowed or revoked, and outlives the certificates over it.
    """
    key_info = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(key_info).hexdigest()
