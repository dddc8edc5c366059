"""Codes that nobody issued, made from codes that were: each kind that there is a defence for."""

from collections.abc import Callable
from random import Random
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol import base45
from tallymark_protocol.code_format import CODE_PREFIX, parse, sign
from tallymark_server.keyring import Keyring

__all__ = ["FORGERIES", "Forger"]


class Forger:
    """Makes forgeries of genuine codes, as a thief with every public key and many codes could."""

    def __init__(self, keyring: Keyring, other: Keyring, codes: list[str], random: Random) -> None:
        self.keyring = keyring
        self.other = other
        """Keys of another server, whose codes are genuine there."""

        self.codes = codes
        self.random = random

    def code(self) -> str:
        return self.random.choice(self.codes)

    def bytes_of(self, code: str) -> bytearray:
        return bytearray(base45.decode(code.removeprefix(CODE_PREFIX)))

    def place(self, content: bytes | bytearray | str) -> int:
        return self.random.randrange(len(content))


def _text(content: bytes | bytearray) -> str:
    return CODE_PREFIX + base45.encode(bytes(content))


def _envelope(forger: Forger) -> list[Any]:
    envelope: list[Any] = cbor2.loads(bytes(forger.bytes_of(forger.code())))
    return envelope


def bit_flip(forger: Forger) -> str:
    """Flip one bit of the content."""
    content = forger.bytes_of(forger.code())
    content[forger.place(content)] ^= 1 << forger.random.randrange(8)
    return _text(content)


def signature_flip(forger: Forger) -> str:
    """Flip one bit of the signature, which is the end of the content."""
    content = forger.bytes_of(forger.code())
    content[-1 - forger.random.randrange(64)] ^= 1 << forger.random.randrange(8)
    return _text(content)


