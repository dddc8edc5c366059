"""The options of `policy set`: one per value of the policy, with what it protects against."""

from typing import Any, Final, NamedTuple

import click

from tallymark_admin.plain import Plain

__all__ = ["POLICY_FIELDS", "UNSET", "PolicyField", "policy_value"]

UNSET: Final = "none"
"""How an optional number is left out."""


class _WholeNumber(click.ParamType[str]):
    """A number of seconds, days, times, points or minor units. Its bounds are the server's."""

    def __init__(self, name: str, *, is_optional: bool = False) -> None:
        self.name = f"{name}|{UNSET}" if is_optional else name
        self._is_optional = is_optional

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the number as it was written, or fail."""
        if self._is_optional and value.lower() == UNSET:
            return UNSET
        if not value.isascii() or not value.isdecimal():
            advice = f", or {UNSET}" if self._is_optional else ""
            self.fail(f"Write a whole number, digits only{advice}.", param, ctx)
        return value


_SECONDS: Final = _WholeNumber("SECONDS")
_DAYS: Final = _WholeNumber("DAYS")
_TIMES: Final = _WholeNumber("TIMES")
_POINTS: Final = _WholeNumber("POINTS")
_MINOR_UNITS: Final = _WholeNumber("MINOR_UNITS")
_MINOR_UNITS_OR_NONE: Final = _WholeNumber("MINOR_UNITS", is_optional=True)
_TRUTH: Final = click.Choice(["yes", "no"])
_PASSWORD_RULE: Final = click.Choice(["never", "general-codes", "always"])


class PolicyField(NamedTuple):
    """A value of the policy."""

    name: str
    """As in the contract; the option has hyphens instead of underscores."""
    type: click.ParamType[Any]
    meaning: str

    def option(self) -> click.Option:
        """Build the option; left out, the value stays as it is."""
        name = "--" + self.name.replace("_", "-")
        return click.Option([name, self.name], type=self.type, help=self.meaning)


POLICY_FIELDS: Final = (
    PolicyField(
        "code_life_seconds",
        _SECONDS,
        "How long a code on a screen is good; the shorter, the less a photograph of it is worth.",
    ),
    PolicyField(
        "points_code_life_seconds",
        _SECONDS,
        "The same for codes that only open points.",
    ),
    PolicyField(
        "password_rule",
        _PASSWORD_RULE,
        "Which codes need the password, besides an unlocked phone: against a phone that was taken"
        " from its owner's hand.",
    ),
    PolicyField(
        "session_life_seconds",
        _SECONDS,
        "After what time a phone has to sign in again: bounds what a lost phone that nobody"
        " reports is good for.",
    ),
    PolicyField(
        "confirm_money_from",
        _MINOR_UNITS,
        "From which amount by card the customer confirms on the phone, who then sees merchant and"
        " amount: against stolen codes and amounts that were changed. 0: always.",
    ),
    PolicyField(
        "confirm_points_from",
        _POINTS,
        "From how many points that are spent the customer confirms. 0: always.",
    ),
    PolicyField(
        "confirm_admission",
        _TRUTH,
        "Whether an admission needs the customer's yes: against tickets used with a stolen code.",
    ),
    PolicyField(
        "confirm_within_seconds",
        _SECONDS,
        "How long the customer has to answer on the phone.",
    ),
    PolicyField(
        "bind_money_from",
        _MINOR_UNITS_OR_NONE,
        "From which amount by card only a code is taken that was made for this very terminal, after"
        " the phone scanned its tag: against codes that are copied and used elsewhere at once. 0:"
        f" always; {UNSET}: never.",
    ),
    PolicyField(
        "unconfirmed_count_max",
        _TIMES,
        "How often in a day one customer's cards may be charged without a yes; then each charge"
        " asks: against thieves who stay below the amount that needs one.",
    ),
    PolicyField(
        "unconfirmed_sum_max",
        _MINOR_UNITS,
        "How much in a day one customer's cards may be charged in all without a yes: the most that"
        " such a thief gets from one customer.",
    ),
    PolicyField(
        "new_terminal_days",
        _DAYS,
        "For how long after its enrolment a terminal is new, and trusted less: against merchants"
        " who enrol to steal.",
    ),
    PolicyField(
        "new_terminal_count_max",
        _TIMES,
        "How often in a day a new terminal may charge without a yes, all customers together.",
    ),
    PolicyField(
        "new_terminal_sum_max",
        _MINOR_UNITS,
        "How much in a day a new terminal may charge in all without a yes: the most that such a"
        " merchant gets in a day.",
    ),
    PolicyField(
        "tag_life_seconds",
        _SECONDS,
        "How long the tag on a terminal's display is good: against tags that are photographed and"
        " stuck on elsewhere.",
    ),
    PolicyField(
        "execute_within_seconds",
        _SECONDS,
        "How long a terminal has to execute and report; after it a person settles the process.",
    ),
    PolicyField(
        "close_after_seconds",
        _SECONDS,
        "At which age a process is closed that the credit institution has not answered.",
    ),
    PolicyField(
        "reversal_window_seconds",
        _SECONDS,
        "How long after a sale a terminal may take it back: bounds what a stolen one can undo.",
    ),
    PolicyField(
        "keep_requests_days",
        _DAYS,
        "How long the answer to a request is kept for one that is repeated.",
    ),
    PolicyField(
        "keep_processes_days",
        _DAYS,
        "How long a process that ended is kept, with its receipt: the less is kept, the less can"
        " be stolen. What waits for a person stays.",
    ),
    PolicyField(
        "keep_journal_days",
        _DAYS,
        "After what time the details of an entry of the journal are erased; the chain of entries"
        " stays, and is still checked.",
    ),
)
"""In the order in which they are explained; the version is the server's alone."""


def policy_value(field: PolicyField, written: str) -> Plain:
    """Return the value that was written for a field and accepted by its type."""
    if isinstance(field.type, _WholeNumber):
        return None if written == UNSET else int(written)
    return written == "yes" if field.type is _TRUTH else written
