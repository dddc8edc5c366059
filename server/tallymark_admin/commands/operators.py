"""`operators` lets other people run the server, and shuts them out."""

from pathlib import Path

import click

from tallymark_admin import listings
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import (
    Identifier,
    code_file_option,
    example,
    hand_out_code,
    list_options,
)

__all__ = ["operators"]


@click.group()
def operators() -> None:
    """Let other people run this server, too, and shut them out."""


@operators.command("create", epilog=example("operators create night --code-file night.code"))
@click.argument("operator_id", type=Identifier())
@code_file_option
@pass_admin
def create_operator(admin: Admin, operator_id: str, code_file: Path | None) -> None:
    """Create another operator and hand out the one-time code for their `init`."""
    code = admin.ask(lambda connection: connection.create_operator(operator_id))
    hand_out_code(admin, code, owner=f"operator {operator_id}", code_file=code_file)


@operators.command("revoke", epilog=example("operators revoke night"))
@click.argument("operator_id", type=Identifier())
@pass_admin
def revoke_operator(admin: Admin, operator_id: str) -> None:
    """Refuse every later call of another operator, for good.

    You cannot revoke yourself, so that somebody is always left. What the operator did stands in the
    journal.
    """
    admin.ask(lambda connection: connection.revoke_operator(operator_id))
    click.echo(f"Operator {operator_id} is revoked.")


@operators.command("list", epilog=example("operators list"))
@list_options()
@pass_admin
def list_operators(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List operators by id."""
    admin.show(listings.OPERATORS, lambda lists: lists.operators(), as_json=as_json, limit=limit)
