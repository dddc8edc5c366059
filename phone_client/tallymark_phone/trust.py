"""Whom a phone believes that a server is the one it means, and what it says when nobody vouches."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["NoCertificates", "Trust"]


class NoCertificates(Exception):
    """A file has no certificate in it; the message names the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """Certificates of authorities, in PEM; without any, those that the system trusts."""

    ca_certificates_pem: str = ""
    source: str = "what this system trusts"
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
        host = server.rpartition(":")[0]
        for mark, sentence in _SENTENCES:
            if mark in transport_error:
                words = " ".join(sentence.split())
                return words.format(server=server, host=host, source=self.source)
        return ""


# In this order: the last mark stands in several other failures too.
_SENTENCES: Final = (
    (
        "Hostname Verification",
        """The certificate of {server} is not for the name {host}. Use the name that it is for, or
        ask whoever runs the server for a certificate with this one. Nothing was sent.""",
    ),
    (
        "certificate has expired",
        """The certificate of {server} has expired, or the clock of this phone is wrong. Nothing was
        sent.""",
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
    (
        "certificate",
        """The certificate of {server} is not from an authority in {source}. Either that is the
        wrong file for this server (--ca-file), or somebody stands in between. Nothing was sent.""",
    ),
)
