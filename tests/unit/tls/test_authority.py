"""The server's authority: what it issues, to whom, and for how long."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tallymark_protocol.certificate_request import ClientKey
from tallymark_server.tls.authority import Authority, CertificateLives, RequestInvalid

NOW = 1_800_000_000_000


class Kept(dict[str, bytes]):
    """Stands in for the folder of keys."""

    def read_or_make(self, name: str, make: object) -> bytes:
        if name not in self:
            assert callable(make)
            self[name] = make()
        return self[name]


def opened(kept: Kept | None = None) -> Authority:
    return Authority.open((kept if kept is not None else Kept()).read_or_make, now=NOW)


def request(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey,
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the operator")])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    built = x509.CertificateSigningRequestBuilder(name).sign(key, algorithm)
    return built.public_bytes(serialization.Encoding.DER)


def milliseconds(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)


def test_the_authority_is_made_once_and_read_afterwards() -> None:
    kept = Kept()

    first, again, other = opened(kept), opened(kept), opened()

    assert first.certificates_pem == again.certificates_pem != other.certificates_pem
    assert set(kept) == {"authority.key.pem", "authority.pem"}
    assert "PRIVATE" not in first.certificates_pem
    assert "PRIVATE" not in repr(first)


def test_a_certificate_that_is_not_over_the_authoritys_key_is_refused() -> None:
    kept, other = Kept(), Kept()
    opened(kept)
    opened(other)
    kept["authority.pem"] = other["authority.pem"]

    with pytest.raises(RuntimeError, match="put both back"):
        opened(kept)


def test_an_authority_without_an_ecdsa_key_is_refused() -> None:
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

    with pytest.raises(RuntimeError, match="not an ECDSA key"):
        opened(Kept({"authority.key.pem": pem}))


def test_a_client_certificate_names_its_owner_and_may_do_nothing_else() -> None:
    authority, key = opened(), ClientKey.generate()

    issued = authority.issue_client(
        key.certificate_request(), kind="terminal", owner_id="till-1", now=NOW
    )

    certificate = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    of_authority = x509.load_pem_x509_certificate(authority.certificates_pem.encode())
    certificate.verify_directly_issued_by(of_authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert [name.value for name in names] == ["tallymark:terminal/till-1"]
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not basic.ca
    assert issued.key_hash == key.key_hash()
    assert issued.expires_at == milliseconds(certificate.not_valid_after_utc)
    assert issued.expires_at == NOW + 72 * 3600 * 1000
    assert milliseconds(certificate.not_valid_before_utc) < NOW


def test_what_a_request_says_of_its_maker_counts_for_nothing() -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    issued = opened().issue_client(request(key), kind="terminal", owner_id="till-1", now=NOW)

    assert (
        "the operator"
        not in x509.load_pem_x509_certificate(
            issued.certificate_pem.encode()
        ).subject.rfc4514_string()
    )


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"no request",
        request(ec.generate_private_key(ec.SECP384R1())),
        request(ed25519.Ed25519PrivateKey.generate()),
        request(rsa.generate_private_key(65537, 2048)),
        request(ec.generate_private_key(ec.SECP256R1())) + b"\0",
    ],
    ids=["empty", "text", "P-384", "Ed25519", "RSA", "trailing byte"],
)
def test_only_requests_for_p256_keys_are_certified(wrong: bytes) -> None:
    with pytest.raises(RequestInvalid):
        opened().issue_client(wrong, kind="terminal", owner_id="till-1", now=NOW)


def test_nobody_gets_a_certificate_over_somebody_elses_key() -> None:
    """Each byte of the signature counts."""
    good = ClientKey.generate().certificate_request()
    authority = opened()

    for place in range(len(good) - 60, len(good)):
        forged = bytearray(good)
        forged[place] ^= 1
        with pytest.raises(RequestInvalid):
            authority.issue_client(bytes(forged), kind="terminal", owner_id="till-1", now=NOW)


def test_the_servers_certificate_is_for_its_names_and_addresses() -> None:
    identity = opened().issue_server(["localhost", "127.0.0.1", "till.example"], now=NOW)

    certificate = x509.load_pem_x509_certificate(identity.certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "till.example"]
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert "PRIVATE" not in repr(identity)
    assert identity.expires_at == NOW + CertificateLives().server_seconds * 1000


def test_a_request_of_a_version_that_does_not_exist_is_refused() -> None:
    """The library has an error of its own for it, which reached callers as INTERNAL."""
    good = ClientKey.generate().certificate_request()
    version = good.index(b"\x02\x01\x00") + 2
    strange = good[:version] + b"\x18" + good[version + 1 :]

    with pytest.raises(RequestInvalid):
        opened().issue_client(strange, kind="terminal", owner_id="till-1", now=NOW)
