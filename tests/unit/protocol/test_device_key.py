"""The keys of phones: published vectors, keys to refuse, and every change of what was signed."""

import hashlib
import traceback
from typing import Final

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.certificate_request import public_key_hash
from tallymark_protocol.device_key import (
    SIGNATURE_BYTES,
    DevicePrivateKey,
    DevicePublicKey,
    KeyAlgorithm,
    NotADeviceKey,
)

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493

# RFC 8032, section 7.1, tests 1 to 3: seed, key, message, signature.
RFC_8032: Final = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
)

# RFC 6979, appendix A.2.5, with SHA-256: message, r, s.
RFC_6979_SCALAR: Final = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
RFC_6979_POINT: Final = (
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
RFC_6979: Final = (
    (
        b"sample",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    (
        b"test",
        "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    ),
)

# The five y of the eight points of small order, each of which comes with either sign of x; the last
# two are the numbers p and p + 1 instead of 0 and 1.
SMALL_ORDER: Final = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
FITS_EVERY_MESSAGE: Final = b"\x01" + bytes(63)
ED25519: Final = bytes.fromhex(RFC_8032[0][1])
ES256: Final = bytes.fromhex(RFC_6979_POINT)

PRIVATE_KEYS: Final = {
    KeyAlgorithm.ED25519: DevicePrivateKey(
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_8032[0][0]))
    ),
    KeyAlgorithm.ES256: DevicePrivateKey(
        ec.derive_private_key(RFC_6979_SCALAR, ec.SECP256R1()),
    ),
}


@pytest.mark.parametrize(("seed", "key", "message", "signature"), RFC_8032)
def test_vectors_of_rfc_8032(seed: str, key: str, message: str, signature: str) -> None:
    private_key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    parsed = DevicePublicKey.parse(KeyAlgorithm.ED25519, bytes.fromhex(key))

    signed = DevicePrivateKey(private_key).sign(bytes.fromhex(message))

    assert signed.hex() == signature
    assert parsed.verify(bytes.fromhex(message), signed)
    assert DevicePrivateKey(private_key).public() == parsed


@pytest.mark.parametrize(("message", "r", "s"), RFC_6979)
def test_vectors_of_rfc_6979(message: bytes, r: str, s: str) -> None:
    parsed = DevicePublicKey.parse(KeyAlgorithm.ES256, ES256)

    signed = PRIVATE_KEYS[KeyAlgorithm.ES256].sign(message)

    assert signed.hex() == r + s
    assert parsed.verify(message, signed)
    assert PRIVATE_KEYS[KeyAlgorithm.ES256].public() == parsed


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_key_comes_back_from_its_pem_and_from_its_bytes(algorithm: KeyAlgorithm) -> None:
    key = DevicePrivateKey.generate(algorithm)
    public = key.public()

    again = DevicePrivateKey.from_pem(key.to_pem())
    parsed = DevicePublicKey.parse(algorithm, public.key_bytes)

    assert again.public() == parsed == public
    assert hash(parsed) == hash(public)
    assert parsed.algorithm is algorithm
    assert parsed.verify(b"message", again.sign(b"message"))


def test_new_keys_are_ed25519_and_differ() -> None:
    one, other = DevicePrivateKey.generate().public(), DevicePrivateKey.generate().public()

    assert one.algorithm is other.algorithm is KeyAlgorithm.ED25519
    assert one != other
    assert one != one.key_bytes


@given(st.sampled_from(KeyAlgorithm), st.binary(max_size=100), st.binary(max_size=100))
def test_signature_fits_its_message_only(
    algorithm: KeyAlgorithm, message: bytes, other: bytes
) -> None:
    key = PRIVATE_KEYS[algorithm]

    signature = key.sign(message)

    assert len(signature) == SIGNATURE_BYTES
    assert key.public().verify(message, signature)
    assert key.public().verify(other, signature) is (other == message)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_every_bit_flip_of_a_signature_is_refused(algorithm: KeyAlgorithm) -> None:
    key = PRIVATE_KEYS[algorithm]
    signature = key.sign(b"message")

    for bit in range(8 * SIGNATURE_BYTES):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not key.public().verify(b"message", bytes(flipped))


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_signature_of_another_key_or_algorithm_is_refused(algorithm: KeyAlgorithm) -> None:
    for stranger in (DevicePrivateKey.generate(each) for each in KeyAlgorithm):
        assert not PRIVATE_KEYS[algorithm].public().verify(b"message", stranger.sign(b"message"))


@given(st.sampled_from(KeyAlgorithm), st.binary(max_size=80))
def test_any_bytes_are_no_signature_and_nothing_else_happens(
    algorithm: KeyAlgorithm, signature: bytes
) -> None:
    assert not PRIVATE_KEYS[algorithm].public().verify(b"message", signature)


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 0), (0, 1), (1, 0), (P256_ORDER, 1), (1, P256_ORDER), (2**256 - 1, 2**256 - 1)],
)
def test_numbers_that_no_signature_of_es256_has_are_refused(r: int, s: int) -> None:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")

    assert not PRIVATE_KEYS[KeyAlgorithm.ES256].public().verify(b"message", signature)


