"""Rules of what a recording must not hold, from a TOML file.

    [redact]
    fields = ["shop.v1.Order.voucher"]           # replaced, beside what the contract itself marks
    keep = ["shop.v1.ListRequest.page_token"]    # stays, though its name sounds like a secret
    metadata = ["x-shop-*"]                      # keys whose values are replaced

    [redact.personal]                            # replaced only when personal data is not wanted
    "shop.v1.Customer.name" = "text"
    "shop.v1.Customer.telephone" = "telephone"   # stays one, of a country code that nobody has

`*` stands for any characters. Other tables of the file are for the replay.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

__all__ = ["Kind", "RedactionRules", "UnusableRules", "shipped_rules"]

SHIPPED: Final = "tallymark.toml"

SECRET_KEYS: Final = (
    "*auth*",
    "*token*",
    "*cookie*",
    "*secret*",
    "*password*",
    "*session*",
    "*credential*",
    "*signature*",
    "*api-key*",
    "*apikey*",
    "*jwt*",
)
"""Keys of metadata that carry secrets, whatever the service."""

SECRET_NAMES: Final = (
    "*password*",
    "*passphrase*",
    "*passcode*",
    "*secret*",
    "*token*",
    "*credential*",
    "*private_key*",
    "*api_key*",
    "*authorization*",
    "*card_number*",
    "*cvc*",
    "*cvv*",
    "*otp*",
    "pin",
)
"""Names of fields that carry secrets, in contracts that mark none with debug_redact."""


class UnusableRules(Exception):
    """A file of rules cannot be used; the message says which, and why."""


class Kind(StrEnum):
    """What a replaced value looks like."""

    TEXT = "text"
    TELEPHONE = "telephone"
    LOGIN_NAME = "login name"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionRules:
    """What is replaced, beside the fields that contracts mark with debug_redact."""

    fields: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    personal: Mapping[str, Kind] = field(default_factory=dict)

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Read a file; raise UnusableRules."""
        try:
            return cls.of_text(path.read_text(encoding="utf-8"), name=str(path))
        except (OSError, UnicodeDecodeError) as error:
            message = f"{path}: {error}"
            raise UnusableRules(message) from error

    @classmethod
    def of_text(cls, text: str, *, name: str) -> Self:
        """Read TOML; raise UnusableRules that names the text by `name`."""
        try:
            table = tomllib.loads(text).get("redact", {})
            known = {"fields", "keep", "metadata", "personal"}
            if unknown := set(table) - known:
                message = f"[redact] has no {', '.join(sorted(unknown))}, only {sorted(known)}"
                raise ValueError(message)  # noqa: TRY301 -- told like every other fault of the file
            return cls(
                fields=_strings(table, "fields"),
                keep=_strings(table, "keep"),
                metadata=_strings(table, "metadata"),
                personal={
                    selector: Kind(kind) for selector, kind in table.get("personal", {}).items()
                },
            )
        except (ValueError, TypeError, AttributeError) as error:
            message = f"{name}: {error}"
            raise UnusableRules(message) from error

    def together(self, other: Self) -> Self:
        """Return the rules of both."""
        return type(self)(
            fields=self.fields + other.fields,
            keep=self.keep + other.keep,
            metadata=self.metadata + other.metadata,
            personal={**self.personal, **other.personal},
        )

    def hides_key(self, key: str) -> bool:
        """Tell whether the values of this metadata key are replaced."""
        return matches(key, SECRET_KEYS) or matches(key, self.metadata)


def shipped_rules() -> RedactionRules:
    """Return the rules for Tallymark itself."""
    text = files("tallymark_load.redaction").joinpath(SHIPPED).read_text(encoding="utf-8")
    return RedactionRules.of_text(text, name=SHIPPED)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether one of the patterns stands for the name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _strings(table: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        message = f"{name} of [redact] must be a list of texts"
        raise TypeError(message)
    return tuple(value)
