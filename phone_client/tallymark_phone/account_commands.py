"""Commands about whose phone this is: registration, session, password, telephone number."""

import asyncio

import click

from tallymark_phone.app import Phone
from tallymark_phone.command_options import (
    ca_file_option,
    device_name_option,
    examples,
    server_option,
)
from tallymark_phone.display import local_time, plain
from tallymark_phone.registrations import SentNumberCode, Session
from tallymark_phone.secret_input import NEW_PASSWORD, NUMBER_CODE, PASSWORD
from tallymark_phone.trust import Trust
from tallymark_phone.wallet import Account

__all__ = ["COMMANDS"]


@click.command(
    epilog=examples(
        "register ana --server shop.example:7420",
        "register ana --server 127.0.0.1:7420 --ca-file ca.pem --telephone-number +4930123456",
    )
)
@click.argument("login_name")
@server_option
@ca_file_option
@device_name_option
@click.option("--telephone-number", default="", help="In E.164 form, for example +4930123456.")
@PASSWORD.file_option
@click.pass_obj
def register(  # noqa: PLR0913 - one for each option
    phone: Phone,
    *,
    login_name: str,
    server: str,
    trust: Trust | None,
    device_name: str,
    telephone_number: str,
    password_file: str | None,
) -> None:
    """Register a new customer, LOGIN_NAME, with this phone, and make the phone's own key."""
    phone.check_is_nobodys()
    password = PASSWORD.read(password_file, is_new=True)
    trust = trust or Trust()

    async def run() -> bool:
        what = (server, login_name, device_name, telephone_number)
        pending = phone.wallet.pending.request_with_key("RegisterCustomer", *what)
        with pending as (request_id, device_key):
            async with phone.connect(server, trust=trust, device_key=device_key) as connection:
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
            phone.wallet.begin(
                account, session=customer.session, device_key=device_key, trust=trust
            )
        return customer.is_number_code_sent

    is_number_code_sent = asyncio.run(run())
    phone.console.print(f"Welcome, {plain(login_name)}. This phone is yours.")
    if is_number_code_sent:
        phone.console.print("A code was sent to your number. Enter it with `verify-number`.")


@click.command(epilog=examples("sign-in", "sign-in --server new.example:7420 --ca-file ca.pem"))
@click.option("--server", envvar="TALLYMARK_SERVER", metavar="HOST:PORT", help="If it has moved.")
@ca_file_option
@PASSWORD.file_option
@click.pass_obj
def sign_in(
    phone: Phone, *, server: str | None, trust: Trust | None, password_file: str | None
) -> None:
    """Open a new session for this phone, by the password and the phone's key."""
    known = phone.account()
    account = Account(
        server=server or known.server,
        login_name=known.login_name,
        device_id=known.device_id,
        device_name=known.device_name,
    )
    trust = trust or phone.wallet.trust()
    device_key = phone.device_key()
    password = PASSWORD.read(password_file)

    async def run() -> Session:
        connection = phone.connect(account.server, trust=trust, device_key=device_key)
        async with connection:
            return await connection.sign_in(
                login_name=account.login_name, password=password, device_id=account.device_id
            )

    session = asyncio.run(run())
    phone.wallet.save_trust(trust)
    phone.wallet.save_session(session)
    phone.wallet.save_account(account)
    phone.console.print(f"Signed in until {local_time(session.expires_at)}.")


@click.command(
    epilog=examples(
        "change-password", "change-password --password-file old --new-password-file new"
    )
)
@PASSWORD.file_option
@NEW_PASSWORD.file_option
@click.pass_obj
def change_password(
    phone: Phone, *, password_file: str | None, new_password_file: str | None
) -> None:
    """Change the password. Everybody else who is signed in with your name is signed out."""
    phone.account()
    password = PASSWORD.read(password_file)
    new_password = NEW_PASSWORD.read(new_password_file, is_new=True)

    async def run() -> int:
        with phone.wallet.pending.request("ChangePassword") as request_id:
            async with phone.connect_signed_in() as connection:
                return await connection.change_password(
                    password=password, new_password=new_password, request_id=request_id
                )

    ended = asyncio.run(run())
    phone.console.print(f"The password is changed. Other sessions that ended: {ended}")


@click.command(
    epilog=examples("send-number-code", "send-number-code --telephone-number +4930123456")
)
@click.option(
    "--telephone-number",
    default="",
    metavar="NUMBER",
    help="Another number to verify, in E.164 form. [default: the one that waits for it]",
)
@click.pass_obj
def send_number_code(phone: Phone, telephone_number: str) -> None:
    """Have a verification code sent to your telephone number, at most 5 a day."""

    async def run() -> SentNumberCode:
        with phone.wallet.pending.request("SendNumberCode", telephone_number) as request_id:
            async with phone.connect_signed_in() as connection:
                return await connection.send_number_code(telephone_number, request_id=request_id)

    until = local_time(asyncio.run(run()).expires_at)
    phone.console.print(f"A code was sent. Enter it with `verify-number` until {until}.")


@click.command(epilog=examples("verify-number", "verify-number --code-file code"))
@NUMBER_CODE.file_option
@click.pass_obj
def verify_number(phone: Phone, code_file: str | None) -> None:
    """Prove that the telephone number is yours, by the code that was sent to it."""
    number_code = NUMBER_CODE.read(code_file)

    async def run() -> str:
        with phone.wallet.pending.request("VerifyNumber") as request_id:
            async with phone.connect_signed_in() as connection:
                return await connection.verify_number(number_code, request_id=request_id)

    phone.console.print(plain(f"{asyncio.run(run())} is verified."))


COMMANDS = (register, sign_in, change_password, send_number_code, verify_number)
