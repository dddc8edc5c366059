"""`policy` shows the values in force and sets new ones."""

import click

from tallymark_admin import exit_codes
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import example
from tallymark_admin.plain import Plain, Row
from tallymark_admin.policy_options import POLICY_FIELDS, UNSET, policy_value
from tallymark_admin.server_connection import OperatorConnection
from tallymark_admin.tables import print_pairs, shown
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["policy"]


@click.group()
def policy() -> None:
    """Show and change the values by which the server decides."""


@policy.command("show", epilog=example("policy show", "policy show --json"))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@pass_admin
def show(admin: Admin, *, as_json: bool) -> None:
    """Show the policy in force. What each value is for, `policy set --help` tells."""
    row = admin.ask(lambda connection: connection.policy())
    if not as_json:
        row = {name: _shown(value) for name, value in row.items()}
    print_pairs(row, as_json=as_json)


@policy.command(
    "set",
    epilog=example(
        "policy set --code-life-seconds 30 --password-rule general-codes",
        "policy set --bind-money-from none",
    ),
)
@pass_admin
def set_policy(admin: Admin, /, **written: str | None) -> None:
    """Change values of the policy and put it in force as a new version.

    What is not named stays. When somebody else changes the policy at the same moment, nothing is
    set. Amounts of money are in minor units, whatever the currency: 5000 is 50.00 EUR.
    """
    changes = {
        field.name: policy_value(field, text)
        for field in POLICY_FIELDS
        if (text := written[field.name]) is not None
    }
    if not changes:
        message = "Name at least one value to change."
        raise click.UsageError(message)

    async def work(connection: OperatorConnection) -> tuple[Row, Row]:
        before = await connection.policy()
        return before, await connection.set_policy(before | changes)

    try:
        before, after = admin.ask(work)
    except Refused as error:
        if error.reason is not Reason.POLICY_VERSION_CONFLICT:
            raise
        click.echo("Somebody else changed the policy just now; nothing was set.", err=True)
        click.echo("Look at it with `policy show`, then set it again.", err=True)
        click.get_current_context().exit(exit_codes.REFUSED)
    for key, value in after.items():
        if key != "version" and before[key] != value:
            click.echo(f"{key}: {_shown(before[key])} -> {_shown(value)}")
    click.echo(f"Policy version {after['version']} is in force.")


set_policy.params[:0] = [field.option() for field in POLICY_FIELDS]


def _shown(value: Plain) -> str:
    return UNSET if value is None else shown(value)
