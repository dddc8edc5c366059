"""Commands about whose phone this is and what is registered."""

import asyncio

import click

from tallymark_phone.app import Phone
from tallymark_phone.display import as_json, plain, wallet_tables
from tallymark_phone.registrations import Holdings, Session
from tallymark_phone.secret_input import CARD_NUMBER, NUMBER_CODE, PASSWORD
from tallymark_phone.wallet import Account

__all__ = ["COMMANDS"]

_server = click.option(
    "--server", required=True, envvar="TALLYMARK_SERVER", metavar="HOST:PORT", help="The server."
)
_device_name = click.option(
    "--device-name", default="My phone", show_default=True, help="Name of this phone for lists."
)


@click.command()
@click.argument("login_name")
@_server
@_device_name
@click.option("--telephone-number", default="", help="In E.164 form, for example +4930123456.")
@PASSWORD.file_option
@click.pass_obj
def register(  # noqa: PLR0913 - one for each option
    phone: Phone,
    *,
    login_name: str,
    server: str,
    device_name: str,
    telephone_number: str,
    secret_file: str | None,
) -> None:
    """Register a new customer, LOGIN_NAME, with this phone."""
    phone.check_is_nobodys()
    password = PASSWORD.read(secret_file, is_new=True)

    async def run() -> bool:
        what = (server, login_name, device_name, telephone_number)
        with phone.wallet.pending.request("RegisterCustomer", *what) as request_id:
            async with phone.connect(server) as connection:
                customer = await connection.register_customer(
                    login_name=login_name,
                    password=password,
                    device_name=device_name,
                    telephone_number=telephone_number,
                    request_id=request_id,
                )
            account = Account(
                server=server,
                login_name=login_name,
                device_id=customer.device_id,
                device_name=device_name,
            )
            _keep(phone, account, customer.session)
        return customer.is_number_code_sent

    is_number_code_sent = asyncio.run(run())
    phone.console.print(f"Welcome, {plain(login_name)}. This phone is yours.")
    if is_number_code_sent:
        phone.console.print("A code was sent to your number. Enter it with `verify-number`.")


@click.command()
@NUMBER_CODE.file_option
@click.pass_obj
def verify_number(phone: Phone, secret_file: str | None) -> None:
    """Prove that the telephone number is yours, by the code that was sent to it."""
    number_code = NUMBER_CODE.read(secret_file)

    async def run() -> str:
        with phone.wallet.pending.request("VerifyNumber") as request_id:
            async with phone.connect_signed_in() as connection:
                return await connection.verify_number(number_code, request_id=request_id)

    phone.console.print(f"{asyncio.run(run())} is verified.")


@click.command()
@click.option("--server", envvar="TALLYMARK_SERVER", metavar="HOST:PORT", help="If it has moved.")
@PASSWORD.file_option
@click.pass_obj
def sign_in(phone: Phone, server: str | None, secret_file: str | None) -> None:
    """Open a new session for this phone."""
    known = phone.account()
    account = Account(
        server=server or known.server,
        login_name=known.login_name,
        device_id=known.device_id,
        device_name=known.device_name,
    )
    password = PASSWORD.read(secret_file)

    async def run() -> Session:
        async with phone.connect(account.server) as connection:
            return await connection.sign_in(
                login_name=account.login_name, password=password, device_id=account.device_id
            )

    session = asyncio.run(run())
    _keep(phone, account, session)
    phone.console.print(f"Signed in until {session.expires_at.astimezone():%Y-%m-%d %H:%M}.")


@click.command()
@click.argument("login_name")
@_server
@_device_name
@PASSWORD.file_option
@click.pass_obj
def add_device(
    phone: Phone, login_name: str, server: str, device_name: str, secret_file: str | None
) -> None:
    """Make this phone a further one of the customer LOGIN_NAME."""
    phone.check_is_nobodys()
    password = PASSWORD.read(secret_file)

    async def run() -> None:
        what = (server, login_name, device_name)
        with phone.wallet.pending.request("AddDevice", *what) as request_id:
            async with phone.connect(server) as connection:
                added = await connection.add_device(
                    login_name=login_name,
                    password=password,
                    device_name=device_name,
                    request_id=request_id,
                )
            account = Account(
                server=server,
                login_name=login_name,
                device_id=added.device_id,
                device_name=device_name,
            )
            _keep(phone, account, added.session)

    asyncio.run(run())
    phone.console.print(f"This phone is {plain(login_name)}'s too.")


@click.command()
@click.argument("device_id")
@click.pass_obj
def remove_device(phone: Phone, device_id: str) -> None:
    """Remove a phone by its id (see `wallet`): its sessions and codes end."""

    async def run() -> None:
        with phone.wallet.pending.request("RemoveDevice", device_id) as request_id:
            async with phone.connect_signed_in() as connection:
                await connection.remove_device(device_id, request_id=request_id)

    asyncio.run(run())
    if device_id == phone.account().device_id:
        phone.wallet.forget()
    phone.console.print("The phone is removed.")


@click.command()
@click.option("--expires", required=True, metavar="YYYY-MM", help="Last month of validity.")
@click.option("--default", "is_default", is_flag=True, help="Use it when no card is named.")
@CARD_NUMBER.file_option
@click.pass_obj
def add_card(phone: Phone, expires: str, *, is_default: bool, secret_file: str | None) -> None:
    """Register a payment card. Its number is not kept, here or on the server."""
    card_number = CARD_NUMBER.read(secret_file).replace(" ", "").replace("-", "")

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


@click.command()
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


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
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


def _keep(phone: Phone, account: Account, session: Session) -> None:
    """Keep the session first: without an account nobody looks at it."""
    phone.wallet.save_session(session)
    phone.wallet.save_account(account)


COMMANDS = (
    register,
    verify_number,
    sign_in,
    add_device,
    remove_device,
    add_card,
    remove_card,
    wallet,
)
