"""`policy` shows the numbers in force and sets new ones."""

from collections.abc import Sequence

import click

from tallymark_admin import exit_codes
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import example
from tallymark_admin.plain import Plain, Row, UnknownName
from tallymark_admin.server_connection import OperatorConnection
from tallymark_admin.tables import print_pairs, shown
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["policy"]

_TRUTHS = {"yes": True, "true": True, "no": False, "false": False}


@click.group()
def policy() -> None:
    """Show and change the numbers by which the server decides."""


@policy.command("show", epilog=example("policy show", "policy show --json"))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@pass_admin
def show(admin: Admin, *, as_json: bool) -> None:
    """Show the policy in force."""
    print_pairs(admin.ask(lambda connection: connection.policy()), as_json=as_json)


@policy.command(
    "set", epilog=example("policy set code_life_seconds=30 password_rule=general-codes")
)
@click.argument("changes", metavar="KEY=VALUE...", nargs=-1, required=True)
@pass_admin
def set_policy(admin: Admin, changes: Sequence[str]) -> None:
    """Change values of the policy and put it in force as a new version.

    The keys are those of `policy show`. What is not named stays. When somebody else changes the
    policy at the same moment, nothing is set.
    """

    async def work(connection: OperatorConnection) -> tuple[Row, Row]:
        before = await connection.policy()
        return before, await connection.set_policy(_changed(before, changes))

    try:
        before, after = admin.ask(work)
    except UnknownName as error:
        raise click.BadParameter(str(error), param_hint="KEY=VALUE") from error
    except Refused as error:
        if error.reason is not Reason.POLICY_VERSION_CONFLICT:
            raise
        click.echo("Somebody else changed the policy just now; nothing was set.", err=True)
        click.echo("Look at it with `policy show`, then set it again.", err=True)
        click.get_current_context().exit(exit_codes.REFUSED)
    for key, value in after.items():
        if key != "version" and before[key] != value:
            click.echo(f"{key}: {shown(before[key])} -> {shown(value)}")
    click.echo(f"Policy version {after['version']} is in force.")


def _changed(policy_before: Row, changes: Sequence[str]) -> Row:
    """Return the policy with the changes.

    Raises:
        click.BadParameter: an unknown key or a value of the wrong kind.

    """
    changed = dict(policy_before)
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or key not in policy_before or key == "version":
            keys = ", ".join(name for name in policy_before if name != "version")
            message = f"Write KEY=VALUE with one of these keys, not {change!r}: {keys}."
            raise click.BadParameter(message, param_hint="KEY=VALUE")
        changed[key] = _value(key, value, like=policy_before[key])
    return changed


def _value(key: str, value: str, *, like: Plain) -> Plain:
    """Read a value of the same kind as the one in force."""
    if isinstance(like, bool):
        if value.lower() in _TRUTHS:
            return _TRUTHS[value.lower()]
        advice = "yes or no"
    elif isinstance(like, int):
        if value.isascii() and value.isdecimal():
            return int(value)
        advice = "a whole number"
    else:
        return value
    message = f"{key} is {advice}, not {value!r}."
    raise click.BadParameter(message, param_hint="KEY=VALUE")
