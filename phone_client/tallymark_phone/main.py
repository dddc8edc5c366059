"""The command line of the phone.

Exit codes: 0 done · 1 refused, the reason is printed · 2 wrong usage, or the phone is not set up
for it · 3 no clear answer: the outcome is unknown or the server cannot be reached; run the same
command again, it repeats the same request.
"""

from pathlib import Path
from typing import Any, Final

import click

from tallymark_phone import (
    account_commands,
    code_commands,
    device_commands,
    process_commands,
    wallet_commands,
)
from tallymark_phone.app import HOME_VARIABLE, OtherCustomersPhone, Phone, PhoneIsNobodys
from tallymark_phone.checkpoint_book import CheckpointsDamaged
from tallymark_phone.code_display import WindowTooSmall
from tallymark_phone.device_signatures import CannotAnswer
from tallymark_phone.display import plain
from tallymark_phone.pending_requests import RequestDamaged
from tallymark_phone.plain_words import explain_failure
from tallymark_phone.private_files import FolderTooOpen
from tallymark_phone.trust import NoCertificates
from tallymark_phone.wallet import WalletDamaged
from tallymark_protocol.errors import Refused, TallymarkError

__all__ = ["EXIT_REFUSED", "EXIT_UNKNOWN", "EXIT_USAGE", "commands", "main"]

EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNKNOWN: Final = 3

_NOT_SET_UP: Final = (
    CannotAnswer,
    CheckpointsDamaged,
    FolderTooOpen,
    NoCertificates,
    OSError,
    OtherCustomersPhone,
    PhoneIsNobodys,
    RequestDamaged,
    WalletDamaged,
    WindowTooSmall,
)


class _Refusal(click.ClickException):
    exit_code = EXIT_REFUSED


class _NotSetUp(click.ClickException):
    exit_code = EXIT_USAGE


class _NoClearAnswer(click.ClickException):
    exit_code = EXIT_UNKNOWN


class _Commands(click.Group):
    """Turns errors into a line and an exit code, in one place."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as in click
        try:
            return super().invoke(ctx)
        except TallymarkError as error:
            raise _failure(error) from error
        except BrokenPipeError:
            raise  # whoever read the output has gone; click deals with it
        except _NOT_SET_UP as error:
            raise _NotSetUp(str(error)) from error


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 refused, 2 wrong usage, 3 outcome unknown or server unreachable.",
)
@click.option(
    "--home",
    envvar=HOME_VARIABLE,
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Folder of this phone; else {HOME_VARIABLE}, else the user's own.",
)
@click.version_option(package_name="tallymark-phone", message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context, home: Path | None) -> None:
    """Keep your cards, bills, tickets and points; show codes; confirm what terminals ask."""
    # A program that runs the commands itself may bring a phone of its own.
    context.obj = context.obj or Phone.build(home)


def _failure(error: TallymarkError) -> click.ClickException:
    text = "\n".join(map(plain, explain_failure(error).splitlines()))
    return _Refusal(text) if isinstance(error, Refused) else _NoClearAnswer(text)


for _command in (
    *account_commands.COMMANDS,
    *device_commands.COMMANDS,
    *wallet_commands.COMMANDS,
    *code_commands.COMMANDS,
    *process_commands.COMMANDS,
):
    commands.add_command(_command)


def main() -> None:
    """Run the program."""
    commands(prog_name="tallymark-phone")
