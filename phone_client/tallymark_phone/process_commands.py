"""Commands about what terminals do with the codes: watch, answer, look back."""

import asyncio
import contextlib
import sys
from typing import Final

import click

from tallymark_phone.answering import (
    LOOKED_THROUGH_MAX,
    answer_process,
    find_process,
    newest_processes,
    repeat_answer,
)
from tallymark_phone.app import Phone
from tallymark_phone.command_options import examples, json_option
from tallymark_phone.display import as_json, plain
from tallymark_phone.plain_words import explain_failure
from tallymark_phone.process_display import process_lines, processes_table
from tallymark_phone.processes import Decision, Process, Receipt
from tallymark_phone.questions import Answer, FixedAnswer, QuestionSource, TerminalQuestions
from tallymark_phone.receipt_display import receipt_lines
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.watching import ProcessWatch
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["COMMANDS"]

DIGITS_COUNT: Final = 2

_EXAMPLE_ID: Final = "00" * 17


def _check_digits(context: click.Context, option: click.Parameter, digits: str) -> str:  # noqa: ARG001 - as in click
    if digits and not (len(digits) == DIGITS_COUNT and digits.isascii() and digits.isdecimal()):
        message = "It is two digits."
        raise click.BadParameter(message)
    return digits


_decisions = click.Choice([decision.value for decision in Decision])
_digits = click.option(
    "--digits",
    default="",
    metavar="NN",
    callback=_check_digits,
    help="Digits the terminal shows.",
)


