"""Codes with a wrong form, in the order of the steps 1 to 7 of the check.

Each carries a good signature over what it says wherever it can, so that an implementation passes
only if it refuses the form itself.
"""

import base64
import hmac
from collections.abc import Iterator

import cbor2

from code_vectors.forge import (
    EXPIRES_AT,
    HEADER_START,
    NOW,
    SEED_1,
    InvalidCode,
    envelope,
    key,
    signed_text,
    to_text,
)
from tallymark_protocol import base45

__all__ = ["malformed_codes"]


def malformed_codes(good_text: str) -> Iterator[InvalidCode]:
    """Yield each malformed code, made from a good one without audience and ticket."""
    good = base45.decode(good_text[4:])
    for step, name, text in (
        *_bad_texts(good_text, good),
        *_bad_envelopes(good),
        *_bad_headers(good),
        *_bad_claims(good),
    ):
        yield InvalidCode(step=step, name=name, text=text, reason="CODE_MALFORMED")


def _bad_texts(good_text: str, good: bytes) -> Iterator[tuple[int, str, str]]:
    body = good_text[4:]
    base64url = base64.urlsafe_b64encode(good).decode()
    yield 1, "longer than any code", good_text + "0" * (467 - len(good_text))
    yield 2, "empty text", ""
    yield 2, "no prefix", body
    yield 2, "prefix in lower case", "tm1:" + body
    yield 2, "prefix of another version", "TM2:" + body
    yield 2, "space before the prefix", " " + good_text
    yield 2, "a web address", "https://example.org/TM1:"
    yield 3, "newline at the end", good_text + "\n"
    yield 3, "space at the end, which is a Base45 character", good_text + " "
    yield 3, "body in lower case", "TM1:" + body.lower()
    yield 3, "one character not in the alphabet", good_text[:20] + "_" + good_text[21:]
    yield 3, "one full-width digit", good_text[:20] + "\uff11" + good_text[21:]
    yield 3, "one character missing", good_text[:-1]
    yield 3, "one character too many", good_text + "0"
    yield 3, "a group above 65535", good_text[:4] + ":::" + good_text[7:]
    yield 3, "a last group above 255", good_text + "::"
    yield 3, "base64url instead of Base45", "TM1:" + base64url
    yield 4, "prefix only", "TM1:"
    yield 4, "last group missing", good_text[:-3]
    yield 4, "first group missing", "TM1:" + body[3:]


def _bad_envelopes(good: bytes) -> Iterator[tuple[int, str, str]]:
    header, payload, signature = good[1:8], good[9:40], good[40:]
    for step, name, cose in (
        (4, "tagged as COSE_Sign1 (18)", b"\xd2" + good),
        (4, "tagged as CWT (61) and COSE_Sign1 (18)", b"\xd8\x3d\xd2" + good),
        (4, "COSE_Mac0 tag (17)", b"\xd1" + good),
        (4, "array of three, no signature", b"\x83" + header + b"\xa0" + payload),
        (4, "array of five", b"\x85" + good[1:] + b"\xf6"),
        (4, "indefinite array", b"\x9f" + good[1:] + b"\xff"),
        (4, "map instead of array", b"\xa2" + good[1:]),
        (4, "payload null (detached)", b"\x84" + header + b"\xa0\xf6" + signature),
        (4, "payload a text", b"\x84" + header + b"\xa0\x78" + payload[1:] + signature),
        (4, "payload indefinite", b"\x84" + header + b"\xa0\x5f" + payload + b"\xff" + signature),
        (4, "signature of 63 bytes", good[:40] + b"\x58\x3f" + good[43:]),
        (4, "signature of 65 bytes", good[:40] + b"\x58\x41\x00" + good[42:]),
        (4, "signature empty", good[:40] + b"\x40"),
        (4, "unprotected header null", good[:8] + b"\xf6" + good[9:]),
        (4, "deep nesting", b"\x81" * 200),
        (4, "regular expression tag (35)", b"\xd8\x23\x63(a)"),
        (7, "byte after the end", good + b"\x00"),
        (7, "a second message after the end", good + good),
        (7, "array head not the shortest", b"\x98\x04" + good[1:]),
        (7, "payload head not the shortest", good[:9] + b"\x59\x00\x1d" + good[11:]),
        (7, "signature head not the shortest", good[:40] + b"\x59\x00\x40" + good[42:]),
        (7, "key number in the unprotected header too", good[:8] + b"\xa1\x04\x41\x01" + good[9:]),
    ):
        yield step, name, to_text(cose)


