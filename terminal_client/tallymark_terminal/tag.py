"""The terminal's tag: its name, signed by the server, which a phone reads to bind a code to it."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Tag"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """One tag. It is no secret: whoever copies it can only have codes made for this terminal."""

    text: str
    expires_at: datetime
    next_at: datetime
    """When to fetch the next one, so that the old one never ends on the screen."""
