"""Codes and tags, from their text and from the inside: Base45, CBOR, envelope, claims."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tallymark_protocol import base45, code_format, strict_cbor, terminal_tag
from tallymark_protocol.checkpoint import NotACheckpoint, parse_checkpoint
from tallymark_protocol.code_claims import claims_from_cbor, claims_to_cbor
from tallymark_protocol.code_errors import CodeMalformed
from tests.fuzz.parser import Parser

__all__ = ["PARSERS", "vectors"]

VECTORS = Path(__file__).parents[2] / "vectors"

Parsed = code_format.ParsedCode | terminal_tag.ParsedTag


@cache
def vectors(name: str) -> Any:
    """Return the published vectors of this name."""
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def _code_texts() -> Sequence[bytes]:
    return [entry["text"].encode() for entry in vectors("code_format")["valid"]]


def _code_envelopes() -> Sequence[bytes]:
    return [bytes.fromhex(entry["cose"]) for entry in vectors("code_format")["valid"]]


def _code_claims() -> Sequence[bytes]:
    return [bytes.fromhex(entry["payload"]) for entry in vectors("code_format")["valid"]]


def _tag_texts() -> Sequence[bytes]:
    return [entry["text"].encode() for entry in vectors("signatures")["terminal_tags"]["valid"]]


def _tag_envelopes() -> Sequence[bytes]:
    prefix = terminal_tag.TAG_PREFIX
    return [base45.decode(text.decode().removeprefix(prefix)) for text in _tag_texts()]


def _checkpoints() -> Sequence[bytes]:
    return [b"tmc1:0:0:" + b"0" * 32, b"tmc1:255:9223372036854775807:" + b"0123456789abcdef" * 2]


def _cbor_values() -> Sequence[bytes]:
    values: list[object] = [[], {}, 0, -1, 2**64 - 1, "text", b"bytes", None, True, [1, {2: [3]}]]
    return [strict_cbor.encode(value) for value in values] + [*_code_claims(), *_code_envelopes()]


def _read_text(data: bytes) -> str:
    """Return a text for any bytes, so that each text has one, and lone surrogates come too."""
    return data.decode("utf-8", "surrogateescape")


def _envelope(parsed: Parsed) -> bytes:
    """Build the COSE_Sign1 once more, from what was understood and by the specification."""
    header = bytes.fromhex("a201270441") + bytes([parsed.key_id])
    return strict_cbor.encode([header, {}, parsed.payload, parsed.signature])


def _code_again(parsed: code_format.ParsedCode) -> bytes:
    assert claims_to_cbor(parsed.claims) == parsed.payload
    return _envelope(parsed)


PARSERS = (
    Parser(
        name="base45",
        read=lambda data: base45.decode(_read_text(data)),
        write=lambda decoded: base45.encode(decoded).encode(),
        refusals=(base45.NotBase45,),
        seeds=lambda: [text[4:] for text in (*_code_texts(), *_tag_texts())],
    ),
    Parser(
        name="strict_cbor",
        read=lambda data: strict_cbor.decode(data, depth_max=4),
        refusals=(strict_cbor.NotStrictCbor,),
        seeds=_cbor_values,
    ),
    Parser(
        name="code_text",
        read=lambda data: code_format.parse(_read_text(data)),
        write=lambda code: (code_format.CODE_PREFIX + base45.encode(_code_again(code))).encode(),
        refusals=(CodeMalformed,),
        seeds=_code_texts,
    ),
    Parser(
        name="code_envelope",
        read=lambda data: code_format.parse(code_format.CODE_PREFIX + base45.encode(data)),
        write=_code_again,
        refusals=(CodeMalformed,),
        seeds=_code_envelopes,
    ),
    Parser(
        name="code_claims",
        read=claims_from_cbor,
        write=claims_to_cbor,
        refusals=(CodeMalformed,),
        seeds=_code_claims,
    ),
    Parser(
        name="tag_text",
        read=lambda data: terminal_tag.parse(_read_text(data)),
        write=lambda tag: (terminal_tag.TAG_PREFIX + base45.encode(_envelope(tag))).encode(),
        refusals=(terminal_tag.RejectedTag,),
        seeds=_tag_texts,
    ),
    Parser(
        name="tag_envelope",
        read=lambda data: terminal_tag.parse(terminal_tag.TAG_PREFIX + base45.encode(data)),
        write=_envelope,
        refusals=(terminal_tag.RejectedTag,),
        seeds=_tag_envelopes,
    ),
    Parser(
        name="checkpoint_text",
        read=lambda data: parse_checkpoint(_read_text(data)),
        write=lambda checkpoint: str(checkpoint).encode(),
        refusals=(NotACheckpoint,),
        seeds=_checkpoints,
        size_max=256,
    ),
)
