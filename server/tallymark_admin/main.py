"""The program `tallymark-admin`: its commands, its exit codes, and how it tells of errors."""

from pathlib import Path
from typing import Any

import click
import platformdirs

from tallymark_admin import exit_codes
from tallymark_admin.app import Admin
from tallymark_admin.commands import (
    audit,
    catalogue,
    customers,
    enrolment,
    keys,
    operators,
    policy,
    processes,
    reconciliation,
    recovery,
    registrations,
)
from tallymark_admin.home import Home, HomeInUse, NotEnrolled
from tallymark_admin.server_address import ServerAddress
from tallymark_admin.terminal_text import printable
from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome

__all__ = ["main", "program"]


class _Program(click.Group):
    """The group of all commands, which turns errors into a sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as in the base class
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TallymarkError as error:
            _tell(error)
            ctx.exit(
                exit_codes.UNKNOWN if isinstance(error, UnknownOutcome) else exit_codes.REFUSED
            )
        except BrokenPipeError:
            raise  # click ends quietly when the reader of a pipe is gone
        except (NotEnrolled, HomeInUse, OSError) as error:
            _say(str(error))
            ctx.exit(exit_codes.USAGE)
        except KeyboardInterrupt:
            _say("Interrupted. Run the same command again; it does nothing twice.")
            ctx.exit(exit_codes.INTERRUPTED)


@click.group(
    "tallymark-admin",
    cls=_Program,
    epilog=(
        "\b\n"
        "Exit codes:\n"
        "  0    done\n"
        "  1    refused by the server, some lines of a file are bad, or an audit or\n"
        "       reconcile found something\n"
        "  2    wrong use: options, files, or no operator is set up\n"
        "  3    the server cannot be reached, or nobody can say what became of the call\n"
        "  130  interrupted"
    ),
)
@click.version_option(package_name="tallymark-server")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="TALLYMARK_ADMIN_HOME",
    default=lambda: Path(platformdirs.user_data_dir("tallymark-admin")),
    help="Folder of your key and certificate; your own by default.  [env: TALLYMARK_ADMIN_HOME]",
)
@click.option(
    "--server",
    type=ServerAddress(),
    envvar="TALLYMARK_ADMIN_SERVER",
    help="Operator port to use instead of the one of init.  [env: TALLYMARK_ADMIN_SERVER]",
)
@click.pass_context
def program(context: click.Context, *, home: Path, server: str | None) -> None:
    """Run a Tallymark server: merchants, terminals, bills, tickets, points, policy, keys, audit.

    Every command may be repeated: what is there already stays as it is. Results go to stdout,
    everything else to stderr.
    """
    context.obj = Admin(home=Home(home), server=server)


def main() -> None:
    """Run the program."""
    program()


def _tell(error: TallymarkError) -> None:
    if isinstance(error, Refused) or error.reason is not None:
        _say(error.message)
    else:
        _say(
            "There is no clear answer: the server cannot be reached, or took too long."
            " Run the same command again; it does nothing twice."
        )
        _say(f"Details: {error.message}")
    for note in getattr(error, "__notes__", ()):
        _say(note)
    for field, description in error.violations:
        _say(f"  {field}: {description}")


def _say(text: str) -> None:
    click.secho(printable(text), fg="red", err=True)


for _command in (
    enrolment.init,
    enrolment.status,
    operators.operators,
    catalogue.merchants,
    catalogue.terminals,
    catalogue.events,
    catalogue.programmes,
    registrations.bills,
    registrations.tickets,
    registrations.points,
    customers.customers,
    policy.policy,
    keys.keys,
    processes.processes,
    processes.unresolved,
    processes.journal,
    reconciliation.reconcile,
    audit.audit,
    recovery.backup,
    recovery.recovery,
):
    program.add_command(_command)
