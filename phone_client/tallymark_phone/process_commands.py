"""Commands about what terminals do with the codes: watch, answer, look back."""

import asyncio
import contextlib
import sys
from typing import Final

import click

from tallymark_phone.app import Phone
from tallymark_phone.display import as_json, plain, process_lines, processes_table, receipt_lines
from tallymark_phone.processes import Decision, Process, Receipt
from tallymark_phone.questions import Answer, FixedAnswer, QuestionSource, TerminalQuestions
from tallymark_phone.server_connection import PAGE_SIZE, PhoneConnection
from tallymark_phone.watching import ProcessWatch, confirm

__all__ = ["COMMANDS"]

LOOKED_THROUGH_MAX: Final = 200
"""Processes to look through for the one to confirm; it is one of the newest."""

_decisions = click.Choice([decision.value for decision in Decision])
_digits = click.option("--digits", default="", metavar="NN", help="Digits the terminal shows.")
_json = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


@click.command()
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


@click.command(name="confirm")
@click.argument("process_id")
@click.option("--decline", "is_declined", is_flag=True, help="Say no.")
@_digits
@click.pass_obj
def confirm_command(phone: Phone, process_id: str, digits: str, *, is_declined: bool) -> None:
    """Say yes (or no) to the process PROCESS_ID, after showing what it is."""
    decision = Decision.DECLINE if is_declined else Decision.APPROVE

    async def run() -> Process:
        async with phone.connect_signed_in() as connection:
            process = await _find(connection, process_id)
            if process:
                phone.console.print(process_lines(process), soft_wrap=True)
            # Approving without the digits would count as wrong digits, and decline it.
            if process and process.is_digits_needed and not (is_declined or digits):
                message = "Give the two digits that the terminal shows by --digits."
                raise click.UsageError(message)
            answer = Answer(decision=decision, digits="" if is_declined else digits)
            return await confirm(connection, phone.wallet, process_id, answer)

    phone.console.print(process_lines(asyncio.run(run())), soft_wrap=True)


@click.command()
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


@click.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@_json
@click.pass_obj
def processes(phone: Phone, limit: int, *, is_json: bool) -> None:
    """List what happened with your codes, newest first."""

    async def run() -> list[Process]:
        async with phone.connect_signed_in() as connection:
            return await _newest(connection, limit)

    newest = asyncio.run(run())
    if is_json:
        click.echo(as_json(newest))
    else:
        phone.console.print(processes_table(newest))


@click.command()
@click.argument("process_id")
@_json
@click.pass_obj
def receipt(phone: Phone, process_id: str, *, is_json: bool) -> None:
    """Show the receipt of the process PROCESS_ID."""

    async def run() -> Receipt:
        async with phone.connect_signed_in() as connection:
            return await connection.get_receipt(process_id)

    found = asyncio.run(run())
    if is_json:
        click.echo(as_json(found))
    else:
        phone.console.print(receipt_lines(found), soft_wrap=True)


def _show(phone: Phone, process: Process, *, is_json: bool) -> None:
    if is_json:
        click.echo(as_json(process, is_one_line=True))
    else:
        phone.console.print(process_lines(process), soft_wrap=True)


async def _newest(connection: PhoneConnection, limit: int) -> list[Process]:
    newest: list[Process] = []
    async with contextlib.aclosing(
        connection.list_processes(page_size=min(limit, PAGE_SIZE))
    ) as found:
        async for process in found:
            newest.append(process)
            if len(newest) == limit:
                break
    return newest


async def _find(connection: PhoneConnection, process_id: str) -> Process | None:
    for process in await _newest(connection, LOOKED_THROUGH_MAX):
        if process.process_id == process_id:
            return process
    return None


COMMANDS = (watch, confirm_command, dispute, processes, receipt)
