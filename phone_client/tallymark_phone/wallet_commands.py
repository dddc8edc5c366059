"""Commands about what is registered, and about what the server has shown of its journal."""

import asyncio

import click

from tallymark_phone.app import Phone
from tallymark_phone.command_options import examples, json_option
from tallymark_phone.display import as_json, plain
from tallymark_phone.registrations import Holdings
from tallymark_phone.secret_input import CARD_NUMBER
from tallymark_phone.wallet_display import checkpoints_table, wallet_tables

__all__ = ["COMMANDS"]


@click.command(
    epilog=examples("add-card --expires 2031-05", "add-card --expires 2031-05 --number-file -")
)
@click.option("--expires", required=True, metavar="YYYY-MM", help="Last month of validity.")
@click.option("--default", "is_default", is_flag=True, help="Use it when no card is named.")
@CARD_NUMBER.file_option
@click.pass_obj
def add_card(phone: Phone, expires: str, *, is_default: bool, number_file: str | None) -> None:
    """Register a payment card. Its number is not kept, here or on the server."""
    card_number = CARD_NUMBER.read(number_file).replace(" ", "").replace("-", "")

    async def run() -> str:
        with phone.wallet.pending.request("RegisterCard", expires, str(is_default)) as request_id:
            async with phone.connect_signed_in() as connection:
                card = await connection.register_card(
                    card_number=card_number,
                    expires_on=expires,
                    is_default=is_default,
                    request_id=request_id,
                )
        return f"{card.brand} {card.last_four} is registered. Its id is {card.card_id}."

    phone.console.print(plain(asyncio.run(run())), soft_wrap=True)


@click.command(epilog=examples(f"remove-card {'00' * 17}"))
@click.argument("card_id")
@click.pass_obj
def remove_card(phone: Phone, card_id: str) -> None:
    """Remove a card by its id (see `wallet`)."""

    async def run() -> None:
        with phone.wallet.pending.request("RemoveCard", card_id) as request_id:
            async with phone.connect_signed_in() as connection:
                await connection.remove_card(card_id, request_id=request_id)

    asyncio.run(run())
    phone.console.print("The card is removed.")


@click.command(epilog=examples("wallet", "wallet --json"))
@json_option
@click.pass_obj
def wallet(phone: Phone, *, is_json: bool) -> None:
    """List cards, bills, tickets, points and phones."""

    async def run() -> Holdings:
        async with phone.connect_signed_in() as connection:
            return await connection.get_wallet()

    holdings = asyncio.run(run())
    if is_json:
        click.echo(as_json(holdings))
    else:
        phone.console.print(wallet_tables(holdings))


@click.command(epilog=examples("checkpoints", "checkpoints --json"))
@json_option
@click.pass_obj
def checkpoints(phone: Phone, *, is_json: bool) -> None:
    """List what the server's journal has shown to this phone, the last of each day.

    Nobody can change what the server recorded before one of them without contradicting it.
    """
    phone.account()
    entries = phone.wallet.checkpoints.entries()
    if is_json:
        listed = [{"seen_at": one.seen_at, "checkpoint": str(one.checkpoint)} for one in entries]
        click.echo(as_json(listed))
    else:
        phone.console.print(checkpoints_table(entries), soft_wrap=True)


COMMANDS = (add_card, remove_card, wallet, checkpoints)
