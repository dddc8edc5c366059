"""Who stands at the terminal, and how a sale is named afterwards without the code itself."""

from dataclasses import dataclass, field
from typing import TypeAlias

from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_identifier import cti_hash, partition_of

__all__ = [
    "CodeReference",
    "Identification",
    "LookUpKey",
    "ProcessReference",
    "ShownCode",
    "TelephoneNumber",
    "reference_of",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeReference:
    """Names a code but cannot stand in for it, so it may be written down."""

    partition: int
    cti_hash: bytes
    expires_at_seconds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownCode:
    """A code that passed the local check, with its text. Never written down and never shown."""

    text: str = field(repr=False)
    reference: CodeReference


@dataclass(frozen=True, kw_only=True, slots=True)
class TelephoneNumber:
    """Number of the customer's phone in E.164 form; personal, so it is kept only while needed."""

    number: str = field(repr=False)


Identification: TypeAlias = ShownCode | TelephoneNumber
"""What a sale may begin with."""

LookUpKey: TypeAlias = CodeReference | TelephoneNumber
"""What a sale is found by before its process id is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessReference:
    """Names a process: by its id, else by the request that began it and how it identified."""

    process_id: str | None
    resolve_request_id: str | None = None
    look_up_key: LookUpKey | None = None


def reference_of(claims: CodeClaims) -> CodeReference:
    """Return the reference of a code with these claims."""
    return CodeReference(
        partition=partition_of(claims.cti),
        cti_hash=cti_hash(claims.cti),
        expires_at_seconds=claims.expires_at,
    )