def test_der_is_no_signature_of_es256() -> None:
    key = ec.derive_private_key(RFC_6979_SCALAR, ec.SECP256R1())
    der = key.sign(b"message", ec.ECDSA(hashes.SHA256()))

    assert not DevicePublicKey(key.public_key()).verify(b"message", der)


def test_second_form_of_a_signature_of_es256_is_taken() -> None:
    key = PRIVATE_KEYS[KeyAlgorithm.ES256]
    signature = key.sign(b"message")
    other_s = P256_ORDER - int.from_bytes(signature[32:], "big")

    assert key.public().verify(b"message", signature[:32] + other_s.to_bytes(32, "big"))


def test_scalar_beyond_the_order_is_refused_for_ed25519() -> None:
    key = PRIVATE_KEYS[KeyAlgorithm.ED25519]
    signature = key.sign(b"message")
    beyond = int.from_bytes(signature[32:], "little") + ED25519_ORDER

    assert not key.public().verify(b"message", signature[:32] + beyond.to_bytes(32, "little"))


@pytest.mark.parametrize("sign", [0, 0x80])
@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_point_of_small_order_is_no_key(encoded: str, sign: int) -> None:
    key_bytes = bytearray.fromhex(encoded)
    key_bytes[31] ^= sign

    with pytest.raises(NotADeviceKey):
        DevicePublicKey.parse(KeyAlgorithm.ED25519, bytes(key_bytes))


def test_without_that_check_one_signature_would_fit_every_message() -> None:
    neutral = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(SMALL_ORDER[0]))

    for message in (b"pay 1 EUR", b"pay 1000 EUR"):
        assert DevicePublicKey(neutral).verify(message, FITS_EVERY_MESSAGE)


