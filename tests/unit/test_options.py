"""Options of the server about passwords and limits."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from tallymark_server.limits import Limits, Rate
from tallymark_server.options import guard_options, limits_of
from tallymark_server.passwords import OWASP, PROFILES, RFC_9106

USAGE = 2


def taken(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and what a command with these options is given."""
    given: dict[str, Any] = {}

    @click.command()
    @guard_options
    def command(**options: Any) -> None:
        given.update(options)

    return CliRunner().invoke(command, arguments).exit_code, given


def test_without_options_the_limits_are_the_ones_of_the_code() -> None:
    code, given = taken()

    profile = given.pop("password_profile")

    assert code == 0
    assert PROFILES[profile] is OWASP
    assert limits_of(given) == Limits()


def test_each_option_sets_one_rate() -> None:
    _, given = taken("--customer-rate", "0.5", "7", "--strangers-rate", "100", "1000")

    limits = limits_of(given)

    assert limits == Limits(customer=Rate(0.5, 7), strangers=Rate(100, 1000))


def test_the_profile_is_chosen_by_name() -> None:
    _, given = taken("--password-profile", "rfc9106")

    assert PROFILES[given["password_profile"]] is RFC_9106


@pytest.mark.parametrize(
    "arguments",
    [
        ("--customer-rate", "0", "7"),
        ("--customer-rate", "-1", "7"),
        ("--terminal-rate", "1", "0"),
        ("--address-rate", "1"),
        ("--address-rate", "often", "1"),
        ("--password-profile", "md5"),
    ],
)
def test_what_would_let_nobody_in_is_refused(arguments: tuple[str, ...]) -> None:
    assert taken(*arguments)[0] == USAGE
