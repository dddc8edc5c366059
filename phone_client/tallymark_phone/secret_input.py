"""Where secrets come from: a file, standard input, the environment, or a hidden prompt.

Never from the command line, which every user of the computer can read in the list of processes.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

__all__ = [
    "CARD_NUMBER",
    "INVITATION",
    "NEW_PASSWORD",
    "NUMBER_CODE",
    "PASSWORD",
    "SecretSource",
]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretSource:
    """The ways to one kind of secret."""

    prompt: str
    option: str
    variable: str

    def file_option(self, command: Command) -> Command:
        """Add the option that names the secret's file to a command.

        The command gets it as a parameter of the option's name, such as `password_file`.
        """
        add_option = click.option(
            self.option,
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True),
            help=f"File with the {self.prompt.lower()} in its first line; - is standard input."
            f" Else: {self.variable} in the environment, else a prompt.",
        )
        decorated: Command = add_option(command)
        return decorated

    def read(self, secret_file: str | None, *, is_new: bool = False) -> str:
        """Return the secret; a new one is asked for twice. Two from standard input are two lines.

        Raises:
            click.UsageError: there is none, and nobody to ask.

        """
        if secret_file:
            with click.open_file(secret_file, encoding="utf-8") as file:
                return str(file.readline()).rstrip("\r\n")
        if self.variable in os.environ:
            return os.environ[self.variable]
        if not sys.stdin.isatty():
            message = f"Give the {self.prompt.lower()} by {self.option} or {self.variable}."
            raise click.UsageError(message)
        return str(click.prompt(self.prompt, hide_input=True, confirmation_prompt=is_new))


PASSWORD: Final = SecretSource(
    prompt="Password", option="--password-file", variable="TALLYMARK_PASSWORD"
)
NEW_PASSWORD: Final = SecretSource(
    prompt="New password", option="--new-password-file", variable="TALLYMARK_NEW_PASSWORD"
)
INVITATION: Final = SecretSource(
    prompt="Invitation", option="--invitation-file", variable="TALLYMARK_INVITATION"
)
NUMBER_CODE: Final = SecretSource(
    prompt="Verification code", option="--code-file", variable="TALLYMARK_NUMBER_CODE"
)
CARD_NUMBER: Final = SecretSource(
    prompt="Card number", option="--number-file", variable="TALLYMARK_CARD_NUMBER"
)
