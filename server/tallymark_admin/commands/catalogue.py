"""Commands for what a scan needs: merchants, terminals, events and points programmes."""

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
from tallymark_protocol.money import NotMoney, parse_minor_units

__all__ = ["events", "merchants", "programmes", "terminals"]


@click.group()
def merchants() -> None:
    """Create and list businesses whose terminals scan codes."""


@merchants.command("create", epilog=example('merchants create shop --name "Corner shop"'))
@click.argument("merchant_id", type=Identifier())
@click.option("--name", required=True, help="Name that customers see.")
@click.option("--programme", "programme_id", type=Identifier(), help="Its points programme.")
@pass_admin
def create_merchant(admin: Admin, merchant_id: str, name: str, programme_id: str | None) -> None:
    """Create a merchant."""
    admin.ask(
        lambda connection: connection.create_merchant(
            merchant_id=merchant_id, name=name, programme_id=programme_id or ""
        )
    )
    click.echo(f"Merchant {merchant_id} is there.")


@merchants.command("list", epilog=example("merchants list --json"))
@list_options()
@pass_admin
def list_merchants(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List merchants by id."""
    admin.show(listings.MERCHANTS, lambda lists: lists.merchants(), as_json=as_json, limit=limit)


@click.group()
def terminals() -> None:
    """Create, list, delegate, revoke and reenroll tills, gates and kiosks of merchants."""


@terminals.command(
    "create", epilog=example("terminals create till-1 --merchant shop --code-file till-1.code")
)
@click.argument("terminal_id", type=Identifier())
@click.option(
    "--merchant",
    "merchant_id",
    type=Identifier(),
    required=True,
    help="Merchant that it belongs to.",
)
@code_file_option
@pass_admin
def create_terminal(
    admin: Admin, terminal_id: str, merchant_id: str, code_file: Path | None
) -> None:
    """Create a terminal and hand out its one-time enrolment code."""
    code = admin.ask(
        lambda connection: connection.create_terminal(
            terminal_id=terminal_id, merchant_id=merchant_id
        )
    )
    hand_out_code(admin, code, owner=f"terminal {terminal_id}", code_file=code_file)


@terminals.command("reenroll", epilog=example("terminals reenroll till-1 --code-file till-1.code"))
@click.argument("terminal_id", type=Identifier())
@code_file_option
@pass_admin
def reenrol_terminal(admin: Admin, terminal_id: str, code_file: Path | None) -> None:
    """Let a terminal enrol once more that lost its key, expired or was revoked.

    The keys that it had are shut out at once, and it counts as new again. Until the code is used,
    the same command hands out the same code.
    """
    code = admin.ask(lambda connection: connection.reenrol_terminal(terminal_id))
    hand_out_code(admin, code, owner=f"terminal {terminal_id}", code_file=code_file)


@terminals.command("revoke", epilog=example("terminals revoke till-1"))
@click.argument("terminal_id", type=Identifier())
@pass_admin
def revoke_terminal(admin: Admin, terminal_id: str) -> None:
    """Refuse every later call of a terminal, until it is let enrol once more."""
    admin.ask(lambda connection: connection.revoke_terminal(terminal_id))
    click.echo(f"Terminal {terminal_id} is revoked.")


@terminals.command("delegate", epilog=example("terminals delegate lane-1 --to gate-1"))
@click.argument("terminal_id", type=Identifier())
@click.option(
    "--to",
    "concentrator_id",
    type=Identifier(),
    help="Terminal of the same merchant that may speak for it.",
)
@click.option("--to-nobody", is_flag=True, help="End what was delegated before.")
@pass_admin
def delegate_terminal(
    admin: Admin, terminal_id: str, concentrator_id: str | None, *, to_nobody: bool
) -> None:
    """Let one terminal, a concentrator, speak for another one, whether that is enrolled or not.

    What it sends counts as that terminal's own. It takes effect at once.
    """
    if to_nobody == (concentrator_id is not None):
        message = "Name the concentrator with --to, or say --to-nobody."
        raise click.UsageError(message)
    chosen = concentrator_id or ""
    admin.ask(lambda connection: connection.delegate_terminal(terminal_id, concentrator_id=chosen))
    spoken_for = f"is spoken for by {chosen}" if chosen else "speaks for itself alone"
    click.echo(f"Terminal {terminal_id} {spoken_for}.")


@terminals.command("list", epilog=example("terminals list"))
@list_options()
@pass_admin
def list_terminals(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List terminals by id."""
    admin.show(listings.TERMINALS, lambda lists: lists.terminals(), as_json=as_json, limit=limit)


@click.group()
def events() -> None:
    """Create and list events that tickets admit to."""


@events.command(
    "create",
    epilog=example(
        'events create concert --merchant hall --name "Spring concert" --reentry free-after-exit'
    ),
)
@click.argument("event_id", type=Identifier())
@click.option(
    "--merchant",
    "merchant_id",
    type=Identifier(),
    required=True,
    help="Merchant whose gates admit.",
)
@click.option("--name", required=True, help="Name for displays.")
@click.option(
    "--reentry",
    "reentry_rule",
    type=click.Choice(["each-entry-counts", "exit-between", "free-after-exit"]),
    default="each-entry-counts",
    show_default=True,
    help="What a second entry with one ticket needs.",
)
@pass_admin
def create_event(
    admin: Admin, event_id: str, merchant_id: str, name: str, reentry_rule: str
) -> None:
    """Create an event."""
    admin.ask(
        lambda connection: connection.create_event(
            event_id=event_id, merchant_id=merchant_id, name=name, reentry_rule=reentry_rule
        )
    )
    click.echo(f"Event {event_id} is there.")


@events.command("list", epilog=example("events list"))
@list_options()
@pass_admin
def list_events(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List events by id."""
    admin.show(listings.EVENTS, lambda lists: lists.events(), as_json=as_json, limit=limit)


@click.group()
def programmes() -> None:
    """Create and list points programmes of one or several merchants."""


@programmes.command(
    "create",
    epilog=example('programmes create stamps --name "City stamps" --point-value 0.01 EUR'),
)
@click.argument("programme_id", type=Identifier())
@click.option("--name", required=True, help="Name for displays.")
@click.option(
    "--point-value",
    type=(str, str),
    required=True,
    metavar="AMOUNT CURRENCY",
    help="What one burned point takes off a sale; 0 EUR: points cannot be burned for money.",
)
@click.option(
    "--earn-points-max",
    type=click.IntRange(1, 10**9),
    default=10_000,
    show_default=True,
    help="Most points that one process may add.",
)
@pass_admin
def create_programme(
    admin: Admin, programme_id: str, name: str, point_value: tuple[str, str], earn_points_max: int
) -> None:
    """Create a points programme."""
    amount, currency_code = point_value
    try:
        minor_units = parse_minor_units(amount, currency_code)
    except NotMoney as error:
        raise click.BadParameter(str(error), param_hint="--point-value") from error
    admin.ask(
        lambda connection: connection.create_programme(
            programme_id=programme_id,
            name=name,
            currency_code=currency_code,
            point_value_minor_units=minor_units,
            earn_points_max=earn_points_max,
        )
    )
    click.echo(f"Points programme {programme_id} is there.")


@programmes.command("list", epilog=example("programmes list"))
@list_options()
@pass_admin
def list_programmes(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List points programmes by id."""
    admin.show(listings.PROGRAMMES, lambda lists: lists.programmes(), as_json=as_json, limit=limit)
