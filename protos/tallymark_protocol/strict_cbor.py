"""CBOR (RFC 8949) for bytes that strangers send and keys sign: one value, one encoding, no tags.

The deterministic form (section 4.2.1 of the RFC) has shortest heads, definite lengths, sorted map
keys and nothing after the end. `decode` guards the decoder; whether the bytes were deterministic
the caller learns by encoding **what it understood** and comparing. That also finds what a look at
the decoded value misses, such as the key 4.0, which Python takes for the key 4.
"""

from typing import Final, NoReturn

import cbor2

__all__ = ["NotStrictCbor", "decode", "encode"]


class NotStrictCbor(ValueError):
    """The bytes are not CBOR, or use what no format of Tallymark allows."""


def encode(value: object) -> bytes:
    """Return the deterministic encoding of the value.

    cbor2 sorts map keys by length first, as RFC 7049 did. For keys of one kind, and for those of
    the claims (3, 4, 7, -65537), that is the bytewise order of RFC 8949.
    """
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, depth_max: int) -> object:
    """Return the value of CBOR with at most `depth_max` nested arrays and maps.

    Raises:
        NotStrictCbor: not CBOR, cut off, too deep, an indefinite length, a duplicate key or a tag.

    """
    try:
        value: object = cbor2.loads(
            data,
            max_depth=depth_max,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_TAGS_OF_CBOR2,
            tag_hook=_refuse_tag,
        )
    except cbor2.CBORError:
        # Without its cause, whose text may repeat the bytes.
        message = "the bytes are not CBOR of the allowed kind"
        raise NotStrictCbor(message) from None
    return value


def _refuse_tag(*_: object) -> NoReturn:
    message = "tags are not allowed"
    raise ValueError(message)


# A decoder that builds regular expressions, e-mail messages or huge numbers for a stranger is a
# risk, so each tag that cbor2 would turn into another type is refused; the tag_hook takes the rest.
_TAGS_OF_CBOR2: Final = dict.fromkeys(
    (*range(6), 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799),
    _refuse_tag,
)
