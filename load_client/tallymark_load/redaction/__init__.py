"""What a recording must not hold, and what stands there instead."""

from tallymark_load.redaction.redaction import PSEUDONYM_PREFIX, Redacted, Redaction
from tallymark_load.redaction.rules import RedactionRules, UnusableRules

__all__ = ["PSEUDONYM_PREFIX", "Redacted", "Redaction", "RedactionRules", "UnusableRules"]