@given(st.binary(min_size=32, max_size=32))
def test_key_for_ed25519_is_a_point_on_the_curve(key_bytes: bytes) -> None:
    number = int.from_bytes(key_bytes, "little")
    y, prime = number % 2**255, 2**255 - 19
    d = -121665 * pow(121666, -1, prime)
    # x² = u / v is a square exactly when u v is: no division, unlike in the code.
    product = (y * y - 1) * (d * y * y + 1) % prime
    is_on_curve = y < prime and pow(product, (prime - 1) // 2, prime) in {0, 1}

    if is_on_curve and y not in {0, 1, prime - 1}:
        assert DevicePublicKey.parse(KeyAlgorithm.ED25519, key_bytes).key_bytes == key_bytes
    else:
        with pytest.raises(NotADeviceKey):
            DevicePublicKey.parse(KeyAlgorithm.ED25519, key_bytes)


@pytest.mark.parametrize(
    ("algorithm", "key_bytes"),
    [
        pytest.param(0, ED25519, id="no algorithm"),
        pytest.param(3, ED25519, id="an algorithm that nobody knows"),
        pytest.param(-8, ED25519, id="the number of COSE"),
        pytest.param(1, b"", id="no bytes"),
        pytest.param(1, ED25519[:31], id="31 bytes"),
        pytest.param(1, ED25519 + b"\x00", id="33 bytes"),
        pytest.param(1, b"\x02" + bytes(31), id="not on the curve"),
        pytest.param(1, ES256, id="a key of ES256 as Ed25519"),
        pytest.param(2, ED25519, id="a key of Ed25519 as ES256"),
        pytest.param(2, b"", id="ES256: no bytes"),
        pytest.param(2, b"\x00", id="ES256: infinity"),
        pytest.param(2, bytes(65), id="ES256: zeros"),
        pytest.param(2, b"\x04" + bytes(64), id="ES256: the point (0, 0)"),
        pytest.param(2, ES256[1:], id="ES256: without its first byte"),
        pytest.param(2, ES256[:64], id="ES256: 64 bytes"),
        pytest.param(2, ES256 + b"\x00", id="ES256: 66 bytes"),
        pytest.param(2, b"\x02" + ES256[1:33], id="ES256: compressed"),
        pytest.param(2, b"\x07" + ES256[1:], id="ES256: hybrid"),
        pytest.param(2, ES256[:64] + bytes([ES256[64] ^ 1]), id="ES256: not on the curve"),
        pytest.param(
            2, b"\x04" + P256_PRIME.to_bytes(32, "big") + ES256[33:], id="ES256: x not reduced"
        ),
    ],
)
def test_other_bytes_are_no_key(algorithm: int, key_bytes: bytes) -> None:
    with pytest.raises(NotADeviceKey):
        DevicePublicKey.parse(algorithm, key_bytes)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_key_hash_is_over_the_subject_public_key_info(algorithm: KeyAlgorithm) -> None:
    # RFC 8410, section 4, and RFC 5480, section 2: what stands before the key's own bytes.
    before = {
        KeyAlgorithm.ED25519: "302a300506032b6570032100",
        KeyAlgorithm.ES256: "3059301306072a8648ce3d020106082a8648ce3d030107034200",
    }
    public = PRIVATE_KEYS[algorithm].public()

    key_info = bytes.fromhex(before[algorithm]) + public.key_bytes

    assert public.key_hash() == hashlib.sha256(key_info).hexdigest()
    assert public.key_hash() in repr(public)


def test_key_has_the_same_hash_for_phones_and_for_certificates() -> None:
    public_key = ec.derive_private_key(RFC_6979_SCALAR, ec.SECP256R1()).public_key()

    assert DevicePublicKey(public_key).key_hash() == public_key_hash(public_key)


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"secret", id="no PEM"),
        pytest.param(DevicePrivateKey.generate().to_pem()[:60], id="cut off"),
        pytest.param(
            ec.generate_private_key(ec.SECP384R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            id="another curve",
        ),
        # Of 32 bytes, where Ed448 has 57: OpenSSL refuses it with an error of its own.
        pytest.param(
            DevicePrivateKey.generate().to_pem().replace(b"BQYDK2Vw", b"BQYDK2Vx"),
            id="another algorithm's length",
        ),
        pytest.param(
            rsa.generate_private_key(65537, 2048).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            id="RSA",
        ),
    ],
)
def test_other_texts_are_no_private_key(pem: bytes) -> None:
    with pytest.raises(NotADeviceKey) as refused:
        DevicePrivateKey.from_pem(pem)

    assert "secret" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_repr_of_a_private_key_shows_nothing(algorithm: KeyAlgorithm) -> None:
    key = DevicePrivateKey.generate(algorithm)

    assert repr(key) == str(key) == "DevicePrivateKey()"