@click.command(epilog=examples("watch", "watch --answer approve --once", "watch --json"))
@click.option("--answer", type=_decisions, help="Answer so instead of asking: for scripts.")
@_digits
@click.option("--once", "is_once", is_flag=True, help="End after one answer.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_obj
def watch(phone: Phone, answer: str | None, digits: str, *, is_once: bool, is_json: bool) -> None:
    """Show what happens with your codes, and ask where your answer is needed. Ctrl-C ends."""
    questions: QuestionSource | None = None
    if answer:
        questions = FixedAnswer(answer=Answer(decision=Decision(answer), digits=digits))
    elif sys.stdin.isatty() and not is_json:
        questions = TerminalQuestions(phone.console)
    elif is_once:
        message = "Nobody can answer: --once needs --answer or a terminal."
        raise click.UsageError(message)

    async def run() -> None:
        async with phone.connect_signed_in() as connection:
            process_watch = ProcessWatch(
                connection=connection,
                wallet=phone.wallet,
                questions=questions,
                show=lambda process: _show(phone, process, is_json=is_json),
                warn=lambda text: click.echo(plain(text), err=True),
            )
            await process_watch.run(is_once=is_once)

    with contextlib.suppress(KeyboardInterrupt, EOFError):
        asyncio.run(run())


@click.command(
    name="confirm",
    epilog=examples("confirm", f"confirm {_EXAMPLE_ID} --yes", f"confirm {_EXAMPLE_ID} --decline"),
)
@click.argument("process_id", required=False)
@click.option("--yes", "is_approved", is_flag=True, help="Say yes without being asked.")
@click.option("--decline", "is_declined", is_flag=True, help="Say no without being asked.")
@_digits
@click.pass_obj
def confirm_command(
    phone: Phone, process_id: str | None, digits: str, *, is_approved: bool, is_declined: bool
) -> None:
    """Show the process PROCESS_ID, or the one that waits, and answer it with your signature.

    Without a terminal to ask on, and with --digits, it means yes.
    """
    if is_approved and is_declined:
        message = "Say yes or no, not both."
        raise click.UsageError(message)
    told: Answer | None = None
    if is_declined:
        told = Answer(decision=Decision.DECLINE)
    elif is_approved or digits or not sys.stdin.isatty():
        told = Answer(decision=Decision.APPROVE, digits=digits)

    async def run() -> Process:
        async with phone.connect_signed_in() as connection:
            process = (
                await find_process(connection, process_id)
                if process_id
                else await _the_one_that_waits(connection)
            )
            return await _confirm(phone, connection, process, told)

    phone.console.print(process_lines(asyncio.run(run())), soft_wrap=True)


@click.command(epilog=examples(f'dispute {_EXAMPLE_ID} --statement "I was not there"'))
@click.argument("process_id")
@click.option("--statement", default="", help="What you have to say about it.")
@click.pass_obj
def dispute(phone: Phone, process_id: str, statement: str) -> None:
    """Tell that you did not want the process PROCESS_ID."""

    async def run() -> Process:
        with phone.wallet.pending.request("DisputeProcess", process_id, statement) as request_id:
            async with phone.connect_signed_in() as connection:
                return await connection.dispute_process(
                    process_id, statement=statement, request_id=request_id
                )

    phone.console.print(process_lines(asyncio.run(run())), soft_wrap=True)


@click.command(epilog=examples("processes", "processes --limit 5 --json"))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@json_option
@click.pass_obj
def processes(phone: Phone, limit: int, *, is_json: bool) -> None:
    """List what happened with your codes, newest first."""

    async def run() -> list[Process]:
        async with phone.connect_signed_in() as connection:
            return await newest_processes(connection, limit)

    newest = asyncio.run(run())
    if is_json:
        click.echo(as_json(newest))
    else:
        phone.console.print(processes_table(newest))


@click.command(epilog=examples(f"receipt {_EXAMPLE_ID}", f"receipt {_EXAMPLE_ID} --json"))
@click.argument("process_id")
@json_option
@click.pass_obj
def receipt(phone: Phone, process_id: str, *, is_json: bool) -> None:
    """Show the receipt of the process PROCESS_ID, who confirmed it, and what is wrong with it.

    With --json it is what `tallymark-verify confirmation` reads, with the checkpoint of the
    server's journal that came with it.
    """

    async def run() -> Receipt:
        async with phone.connect_signed_in() as connection:
            return await connection.get_receipt(process_id)

    found = asyncio.run(run())
    if is_json:
        click.echo(found.document)
    else:
        own_key_hash = phone.device_key().public().key_hash()
        phone.console.print(receipt_lines(found, own_key_hash=own_key_hash), soft_wrap=True)


def _show(phone: Phone, process: Process, *, is_json: bool) -> None:
    if is_json:
        click.echo(as_json(process, is_one_line=True))
    else:
        phone.console.print(process_lines(process), soft_wrap=True)


async def _confirm(
    phone: Phone, connection: PhoneConnection, process: Process, told: Answer | None
) -> Process:
    """Show the process, answer it, and return it as it is then.

    When it turns out to be another than was shown, it is shown again. A person is asked again too;
    what was told beforehand was about something else, so then it ends there.
    """
    while True:
        phone.console.print(process_lines(process), soft_wrap=True)
        if not process.state.needs_customer:
            decision = told.decision if told else None
            after = await repeat_answer(connection, phone.wallet, process.process_id, decision)
            if after is None:
                raise Refused(Reason.PROCESS_NOT_AWAITING, state=process.state.value)
            return after
        answer = told or await TerminalQuestions(phone.console).ask(process)
        is_yes = answer.decision is Decision.APPROVE
        if process.is_digits_needed and is_yes and not answer.digits:
            # Approving without the digits would count as wrong digits, and decline it.
            message = "Give the two digits that the terminal shows by --digits."
            raise click.UsageError(message)
        try:
            return await answer_process(connection, phone.wallet, process, answer)
        except Refused as refused:
            if refused.reason is not Reason.CONFIRMATION_SIGNATURE_WRONG:
                raise
            process = await find_process(connection, process.process_id)
            if told:
                phone.console.print(process_lines(process), soft_wrap=True)
                raise
            phone.console.print(plain(explain_failure(refused)), soft_wrap=True)


async def _the_one_that_waits(connection: PhoneConnection) -> Process:
    newest = await newest_processes(connection, LOOKED_THROUGH_MAX)
    waiting = [process for process in newest if process.state.needs_customer]
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        message = "Nothing waits for your answer."
    else:
        ids = ", ".join(process.process_id for process in waiting)
        message = f"Several processes wait for your answer. Name one of them: {ids}"
    raise click.UsageError(message)


COMMANDS = (watch, confirm_command, dispute, processes, receipt)
