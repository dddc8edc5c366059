"""`keys` shows the server's keys, follows them by new ones, and gives up one that was stolen."""

import asyncio
from typing import Final

import click

from tallymark_admin import listings
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import example, list_options
from tallymark_admin.progress import progress_bar
from tallymark_admin.rotations import key_to_follow
from tallymark_admin.server_connection import OperatorConnection

__all__ = ["keys"]

POLL_SECONDS: Final = 0.5
"""How often the server is asked how many cells are left."""


@click.group()
def keys() -> None:
    """List the server's keys, and follow or give up one of them."""


@keys.command("list", epilog=example("keys list"))
@list_options()
@pass_admin
def list_keys(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List the keys of every kind, and the public key of each that signs codes.

    Beside that stands the epoch, which is part of what is signed. cells_left tells how much an old
    key for cells is still needed.
    """
    admin.show(listings.KEYS, lambda lists: lists.server_keys(), as_json=as_json, limit=limit)


@keys.command("rotate", epilog=example("keys rotate cells", "keys rotate signing"))
@click.argument("kind", type=click.Choice(["signing", "cells", "tls"]))
@click.option(
    "--wait/--no-wait",
    "waits",
    default=True,
    show_default=True,
    help="For cells: stay until all of them are sealed with the new key.",
)
@pass_admin
def rotate(admin: Admin, kind: str, *, waits: bool) -> None:
    """Make a new key and use it from now on.

    signing: signs codes and tags. Codes of the key before stay good for their life, at most an
    hour.

    cells: seals what the store keeps of customers. All of it is sealed anew in the background.

    tls: stands in the server's own certificate, which new connections see.

    Nobody has to do anything: phones and terminals hear of the new key by themselves.
    """

    async def work(connection: OperatorConnection) -> None:
        in_use = await _key_in_use(connection, kind)
        with key_to_follow(admin.home.path, kind=kind, in_use=in_use) as before:
            after = await connection.rotate_key(kind=kind, key_id=before)
            click.echo(f"Key {after['key_id']} of kind {kind} is in use, after key {before}.")
            if kind == "cells" and waits:
                await _wait_until_sealed(connection)
                click.echo("Everything is sealed with it.")

    admin.ask(work)


@keys.command(
    "revoke", epilog=example('keys revoke 3 --note "A backup of the key folder was stolen"')
)
@click.argument("key_id", type=click.IntRange(0, 255))
@click.option("--note", required=True, help="Why, for the record; at most 500 characters.")
@pass_admin
def revoke(admin: Admin, key_id: int, note: str) -> None:
    """Give up a key that signs codes, because somebody else may have it.

    Every code signed with it is refused at once, also those on screens just now; phones fetch new
    ones by themselves. If it was the key in use, another one is made first.
    """
    after = admin.ask(lambda connection: connection.revoke_key(key_id=key_id, note=note))
    click.echo(f"Key {key_id} is given up. Codes are signed with key {after['key_id']}.")


async def _key_in_use(connection: OperatorConnection, kind: str) -> int:
    found = [
        int(str(row["key_id"]))
        async for row in connection.lists.server_keys()
        if row["in_use"] and str(row["kind"]).lower() == kind
    ]
    if not found:
        message = f"The server shows no key of kind {kind} in use."
        raise click.ClickException(message)
    return found[0]


async def _cells_left(connection: OperatorConnection) -> int:
    return sum([int(str(row["cells_left"])) async for row in connection.lists.server_keys()])


async def _wait_until_sealed(connection: OperatorConnection) -> None:
    total = left = await _cells_left(connection)
    with progress_bar() as progress:
        task = progress.add_task("Sealing anew", total=total)
        while left:
            progress.update(task, completed=total - left)
            await asyncio.sleep(POLL_SECONDS)
            left = await _cells_left(connection)