def character(forger: Forger) -> str:
    """Replace one character of the text by another one of the alphabet."""
    code = forger.code()
    at = forger.place(code)
    others = [one for one in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:" if one != code[at]]
    return code[:at] + forger.random.choice(others) + code[at + 1 :]


def truncation(forger: Forger) -> str:
    """Cut the content."""
    content = forger.bytes_of(forger.code())
    return _text(content[: forger.place(content)])


def extension(forger: Forger) -> str:
    """Add bytes behind the content."""
    content = forger.bytes_of(forger.code())
    return _text(content + forger.random.randbytes(1 + forger.random.randrange(20)))


def cut_text(forger: Forger) -> str:
    """Cut the text."""
    code = forger.code()
    return code[: 8 + forger.random.randrange(len(code) - 8)]


def spelling(forger: Forger) -> str:
    """Write the same content in another way."""
    code = forger.code()
    ways: list[Callable[[str], str]] = [
        str.lower,
        lambda text: f" {text}",
        lambda text: f"{text} ",
        lambda text: text.replace("TM1:", "tm1:"),
        lambda text: text.replace("TM1:", "TM1:TM1:"),
        lambda text: f"{text}\n",
        lambda text: f"{text}0",
    ]
    return forger.random.choice(ways)(code)


def other_key(forger: Forger) -> str:
    """Name another key, known or not."""
    envelope = _envelope(forger)
    header = bytearray(envelope[0])
    header[-1] = forger.random.choice([one for one in range(256) if one != header[-1]])
    envelope[0] = bytes(header)
    return _text(cbor2.dumps(envelope))


def other_algorithm(forger: Forger) -> str:
    """Name another algorithm: none, HMAC with the public key as its secret, ES256, a text."""
    envelope = _envelope(forger)
    algorithm = forger.random.choice([0, None, 4, 5, 6, -7, -37, -257, "none", "EdDSA"])
    envelope[0] = cbor2.dumps({1: algorithm, 4: bytes([forger.keyring.signing.current.key_id])})
    return _text(cbor2.dumps(envelope))


def unprotected_header(forger: Forger) -> str:
    """Say something in the header that nothing protects."""
    envelope = _envelope(forger)
    envelope[1] = {forger.random.choice([1, 4, 5, -65537]): forger.random.choice([-8, b"\1", 0])}
    return _text(cbor2.dumps(envelope))


def later_expiry(forger: Forger) -> str:
    """Let the code live longer, under the old signature."""
    return _with_claim(forger, 4, lambda expiry: expiry + 1 + forger.random.randrange(10**6))


def other_audience(forger: Forger) -> str:
    """Bind the code to another terminal, or free it."""
    return _with_claim(forger, 3, lambda _: f"till-{forger.random.randrange(10**6)}")


def other_id(forger: Forger) -> str:
    """Guess another id."""
    return _with_claim(forger, 7, lambda _: b"\0" + forger.random.randbytes(19))


def more_claims(forger: Forger) -> str:
    """Say more than a code may say."""
    return _with_claim(forger, forger.random.choice([1, 2, 5, 6, 8, -1]), lambda _: 1)


def _with_claim(forger: Forger, claim: int, change: Callable[[Any], Any]) -> str:
    envelope = _envelope(forger)
    claims = cbor2.loads(envelope[2])
    claims[claim] = change(claims.get(claim))
    envelope[2] = cbor2.dumps(claims, canonical=True)
    return _text(cbor2.dumps(envelope))


def other_server(forger: Forger) -> str:
    """Show a code that another server has signed, with the same number of its key."""
    claims = parse(forger.code()).claims
    return sign(
        claims,
        key_id=forger.keyring.signing.current.key_id,
        private_key=forger.other.signing.current.private_key,
        epoch=forger.other.epoch,
    )


def own_key(forger: Forger) -> str:
    """Sign new claims with a key of one's own."""
    envelope = _envelope(forger)
    claims = cbor2.loads(envelope[2])
    claims[7] = b"\0" + forger.random.randbytes(19)
    envelope[2] = cbor2.dumps(claims, canonical=True)
    key = Ed25519PrivateKey.from_private_bytes(forger.random.randbytes(32))
    envelope[3] = key.sign(b"whatever")
    return _text(cbor2.dumps(envelope))


def swapped_signature(forger: Forger) -> str:
    """Put the signature of another genuine code under this one."""
    envelope = _envelope(forger)
    envelope[3] = bytes(byte ^ 0xFF for byte in cbor2.loads(forger.bytes_of(forger.code()))[3])
    return _text(cbor2.dumps(envelope))


def other_secret(forger: Forger) -> str:
    """Show another secret of the system as a code."""
    return forger.random.choice(
        [
            forger.keyring.derive_secret("tms", str(forger.random.random())),
            forger.keyring.derive_secret("tme", str(forger.random.random())),
            forger.code().replace("TM1:", "TT1:"),
            CODE_PREFIX + forger.keyring.derive_secret("tms", str(forger.random.random())),
        ]
    )


def duplicate_key(forger: Forger) -> str:
    """Give a claim twice."""
    return _reencoded(forger, lambda payload: b"\xa3" + payload[1:] + b"\x04\x1a\xff\xff\xff\xff")


def indefinite_map(forger: Forger) -> str:
    """Write the claims as a map without a length."""
    return _reencoded(forger, lambda payload: b"\xbf" + payload[1:] + b"\xff")


def long_head(forger: Forger) -> str:
    """Write the number of claims in two bytes."""
    return _reencoded(forger, lambda payload: b"\xb8" + bytes([payload[0] & 31]) + payload[1:])


def tagged(forger: Forger) -> str:
    """Put a tag around everything, as COSE allows."""
    return _text(b"\xd2" + forger.bytes_of(forger.code()))


def turned_claims(forger: Forger) -> str:
    """Write the claims in the other order."""
    envelope = _envelope(forger)
    claims = list(cbor2.loads(envelope[2]).items())
    envelope[2] = cbor2.dumps(dict(reversed(claims)))
    return _text(cbor2.dumps(envelope))


def _reencoded(forger: Forger, change: Callable[[bytes], bytes]) -> str:
    envelope = _envelope(forger)
    envelope[2] = change(envelope[2])
    return _text(cbor2.dumps(envelope))


FORGERIES: dict[str, Callable[[Forger], str]] = {
    forge.__name__: forge
    for forge in (
        bit_flip,
        signature_flip,
        character,
        truncation,
        extension,
        cut_text,
        spelling,
        other_key,
        other_algorithm,
        unprotected_header,
        later_expiry,
        other_audience,
        other_id,
        more_claims,
        other_server,
        own_key,
        swapped_signature,
        other_secret,
        duplicate_key,
        indefinite_map,
        long_head,
        tagged,
        turned_claims,
    )
}
