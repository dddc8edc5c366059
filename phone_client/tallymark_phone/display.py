"""What the customer reads: tables, processes, receipts, and the same things as JSON.

Colours appear on a terminal only. Text from others, such as a merchant's name, is shown without its
control characters, which could otherwise repaint the screen.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from datetime import datetime

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tallymark_phone.processes import Action, ActionKind, Process, ProcessState, Receipt
from tallymark_phone.refusals import explain
from tallymark_phone.registrations import Holdings

__all__ = [
    "action_line",
    "as_json",
    "plain",
    "process_lines",
    "processes_table",
    "receipt_lines",
    "wallet_tables",
]

_STATE_STYLES = {
    ProcessState.COMPLETED: "green",
    ProcessState.DECLINED: "red",
    ProcessState.EXPIRED: "red",
    ProcessState.RELEASED: "red",
    ProcessState.AWAITING_CUSTOMER: "yellow",
    ProcessState.CONTESTED: "yellow",
}


def plain(text: object) -> str:
    """Return the text with every character that does not print replaced."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text))


def as_json(value: object, *, is_one_line: bool = False) -> str:
    """Return values as JSON: fields by their names, times as in RFC 3339."""

    def unfold(part: object) -> object:
        if isinstance(part, datetime):
            return part.isoformat()
        if is_dataclass(part) and not isinstance(part, type):
            return asdict(part)
        message = f"{type(part).__name__} has no form in JSON"
        raise TypeError(message)

    return json.dumps(value, default=unfold, indent=None if is_one_line else 2)


def action_line(action: Action) -> str:
    """Return one line that says what an action does, with its amount."""
    amount = str(action.amount) if action.amount else "an amount not known yet"
    points = f"{action.points} points" if action.points is not None else "points"
    worth = f" worth {action.amount}" if action.amount else ""
    note = f" ({plain(action.description)})" if action.description else ""
    reference = plain(action.reference)
    match action.kind:
        case ActionKind.CHARGE:
            line = f"charge {amount}{note}"
        case ActionKind.PAY_BILL:
            way = "by card" if action.way == "CARD" else "at the terminal"
            line = f"pay bill {reference} of {amount} {way}{note}"
        case ActionKind.ADMIT:
            line = f"{'leave' if action.way == 'EXIT' else 'enter'} {reference}{note}"
        case ActionKind.READ_POINTS:
            line = f"tell your {points}"
        case ActionKind.EARN_POINTS:
            line = f"give you {points}"
        case ActionKind.BURN_POINTS:
            line = f"take {points}{worth}"
        case ActionKind.UNKNOWN:
            line = "something that this version of the phone does not know"
    return f"{line} - refused: {explain(action.refusal)}" if action.refusal else line


def process_lines(process: Process) -> Group:
    """Return a process with its merchant, terminal and every amount."""
    lines = [
        Text.assemble(
            (plain(process.merchant_name), "bold"),
            f" at terminal {plain(process.terminal_id)}: ",
            (_state_words(process.state), _STATE_STYLES.get(process.state, "")),
        ),
        *(Text(f"  {action_line(action)}") for action in process.actions),
    ]
    if process.sale_total:
        lines.append(Text(f"  total of the sale {process.sale_total}"))
    if process.card_total:
        lines.append(Text(f"  your card pays {process.card_total}", style="bold"))
    if process.refusal:
        lines.append(Text(f"  {explain(process.refusal)}"))
    if process.reversed_by_process_id:
        lines.append(Text(f"  taken back by {process.reversed_by_process_id}"))
    if process.points_debt:
        lines.append(Text(f"  you owe {process.points_debt} points"))
    lines.append(Text(f"  process {process.process_id}", style="dim"))
    return Group(*lines)


def processes_table(processes: Iterable[Process]) -> Table:
    """Return a table of processes."""
    table = _table("Processes", "When", "Merchant", "What", "State", "Process")
    for process in processes:
        _add_row(
            table,
            _local(process.created_at),
            process.merchant_name,
            Text("\n".join(map(action_line, process.actions))),
            Text(_state_words(process.state), style=_STATE_STYLES.get(process.state, "")),
            process.process_id,
        )
    return table


def receipt_lines(receipt: Receipt) -> Group:
    """Return a receipt as it could be printed."""
    lines = [
        Text(f"Receipt {receipt.receipt_number}", style="bold"),
        Text(f"{plain(receipt.merchant_name)}, terminal {plain(receipt.terminal_id)}"),
        Text(_local(receipt.completed_at)),
        *(Text(f"  {action_line(action)}") for action in receipt.actions),
    ]
    totals = (
        ("total of the sale", receipt.sale_total),
        ("paid by card", receipt.card_total),
        ("paid at the terminal", receipt.paid_at_terminal),
    )
    lines += [Text(f"  {label} {amount}") for label, amount in totals if amount]
    lines += [
        Text(
            f"  points {plain(posting.programme_id)} {posting.points:+},"
            f" balance {posting.balance_after}"
        )
        for posting in receipt.postings
    ]
    if receipt.reverses_process_id:
        lines.append(Text(f"  takes back {receipt.reverses_process_id}"))
    if receipt.reversed_by_process_id:
        lines.append(Text(f"  taken back by {receipt.reversed_by_process_id}"))
    return Group(*lines)


def wallet_tables(holdings: Holdings) -> Group:
    """Return everything that is registered; what there is none of is left out."""
    number = holdings.telephone_number
    if number and not holdings.is_number_verified:
        number += " (not verified)"
    cards = _table("Cards", "Card", "Good until", "Default", "Id")
    for card in holdings.cards:
        is_default = "default" if card.is_default else ""
        _add_row(cards, f"{card.brand} {card.last_four}", card.expires_on, is_default, card.card_id)
    bills = _table("Bills", "Merchant", "Reference", "Amount", "For", "Due", "State")
    for bill in holdings.bills:
        amount, state = bill.amount or "", bill.state.lower()
        reference, purpose = bill.bill_reference, bill.description
        _add_row(bills, bill.merchant_id, reference, amount, purpose, bill.due_on, state)
    tickets = _table("Tickets", "Event", "Name", "Place", "Entries left", "Ticket")
    for ticket in holdings.tickets:
        left = f"{ticket.entries - ticket.entries_used} of {ticket.entries}"
        name, place = ticket.event_name, ticket.place
        _add_row(tickets, ticket.event_id, name, place, left, ticket.ticket_id)
    points = _table("Points", "Programme", "Balance", "Held", "Owed")
    for account in holdings.points_accounts:
        name = account.programme_name or account.programme_id
        _add_row(points, name, account.balance, account.held, account.debt)
    devices = _table("Devices", "Name", "This one", "Id")
    for device in holdings.devices:
        _add_row(devices, device.name, "yes" if device.is_current else "", device.device_id)
    tables = [table for table in (cards, bills, tickets, points, devices) if table.row_count]
    return Group(Text(plain(f"{holdings.login_name} {number}"), style="bold"), *tables)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        # Ids are copied from here, so they must not be cut.
        table.add_column(column, overflow="fold")
    return table


def _add_row(table: Table, *cells: object) -> None:
    """Add a row of texts as they are: none of them is markup."""
    table.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in cells))


def _local(time: datetime | None) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else ""


def _state_words(state: ProcessState) -> str:
    return state.lower().replace("_", " ")
