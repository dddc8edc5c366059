"""What an operator hands to somebody who is to enrol: a one-time code, and whom to trust.

A text file: the first line is the code, the rest the certificates of the server's authority in PEM.
Without them nobody could tell the server from whoever stands in between.
"""

from dataclasses import dataclass, field
from typing import Self

__all__ = ["EnrolmentFile"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EnrolmentFile:
    """The content of such a file. Without certificates, those of the system are to be trusted."""

    enrolment_code: str = field(repr=False)
    ca_certificates_pem: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the file's text; raises ValueError when there is no code in it."""
        code, _, rest = text.strip().partition("\n")
        if not code or code.startswith("-----"):
            message = "the first line is no enrolment code"
            raise ValueError(message)
        return cls(enrolment_code=code.strip(), ca_certificates_pem=rest.strip())

    def to_text(self) -> str:
        """Return the file's text."""
        return "\n".join(part for part in (self.enrolment_code, self.ca_certificates_pem) if part)
