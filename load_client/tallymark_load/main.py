"""The command `tallymark-load`: its commands, its exit codes, and how it tells of errors."""

from importlib import import_module
from typing import Any, Final

import click

from tallymark_load import exit_codes
from tallymark_load.cast import UnusableCast
from tallymark_load.cast.furnishing import CannotFurnish
from tallymark_load.cast.operator_home import NoOperator
from tallymark_load.ghz.exported import CannotExport
from tallymark_load.scenarios.scenario import InvalidScenario
from tallymark_protocol.errors import TallymarkError, UnknownOutcome

__all__ = ["main"]

_COMMANDS: Final = ("prepare", "run", "record", "replay", "show", "export-ghz")
"""Modules of tallymark_load.commands, each with a command of its name, "_" for "-"."""


class _Program(click.Group):
    """The group of all commands: loads one when it is called, and tells of errors in a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as in the base class
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as in the base class
        """Return a command."""
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"tallymark_load.commands.{name}"), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as in the base class
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TallymarkError as error:
            _say(error.message)
            unknown = isinstance(error, UnknownOutcome)
            ctx.exit(exit_codes.UNKNOWN if unknown else exit_codes.FAILED)
        except CannotFurnish as error:
            _say(str(error))
            ctx.exit(exit_codes.FAILED)
        except BrokenPipeError:
            raise  # click ends quietly when the reader of a pipe is gone
        except (UnusableCast, NoOperator, InvalidScenario, CannotExport, OSError) as error:
            _say(str(error))
            ctx.exit(exit_codes.USAGE)
        except KeyboardInterrupt:
            _say("Interrupted.")
            ctx.exit(exit_codes.INTERRUPTED)


@click.group(
    "tallymark-load",
    cls=_Program,
    epilog=(
        "\b\n"
        "Exit codes:\n"
        "  0    done, and everything was as it should be\n"
        "  1    refused by the server, calls ended otherwise than they should, or a\n"
        "       condition stopped the run\n"
        "  2    wrong use: options or files\n"
        "  3    the server cannot be reached, or nobody can say what became of a call\n"
        "  130  interrupted"
    ),
)
@click.version_option(package_name="tallymark-load")
def main() -> None:
    """Record gRPC calls, play them back, and make load of your own."""


def _say(text: str) -> None:
    click.secho(text, fg="red", err=True)
