"""Options of `tallymark-server`: how much work a password is, and how often anybody may call."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from tallymark_server.limits import Limits, Rate
from tallymark_server.passwords import PROFILES

__all__ = ["guard_options", "limits_of"]

_RATE: Final = (click.FloatRange(min=0, min_open=True), click.IntRange(min=1))

_RATES: Final = {
    "customer_rate": "Calls that one customer may make",
    "terminal_rate": "Calls that one terminal may make",
    "address_rate": "Calls without credentials (register, sign in, enrol) from one address",
    "strangers_rate": "Registrations of customers from all addresses together",
}


def guard_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets `password_profile`, and the rates for `limits_of`."""
    for name, sentence in reversed(_RATES.items()):
        command = click.option(
            f"--{name.replace('_', '-')}",
            type=_RATE,
            default=getattr(Limits(), name.removesuffix("_rate")),
            show_default=True,
            metavar="PER_SECOND BURST",
            help=f"{sentence}: in a second, and at once.",
        )(command)
    return click.option(
        "--password-profile",
        type=click.Choice(list(PROFILES)),
        default="owasp",
        show_default=True,
        help="Argon2id parameters for passwords; stored ones change with the next sign-in.",
    )(command)


def limits_of(rates: Mapping[str, tuple[float, int]]) -> Limits:
    """Return the limits that the options say."""
    return Limits(
        customer=Rate(*rates["customer_rate"]),
        terminal=Rate(*rates["terminal_rate"]),
        address=Rate(*rates["address_rate"]),
        strangers=Rate(*rates["strangers_rate"]),
    )