def _bad_headers(good: bytes) -> Iterator[tuple[int, str, str]]:
    payload = good[11:40]
    public_key = key(SEED_1).public_key().public_bytes_raw()
    hmac_tag = hmac.digest(public_key, payload, "sha512")
    for name, header in (
        ("header empty", ""),
        ("header an empty map", "a0"),
        ("algorithm missing", "a1044101"),
        ("algorithm 0 (reserved, 'none')", "a201000441" + "01"),
        ("algorithm ES256 (-7)", "a2012604410" + "1"),
        ("algorithm Ed25519 of RFC 9864 (-19)", "a201320441" + "01"),
        ("algorithm as text", "a2016545644453410441" + "01"),
        ("key number missing", "a10127"),
        ("key number empty", "a201270440"),
        ("key number of two bytes", "a2012704420001"),
        ("key number an integer", "a201270401"),
        ("key number a text", "a20127046131"),
        ("critical header (2) added", "a3012702810404" + "4101"),
        ("header keys in another order", "a20441010127"),
        ("algorithm given twice", "a30127012704" + "4101"),
        ("algorithm head not the shortest", "a2013807" + "044101"),
        ("header an indefinite map", "bf0127044101ff"),
        ("byte after the header map", HEADER_START + "0100"),
    ):
        yield 5, name, signed_text(bytes.fromhex(header), payload)
    hmac_header = bytes.fromhex("a201050441" + "01")
    forged = envelope(hmac_header, payload, hmac_tag)
    yield 5, "algorithm HMAC 256/256 (5), keyed with the public key", to_text(forged)


def _bad_claims(good: bytes) -> Iterator[tuple[int, str, str]]:
    cti = good[20:40].hex()
    exp, jti = f"041a{EXPIRES_AT:08x}", "0754" + cti
    ticket = "3a00010000"
    for name, claims in (
        ("payload empty", ""),
        ("payload an array", "82" + exp[2:] + jti[2:]),
        ("payload a whole code", good.hex()),
        ("payload cut off", "a2" + exp + jti[:-2]),
        ("expiry missing", "a1" + jti),
        ("cti missing", "a1" + exp),
        ("expiry zero", "a20400" + jti),
        ("expiry negative", "a20420" + jti),
        ("expiry 4294967296", "a2041b0000000100000000" + jti),
        ("expiry a float", "a204fb" + cbor2.dumps(float(EXPIRES_AT))[1:].hex() + jti),
        ("expiry a text", "a2046a" + str(EXPIRES_AT).encode().hex() + jti),
        ("expiry true", "a204f5" + jti),
        ("expiry null", "a204f6" + jti),
        ("expiry with the time tag (1)", "a204c1" + exp[2:] + jti),
        ("expiry a bignum", f"a204c244{EXPIRES_AT:08x}" + jti),
        ("expiry head not the shortest", f"a2041b{EXPIRES_AT:016x}" + jti),
        ("cti of 19 bytes", "a2" + exp + "0753" + cti[2:]),
        ("cti of 21 bytes", "a2" + exp + "0755" + cti + "00"),
        ("cti a text", "a2" + exp + "0774" + b"0123456789abcdefghij".hex()),
        ("audience empty", "a30360" + exp + jti),
        ("audience of 64 characters", "a3037840" + "61" * 64 + exp + jti),
        ("audience with a newline", "a303666c616e652d0a" + exp + jti),
        ("audience with a letter beyond ASCII", "a30362c3a4" + exp + jti),
        ("audience not UTF-8", "a30361ff" + exp + jti),
        ("audience beginning with a hyphen", "a303622d31" + exp + jti),
        ("audience bytes", "a303446c616e65" + exp + jti),
        ("audience an array", "a30381646c616e65" + exp + jti),
        ("audience null", "a303f6" + exp + jti),
        ("ticket claim a text", "a3" + exp + jti + ticket + "6131"),
        ("ticket claim without ticket", "a3" + exp + jti + ticket + "816131"),
        ("ticket claim with a null ticket", "a3" + exp + jti + ticket + "826131f6"),
        ("ticket claim with two nulls", "a3" + exp + jti + ticket + "82f6f6"),
        ("ticket claim with three references", "a3" + exp + jti + ticket + "83613161326133"),
        ("ticket claim with numbers", "a3" + exp + jti + ticket + "820102"),
        ("ticket claim null", "a3" + exp + jti + ticket + "f6"),
        ("unknown claim iss (1)", "a3016173" + exp + jti),
        ("unknown claim iat (6)", f"a3{exp}061a{NOW:08x}{jti}"),
        ("unknown claim with a text key", "a3" + exp + jti + "63666f6f01"),
        ("unknown claim with an array as key", "a3" + exp + jti + "810101"),
        ("expiry under the key 4.0", "a2" + jti + "f94400" + exp[2:]),
        ("expiry given twice", "a3" + exp + exp + jti),
        ("cti given twice", "a3" + exp + jti + jti),
        ("claims in another order", "a2" + jti + exp),
        ("key head not the shortest", "a21804" + exp[2:] + jti),
        ("map head not the shortest", "b802" + exp + jti),
        ("indefinite map", "bf" + exp + jti + "ff"),
        ("cti indefinite", "a2" + exp + "075f54" + cti + "ff"),
        ("byte after the claims", "a2" + exp + jti + "00"),
    ):
        yield 6, name, signed_text(bytes.fromhex(HEADER_START + "01"), bytes.fromhex(claims))
