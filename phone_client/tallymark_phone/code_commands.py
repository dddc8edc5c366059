"""Commands that get a code, show it, write it as a picture, and take codes back."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from tallymark_phone.app import Phone
from tallymark_phone.code_display import bound_line, picture_text
from tallymark_phone.command_options import examples
from tallymark_phone.display import local_time
from tallymark_phone.private_files import write_private_file
from tallymark_phone.qr_picture import QrPicture
from tallymark_phone.questions import TerminalQuestions
from tallymark_phone.registrations import BillChoice, Code, CodeChoice, Purpose, TicketChoice
from tallymark_phone.secret_input import PASSWORD
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.showing import CodeShow
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["COMMANDS"]

Result = TypeVar("Result")

_purposes = click.Choice([purpose.value for purpose in Purpose])
_file = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog=examples(
        "show",
        "show --tag-file tag.txt",
        "show --event summer --png ticket.png",
        "show --purpose points --once",
    )
)
@click.option("--purpose", type=_purposes, help="What the code is good for. [default: general]")
@click.option("--card", "card_id", default="", metavar="ID", help="Card to charge.")
@click.option("--bill", metavar="MERCHANT/REF", help="Bill to pay if the terminal names none.")
@click.option("--event", "event_id", help="Event to enter; the code is good for nothing else.")
@click.option("--ticket", "ticket_id", help="Ticket for it, if you have several.")
@click.option(
    "--tag",
    default="",
    metavar="TEXT",
    help='Tag of the terminal that alone may use the code: "TT1:" and more, as'
    " `tallymark-terminal tag --text` prints it.",
)
@click.option(
    "--tag-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="File with the tag in its first line; - is standard input.",
)
@click.option("--png", type=_file, help="Write one code to this file and end.")
@click.option("--svg", type=_file, help="Write one code to this file and end.")
@click.option("--once", "is_once", is_flag=True, help="Print one code and end.")
@PASSWORD.file_option
@click.pass_obj
def show(  # noqa: PLR0913 - one for each option
    phone: Phone,
    *,
    purpose: str | None,
    card_id: str,
    bill: str | None,
    event_id: str | None,
    ticket_id: str | None,
    tag: str,
    tag_file: str | None,
    png: Path | None,
    svg: Path | None,
    is_once: bool,
    password_file: str | None,
) -> None:
    """Show a code that renews itself until a terminal takes it, and tell what it is taken for.

    If the terminal wants a yes, it is asked for at once. Then Enter shows another code, and Ctrl-C
    ends; unused codes are taken back.
    """
    chosen = Purpose(purpose) if purpose else Purpose.TICKET if event_id else Purpose.GENERAL
    if (chosen is Purpose.TICKET) != bool(event_id) or (ticket_id and not event_id):
        message = "A ticket's code needs --event, and only such a code has one."
        raise click.UsageError(message)
    is_live = not (png or svg or is_once)
    if is_live and not phone.console.is_terminal:
        message = "Showing codes needs a terminal. Use --once, --png or --svg."
        raise click.UsageError(message)
    terminal_tag = _read_tag(tag, tag_file)

    async def run() -> None:
        async with phone.connect_signed_in() as connection:
            choice = CodeChoice(
                purpose=chosen,
                card_id=card_id,
                bill=_bill_choice(bill) if bill else None,
                ticket=await _ticket_choice(connection, event_id, ticket_id) if event_id else None,
                terminal_tag=terminal_tag,
            )
            if is_live:
                await _with_password(
                    password_file, lambda password: _show(phone, connection, choice, password)
                )
                return
            code = await _with_password(
                password_file, lambda password: connection.issue_code(choice, password=password)
            )
        _put_out(phone, code, png=png, svg=svg, is_once=is_once)

    # Ctrl-C is how a customer leaves the screen.
    leaving = contextlib.suppress(KeyboardInterrupt, EOFError)
    with leaving if is_live else contextlib.nullcontext():
        asyncio.run(run())


@click.command(epilog=examples("revoke", "revoke --purpose points"))
@click.option("--purpose", type=_purposes, help="Only codes for this. [default: all]")
@click.pass_obj
def revoke(phone: Phone, purpose: str | None) -> None:
    """Take back the unused codes of this phone."""

    async def run() -> int:
        async with phone.connect_signed_in() as connection:
            return await connection.revoke_codes(Purpose(purpose) if purpose else None)

    phone.console.print(f"Codes taken back: {asyncio.run(run())}")


async def _with_password(
    password_file: str | None, get: Callable[[str], Awaitable[Result]]
) -> Result:
    """Get without the password first: the policy seldom asks for it."""
    try:
        return await get("")
    except Refused as refused:
        if refused.reason is not Reason.PASSWORD_REQUIRED:
            raise
    return await get(PASSWORD.read(password_file))


async def _show(
    phone: Phone, connection: PhoneConnection, choice: CodeChoice, password: str
) -> None:
    code_show = CodeShow(
        connection=connection,
        wallet=phone.wallet,
        console=phone.console,
        clock=phone.clock,
        choice=choice,
        password=password,
        questions=TerminalQuestions(phone.console) if sys.stdin.isatty() else None,
    )
    await code_show.run()


def _put_out(
    phone: Phone, code: Code, *, png: Path | None, svg: Path | None, is_once: bool
) -> None:
    picture = QrPicture(code.text)
    if png:
        write_private_file(png, picture.png())
    if svg:
        write_private_file(svg, picture.svg())
    if is_once:
        phone.console.print(picture_text(phone.console, picture), soft_wrap=True)
    if code.bound_to:
        phone.console.print(bound_line(code.bound_to), soft_wrap=True)
    until = local_time(code.expires_at)
    phone.console.print(f"Good until {until} ({int(code.life_seconds)} s), once.")


def _read_tag(tag: str, tag_file: str | None) -> str:
    if not tag_file:
        return tag
    if tag:
        message = "Give the tag once: by --tag or by --tag-file."
        raise click.UsageError(message)
    with click.open_file(tag_file, encoding="utf-8") as file:
        # Not stripped further: a tag may end in a space.
        return str(file.readline()).rstrip("\r\n")


def _bill_choice(text: str) -> BillChoice:
    merchant_id, _, bill_reference = text.partition("/")
    if not (merchant_id and bill_reference):
        message = "Write the bill as MERCHANT/REFERENCE, as `wallet` lists them."
        raise click.UsageError(message)
    return BillChoice(merchant_id=merchant_id, bill_reference=bill_reference)


async def _ticket_choice(
    connection: PhoneConnection, event_id: str, ticket_id: str | None
) -> TicketChoice:
    """Return the ticket, looked up if only the event is given."""
    if not ticket_id:
        tickets = (await connection.get_wallet()).tickets
        ids = [ticket.ticket_id for ticket in tickets if ticket.event_id == event_id]
        if len(ids) != 1:
            message = f"You have {len(ids)} tickets for this event. Choose one with --ticket."
            raise click.UsageError(message)
        ticket_id = ids[0]
    return TicketChoice(event_id=event_id, ticket_id=ticket_id)


COMMANDS = (show, revoke)
