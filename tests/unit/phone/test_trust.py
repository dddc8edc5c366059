from pathlib import Path

import pytest

from tallymark_phone.trust import NoCertificates, Trust
from tests.doubles.authority import Authority

TRUST = Trust(ca_certificates_pem="-", source="/home/ana/ca.pem")


def test_the_certificates_of_a_file_are_read_with_where_they_come_from(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(Authority().certificate_pem, "ascii")

    trust = Trust.from_file(path)

    assert trust == Trust(ca_certificates_pem=path.read_text("ascii"), source=str(path))


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff", b"-----BEGIN CERTIFICATE-----\nAA"])
def test_a_file_without_certificates_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)

    with pytest.raises(NoCertificates, match=r"ca\.pem"):
        Trust.from_file(path)


@pytest.mark.parametrize(
    ("transport_error", "words"),
    [
        ("CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate: OK", "ca.pem"),
        ("BAD_SIGNATURE: certificate signature failure: OK", "ca.pem"),
        ("CERTIFICATE_VERIFY_FAILED: self-signed certificate", "--ca-file"),
        ("Hostname Verification Check failed.", "is not for the name shop.example"),
        ("CERTIFICATE_VERIFY_FAILED: certificate has expired: OK", "has expired"),
        ("CERTIFICATE_VERIFY_FAILED: certificate is not yet valid", "clock of this phone"),
        ("WRONG_VERSION_NUMBER: Invalid certificate verification context", "does not speak TLS"),
    ],
)
def test_a_failure_of_tls_is_explained_on_one_line(transport_error: str, words: str) -> None:
    sentence = TRUST.explain("shop.example:7420", transport_error)

    assert words in sentence
    assert "shop.example:7420" in sentence
    assert sentence.endswith("Nothing was sent.")
    assert "\n" not in sentence


def test_who_trusts_the_system_is_told_how_to_trust_somebody_else() -> None:
    sentence = Trust().explain("shop.example:7420", "unable to get local issuer certificate")

    assert "that this system trusts" in sentence
    assert "name it with --ca-file" in sentence


def test_another_failure_is_not_one_of_tls() -> None:
    assert not TRUST.explain("shop.example:7420", "Connection refused")
