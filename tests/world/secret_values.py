"""Finds the secrets in requests and answers: whatever the contract marks with `debug_redact`."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator

from google.protobuf.message import Message

from tallymark_protocol import base45
from tallymark_protocol.code_format import CODE_PREFIX, parse

__all__ = ["forms_of", "is_shown", "secrets_in"]


def secrets_in(message: Message) -> set[str]:
    """Return the secrets in a message and in everything in it."""
    return {secret for secret in _secrets_in(message) if secret}


def is_shown(secret: str, text: str) -> bool:
    """Tell whether a text shows a secret; six digits within a random id do not count."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(secret)}(?![0-9A-Za-z])", text) is not None


def forms_of(secret: str) -> dict[str, bytes]:
    """Return the forms in which a secret could stand in a file, by their names.

    Of the six digits of a number code only the quoted ones are told from a time or a random id.
    """
    plain = secret.encode()
    forms = {"text": plain if len(plain) > 6 else b'"%s"' % plain}
    contents = {"text": plain}
    if secret.startswith(CODE_PREFIX):
        contents["envelope"] = base45.decode(secret.removeprefix(CODE_PREFIX))
        contents["cti"] = parse(secret).claims.cti
    for name, content in contents.items():
        if len(content) > 6:
            forms |= {
                f"bytes of {name}": content,
                f"hex of {name}": content.hex().encode(),
                f"HEX of {name}": content.hex().upper().encode(),
                f"base64 of {name}": b64encode(content).rstrip(b"="),
                f"base64url of {name}": urlsafe_b64encode(content).rstrip(b"="),
            }
    return forms


def _secrets_in(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        if field.message_type is not None:
            for child in values:
                yield from _secrets_in(child)
        elif field.GetOptions().debug_redact:
            yield from values
