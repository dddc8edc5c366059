"""The keys of terminals and operators, and their requests for certificates."""

import hashlib
import traceback

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tallymark_protocol.certificate_request import ClientKey, NotAClientKey, public_key_hash

# The private key of RFC 7517, appendix A.2, and the SHA-256 of its SubjectPublicKeyInfo, made with
#   openssl pkey -in key.pem -pubout -outform DER | sha256sum
RFC_7517_SCALAR = "f3bd0c07a81fb932781ed52752f60cc89a6be5e51934fe01938ddb55d8f77801"
RFC_7517_KEY_HASH = "51b944cdfa544d4c3273aa6bf350625a7dd53bbb6a71723274f538b19a207760"


def pem_of(private_key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_request_is_signed_by_the_key_that_it_is_about_and_names_nobody() -> None:
    key = ClientKey.generate()

    request = x509.load_der_x509_csr(key.certificate_request())

    public_key = request.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert isinstance(public_key.curve, ec.SECP256R1)
    assert isinstance(request.signature_hash_algorithm, hashes.SHA256)
    assert request.is_signature_valid
    assert public_key_hash(public_key) == key.key_hash()
    assert list(request.subject) == []
    assert list(request.extensions) == []


def test_key_comes_back_from_its_pem() -> None:
    key = ClientKey.generate()

    again = ClientKey.from_pem(key.to_pem())

    assert again.key_hash() == key.key_hash()
    assert again.to_pem() == key.to_pem()
    assert key.to_pem().startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_two_keys_are_two_keys() -> None:
    assert ClientKey.generate().key_hash() != ClientKey.generate().key_hash()


def test_key_hash_is_what_openssl_says() -> None:
    private_key = ec.derive_private_key(int(RFC_7517_SCALAR, 16), ec.SECP256R1())

    assert ClientKey(private_key).key_hash() == RFC_7517_KEY_HASH


def test_key_hash_is_over_the_subject_public_key_info() -> None:
    public_key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    # RFC 8410, section 4: the algorithm, then the raw key as a bit string.
    key_info = bytes.fromhex("302a300506032b6570032100") + public_key.public_bytes_raw()

    assert public_key_hash(public_key) == hashlib.sha256(key_info).hexdigest()


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"secret", id="no PEM"),
        pytest.param(pem_of(ed25519.Ed25519PrivateKey.generate()), id="another algorithm"),
        pytest.param(pem_of(ec.generate_private_key(ec.SECP384R1())), id="another curve"),
        pytest.param(ClientKey.generate().to_pem()[:90], id="cut off"),
        pytest.param(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"password"),
            ),
            id="with a password",
        ),
    ],
)
def test_other_texts_are_no_key(pem: bytes) -> None:
    with pytest.raises(NotAClientKey) as refused:
        ClientKey.from_pem(pem)

    assert "secret" not in "".join(traceback.format_exception(refused.value))


def test_repr_shows_nothing() -> None:
    assert repr(ClientKey.generate()) == str(ClientKey.generate()) == "ClientKey()"
