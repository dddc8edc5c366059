"""Tags of terminals as text: signed for a terminal that asks, checked when a phone has read one."""

import os
from typing import Final, NamedTuple

from tallymark_protocol import terminal_tag
from tallymark_protocol.code_keys import VerificationKeys
from tallymark_protocol.terminal_tag import RejectedTag, TagClaims, TagKind
from tallymark_server.clock import Clock
from tallymark_server.domain.commands import Caller, TerminalTag
from tallymark_server.keyring import Keyring

__all__ = ["PRINTED_LIFE_SECONDS", "MadeTag", "TagMaker"]

PRINTED_LIFE_SECONDS: Final = 365 * 24 * 3600
"""Life of a tag on paper. It ends before that with the key that signed it."""


class MadeTag(NamedTuple):
    """A tag, the second from which it is refused, and the one to fetch the next at."""

    text: str
    expires_at_seconds: int
    next_at_seconds: int


class TagMaker:
    """Makes and reads tags with the keys that sign codes."""

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        """Take the keys and the time."""
        self._keyring = keyring
        self._clock = clock

    def make(self, terminal: Caller, *, life_seconds: int, printed: bool) -> MadeTag:
        """Return a new tag of this terminal."""
        now_seconds = self._clock.now() // 1000
        life_seconds = PRINTED_LIFE_SECONDS if printed else life_seconds
        claims = TagClaims(
            terminal_id=terminal.caller_id,
            merchant_id=terminal.merchant_id,
            expires_at=now_seconds + life_seconds,
            kind=TagKind.PRINTED if printed else TagKind.DISPLAY,
            nonce=os.urandom(terminal_tag.NONCE_BYTES),
        )
        key = self._keyring.signing.current
        text = terminal_tag.sign(
            claims,
            key_id=key.key_id,
            private_key=key.private_key,
            epoch=self._keyring.epoch,
        )
        return MadeTag(text, claims.expires_at, now_seconds + life_seconds * 3 // 4)

    def read(self, text: str) -> TerminalTag | None:
        """Return whose tag was scanned; nobody's if it is no good now, None if there is none.

        A phone that asks again for a code that it was given needs no good tag any more, so it is
        left to the rules to refuse one.
        """
        if not text:
            return None
        try:
            claims = terminal_tag.verify(
                terminal_tag.parse(text),
                keys=VerificationKeys(self._keyring.verification_keys()),
                epoch=self._keyring.epoch,
                now_seconds=self._clock.now() / 1000,
            )
        except RejectedTag:
            return TerminalTag()
        return TerminalTag(terminal_id=claims.terminal_id, merchant_id=claims.merchant_id)
