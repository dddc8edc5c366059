"""`customers` helps people who lost a phone or forgot their password."""

from pathlib import Path

import click

from tallymark_admin import listings
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import (
    LoginName,
    example,
    hand_out,
    list_options,
    new_file_option,
)

__all__ = ["customers"]


@click.group()
def customers() -> None:
    """List people who registered themselves with a phone, and help those who lost one."""


@customers.command("list", epilog=example("customers list"))
@list_options()
@pass_admin
def list_customers(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List customers by id."""
    admin.show(listings.CUSTOMERS, lambda lists: lists.customers(), as_json=as_json, limit=limit)


@customers.command("devices", epilog=example("customers devices anna"))
@click.argument("login_name", type=LoginName())
@list_options()
@pass_admin
def list_devices(admin: Admin, login_name: str, *, as_json: bool, limit: int) -> None:
    """List the devices of a customer."""
    admin.show(
        listings.DEVICES, lambda lists: lists.devices(login_name), as_json=as_json, limit=limit
    )


@customers.command(
    "revoke-device",
    epilog=example("customers revoke-device anna 00018f3c5a7e4b2d9c6f1e8a7b3d5c9f01"),
)
@click.argument("login_name", type=LoginName())
@click.argument("device_id")
@pass_admin
def revoke_device(admin: Admin, login_name: str, device_id: str) -> None:
    """Cut a lost or stolen phone off: its sessions end and its codes are dead.

    `customers devices` shows the ids.
    """
    codes = admin.ask(
        lambda connection: connection.revoke_device(login_name=login_name, device_id=device_id)
    )
    click.echo(f"Device {device_id} of {login_name} is cut off; {codes} unused codes are dead.")


@customers.command("invite", epilog=example("customers invite anna --file anna.invitation"))
@click.argument("login_name", type=LoginName())
@new_file_option(
    "--file",
    text="Write the invitation to this new file, readable by you alone, and not to stdout.",
)
@pass_admin
def invite(admin: Admin, login_name: str, file: Path | None) -> None:
    """Make an invitation with which a customer adds a phone, having no other one any more.

    Make sure first who it is that asks: with the invitation and the password, whoever has both acts
    as this customer. It is good once and for ten minutes; each call makes another one.
    """
    invitation = admin.ask(lambda connection: connection.invite_device(login_name))
    hand_out(
        str(invitation["invitation"]),
        what=f"The invitation for {login_name}, good until {invitation['expires_at']},",
        path=file,
    )


@customers.command("unlock", epilog=example("customers unlock anna"))
@click.argument("login_name", type=LoginName())
@pass_admin
def unlock(admin: Admin, login_name: str) -> None:
    """Let a customer go on whose password was guessed wrongly too often.

    Many wrong passwords are a thief's more often than the customer's: ask before you unlock.
    """
    failures = admin.ask(lambda connection: connection.unlock_password(login_name))
    click.echo(f"{failures} wrong passwords of {login_name} are forgotten.")
