"""Why a code is refused, as exceptions that never repeat the code.

    RejectedCode                what was shown is not a code that is good now
    +-- CodeMalformed           not the form of a code, or not its only allowed form
    +-- CodeKeyUnknown          signed with a key that is not valid here and now
    +-- CodeNotGenuine          the signature (on the server: the MAC) does not fit
    +-- CodeExpired             genuine, but its time is over

A code is as good as money until it expires, so messages, causes and traces must not contain it.
"""

from typing import ClassVar

__all__ = ["CodeExpired", "CodeKeyUnknown", "CodeMalformed", "CodeNotGenuine", "RejectedCode"]


class RejectedCode(Exception):
    """What was shown is not a code that is good now; `reason` is the name in the contracts."""

    reason: ClassVar[str]


class CodeMalformed(RejectedCode):
    """The text is not a Tallymark code, or not the one canonical form of it."""

    reason = "CODE_MALFORMED"


class CodeKeyUnknown(RejectedCode):
    """The key that the code names is not in the table, or not valid at this time."""

    reason = "CODE_KEY_UNKNOWN"


class CodeNotGenuine(RejectedCode):
    """The signature or the MAC does not fit: forged, altered, or of another epoch or server."""

    reason = "CODE_NOT_GENUINE"


class CodeExpired(RejectedCode):
    """The code is genuine, but its expiry has come."""

    reason = "CODE_EXPIRED"
