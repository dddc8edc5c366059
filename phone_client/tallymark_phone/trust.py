"""Whom a phone believes that a server is the one it means, and what it says when nobody vouches."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tallymark_phone.repetition import NEVER
from tallymark_protocol.errors import UnknownOutcome

__all__ = ["NoCertificates", "ServerNotVouchedFor", "Trust"]


class NoCertificates(Exception):
    """A file has no certificate in it; the message names the file."""


class ServerNotVouchedFor(UnknownOutcome):
    """There was no connection, because nobody vouches for the server; trying again cannot help."""

    def __init__(self, sentence: str) -> None:
        """Take what is wrong, in plain words."""
        super().__init__(None, message=sentence, retry_after_seconds=NEVER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """Certificates of authorities, in PEM; without any, those that the system trusts."""

    ca_certificates_pem: str = ""
    source: str = ""
    """Where they come from, for people: the name of a file."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Return the certificates of a file.

        Raises:
            NoCertificates: there is none in it.
            OSError: it cannot be read.

        """
        try:
            text = path.read_text("ascii")
            # Loads nothing where there is nothing to load, so it is asked what it has.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=text)
        except (UnicodeDecodeError, ssl.SSLError, ValueError):
            message = f"There is no certificate (PEM) in {path}."
            raise NoCertificates(message) from None
        return cls(ca_certificates_pem=text, source=str(path))

    def explain(self, server: str, transport_error: str) -> str:
        """Return in plain words why TLS with a server failed; "" for another failure.

        gRPC says it only in the text of UNAVAILABLE, so that is what is looked at.
        """
        sentence = next((words for mark, words in _SENTENCES if mark in transport_error), "")
        if sentence is _OTHER_AUTHORITY and not self.ca_certificates_pem:
            sentence = _NO_AUTHORITY
        host = server.rpartition(":")[0]
        words = " ".join(sentence.split())
        return words.format(server=server, host=host, source=self.source)


_OTHER_AUTHORITY: Final = """The certificate of {server} is not from an authority in {source}.
    Either that is the wrong file for this server (--ca-file), or somebody stands in between.
    Nothing was sent."""
_NO_AUTHORITY: Final = """The certificate of {server} is not from an authority that this system
    trusts. Get that of the server from whoever runs it, and name it with --ca-file. If you did
    without it before, somebody stands in between. Nothing was sent."""

# In this order: the last mark stands in several other failures too.
_SENTENCES: Final = (
    (
        "Hostname Verification",
        """The certificate of {server} is not for the name {host}. Use the name that it is for, or
        ask whoever runs the server for a certificate with this one. Nothing was sent.""",
    ),
    (
        "certificate has expired",
        """The certificate of {server} has expired, or the clock of this phone is wrong.
        Nothing was sent.""",
    ),
    (
        "certificate is not yet valid",
        """The certificate of {server} is not valid yet, or the clock of this phone is wrong.
        Nothing was sent.""",
    ),
    (
        "WRONG_VERSION_NUMBER",
        "{server} does not speak TLS, so nobody can tell whose it is. Nothing was sent.",
    ),
    ("certificate", _OTHER_AUTHORITY),
)
