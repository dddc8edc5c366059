"""Commands about the customer's phones: invite another one, add it, list and remove them."""

import asyncio

import click

from tallymark_phone.app import Phone
from tallymark_phone.code_display import picture_text
from tallymark_phone.command_options import (
    ca_file_option,
    device_name_option,
    examples,
    json_option,
    server_option,
)
from tallymark_phone.display import as_json, local_time, plain
from tallymark_phone.qr_picture import QrPicture
from tallymark_phone.registrations import Device, Invitation
from tallymark_phone.secret_input import INVITATION, PASSWORD
from tallymark_phone.trust import Trust
from tallymark_phone.wallet import Account
from tallymark_phone.wallet_display import devices_table
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["COMMANDS"]


@click.command(epilog=examples("invite", "invite --json"))
@json_option
@click.pass_obj
def invite(phone: Phone, *, is_json: bool) -> None:
    """Print an invitation for another phone of yours. It is a secret, good once."""

    async def run() -> Invitation:
        async with phone.connect_signed_in() as connection:
            return await connection.invite_device()

    invitation = asyncio.run(run())
    if is_json:
        # The one place where it is meant to be read.
        shown = {"invitation": invitation.text, "expires_at": invitation.expires_at}
        click.echo(as_json(shown))
        return
    phone.console.print(picture_text(phone.console, QrPicture(invitation.text)), soft_wrap=True)
    phone.console.print(plain(invitation.text), soft_wrap=True)
    login_name, until = phone.account().login_name, local_time(invitation.expires_at)
    phone.console.print(f"On the other phone: tallymark-phone add-device {plain(login_name)}")
    phone.console.print(f"Good once, until {until}. Whoever has it needs only your password.")


@click.command(
    epilog=examples(
        "add-device ana --server shop.example:7420 --device-name Tablet",
        "add-device ana --server 127.0.0.1:7420 --ca-file ca.pem --invitation-file -",
    )
)
@click.argument("login_name")
@server_option
@ca_file_option
@device_name_option
@PASSWORD.file_option
@INVITATION.file_option
@click.pass_obj
def add_device(  # noqa: PLR0913 - one for each option
    phone: Phone,
    *,
    login_name: str,
    server: str,
    trust: Trust | None,
    device_name: str,
    password_file: str | None,
    invitation_file: str | None,
) -> None:
    """Make this phone a further one of the customer LOGIN_NAME, by an invitation.

    If password and invitation both come from standard input, the password is the first line.
    """
    phone.check_is_nobodys()
    password = PASSWORD.read(password_file)
    invitation = INVITATION.read(invitation_file).strip()
    trust = trust or Trust()

    async def run() -> None:
        what = (server, login_name, device_name)
        pending = phone.wallet.pending.request_with_key("AddDevice", *what)
        with pending as (request_id, device_key):
            async with phone.connect(server, trust=trust, device_key=device_key) as connection:
                added = await connection.add_device(
                    login_name=login_name,
                    password=password,
                    invitation=invitation,
                    device_name=device_name,
                    request_id=request_id,
                )
            account = Account(
                server=server,
                login_name=login_name,
                device_id=added.device_id,
                device_name=device_name,
            )
            phone.wallet.begin(account, session=added.session, device_key=device_key, trust=trust)

    asyncio.run(run())
    phone.console.print(f"This phone is {plain(login_name)}'s too.")


@click.command(epilog=examples("devices", "devices --json"))
@json_option
@click.pass_obj
def devices(phone: Phone, *, is_json: bool) -> None:
    """List your phones, and tell the hash of this one's key.

    Give that to `tallymark-verify confirmation` to be sure that a receipt was signed here.
    """

    async def run() -> tuple[Device, ...]:
        async with phone.connect_signed_in() as connection:
            return (await connection.get_wallet()).devices

    found = asyncio.run(run())
    own_hash = phone.device_key().public().key_hash()
    if is_json:
        listed = [
            {
                "device_id": device.device_id,
                "name": device.name,
                "is_current": device.is_current,
                "key_hash": own_hash if device.is_current else None,
            }
            for device in found
        ]
        click.echo(as_json(listed))
    else:
        phone.console.print(devices_table(found))
        phone.console.print(f"Hash of this phone's key: {own_hash}", soft_wrap=True)


@click.command(epilog=examples(f"remove-device {'00' * 17}"))
@click.argument("device_id")
@click.pass_obj
def remove_device(phone: Phone, device_id: str) -> None:
    """Remove a phone by its id (see `devices`): its sessions and codes end."""
    request = ("RemoveDevice", device_id)
    is_this_one = device_id == phone.account().device_id
    is_repeated = phone.wallet.pending.is_unanswered(*request)

    async def run() -> None:
        with phone.wallet.pending.request(*request) as request_id:
            async with phone.connect_signed_in() as connection:
                await connection.remove_device(device_id, request_id=request_id)

    try:
        asyncio.run(run())
    except Refused as refused:
        # A phone that removed itself, and lost the answer, is not known any more.
        is_done = is_this_one and is_repeated and refused.reason is Reason.CREDENTIALS_INVALID
        if not is_done:
            raise
    if is_this_one:
        phone.wallet.forget()
    phone.console.print("The phone is removed.")


COMMANDS = (invite, add_device, devices, remove_device)
