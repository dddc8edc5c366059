"""The commands about one earlier sale: sale, receipt, complete, reverse."""

from collections.abc import Awaitable, Callable

import click

from tallymark_protocol.errors import TallymarkError
from tallymark_terminal.answers import Receipt
from tallymark_terminal.app import build_request_ids, open_terminal
from tallymark_terminal.command_line import home_option, json_option, patience_option, run
from tallymark_terminal.display import Display
from tallymark_terminal.earlier_sales import EarlierSales
from tallymark_terminal.home import Home
from tallymark_terminal.instruction_words import instruction_lines
from tallymark_terminal.plain_words import Words
from tallymark_terminal.repeating import PATIENCE_SECONDS
from tallymark_terminal.sale_results import EXIT_CODE_OF, ExitCode, Outcome, SaleResult

__all__ = ["complete", "receipt", "reverse", "sale"]


@click.command()
@home_option
@json_option
@click.argument("sale_id", metavar="[ID]", required=False)
def sale(home: Home, sale_id: str | None, *, as_json: bool) -> None:
    """Show where a sale stands; ID is its request id or process id, by default the last one."""
    run(_on_earlier_sale(home, lambda sales: sales.status(sale_id), as_json=as_json))


@click.command()
@home_option
@json_option
@click.option(
    "--document", "is_document", is_flag=True, help="The contract's own JSON, for tallymark-verify."
)
@click.argument("sale_id", metavar="[ID]", required=False)
def receipt(home: Home, sale_id: str | None, *, as_json: bool, is_document: bool) -> None:
    """Show the receipt of a sale, by default the last one."""
    show = _print_document if is_document else None if as_json else _print_receipt
    run(
        _on_earlier_sale(
            home, lambda sales: sales.receipt(sale_id), as_json=as_json, show_receipt=show
        )
    )


@click.command()
@home_option
@json_option
@patience_option
@click.argument("sale_id", metavar="[ID]", required=False)
def complete(home: Home, sale_id: str | None, patience_seconds: float, *, as_json: bool) -> None:
    """Complete a sale that was held, by default the last one."""
    run(
        _on_earlier_sale(
            home, lambda sales: sales.complete(sale_id), as_json=as_json, patience=patience_seconds
        )
    )


@click.command()
@home_option
@json_option
@patience_option
@click.option("--note", default="", help="Why, for the record.")
@click.argument("sale_id", metavar="ID")
def reverse(home: Home, sale_id: str, note: str, patience_seconds: float, *, as_json: bool) -> None:
    """Take a sale back; ID is its request id or process id."""
    run(
        _on_earlier_sale(
            home,
            lambda sales: sales.reverse(sale_id, note=note),
            as_json=as_json,
            patience=patience_seconds,
        )
    )


async def _on_earlier_sale(
    home: Home,
    work: Callable[[EarlierSales], Awaitable[SaleResult]],
    *,
    as_json: bool,
    patience: float = PATIENCE_SECONDS,
    show_receipt: Callable[[Display, SaleResult, Receipt], None] | None = None,
) -> ExitCode:
    async with open_terminal(home, as_json=as_json, patience_seconds=patience) as terminal:
        sales = EarlierSales(
            server=terminal.server,
            journal=terminal.journal,
            clock=terminal.clock,
            settling=terminal.settling,
            request_ids=build_request_ids(),
        )
        try:
            await terminal.upkeep.start()
        except TallymarkError as error:
            result = terminal.scanning.not_sent(error)
            terminal.display.result(result)
            return EXIT_CODE_OF[result.outcome]
        result = await work(sales)
        if show_receipt is not None and result.receipt is not None:
            show_receipt(terminal.display, result, result.receipt)
        else:
            if result.outcome is Outcome.EXECUTED and result.process is not None and not as_json:
                for line in instruction_lines(result.process):
                    terminal.display.line(line)
            terminal.display.result(result)
        return EXIT_CODE_OF[result.outcome]


def _print_receipt(display: Display, result: SaleResult, book: Receipt) -> None:
    display.line(f"Receipt {book.receipt_number}")
    display.line(f"{book.merchant_name}, {book.terminal_id}, {Words().time(book.completed_at)}")
    for line in instruction_lines(book):
        display.line(line)
    for name, amount in (
        ("Total", book.sale_total),
        ("By card", book.card_total),
        ("Paid here", book.paid_at_terminal),
    ):
        if amount is not None:
            display.line(f"{name}: {amount}")
    for posting in book.postings:
        display.line(f"Points: {posting.points:+d}, now {posting.balance_after}")
    if book.is_signed:
        display.line("Confirmed by the customer, signed on the phone.")
    if result.checkpoint:
        display.line(f"Checkpoint: {result.checkpoint}")
    if book.reversed_by_process_id:
        display.line(f"Taken back by {book.reversed_by_process_id}")


def _print_document(display: Display, _result: SaleResult, book: Receipt) -> None:
    display.text_line(book.document)
