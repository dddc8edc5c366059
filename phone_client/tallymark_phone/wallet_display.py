"""What is registered, and what the phone remembers of the server's journal, as tables."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tallymark_phone.checkpoint_book import SeenCheckpoint, contradictions
from tallymark_phone.display import add_row, local_time, new_table, plain
from tallymark_phone.registrations import Device, Holdings

__all__ = ["checkpoints_table", "devices_table", "wallet_tables"]


def wallet_tables(holdings: Holdings) -> Group:
    """Return everything that is registered; what there is none of is left out."""
    number = holdings.telephone_number
    if number and not holdings.is_number_verified:
        number += " (not verified)"
    cards = new_table("Cards", "Card", "Good until", "Default", "Id")
    for card in holdings.cards:
        is_default = "default" if card.is_default else ""
        add_row(cards, f"{card.brand} {card.last_four}", card.expires_on, is_default, card.card_id)
    bills = new_table("Bills", "Merchant", "Reference", "Amount", "For", "Due", "State")
    for bill in holdings.bills:
        amount, state = bill.amount or "", bill.state.lower()
        reference, purpose = bill.bill_reference, bill.description
        add_row(bills, bill.merchant_id, reference, amount, purpose, bill.due_on, state)
    tickets = new_table("Tickets", "Event", "Name", "Place", "Entries left", "Ticket")
    for ticket in holdings.tickets:
        left = f"{ticket.entries - ticket.entries_used} of {ticket.entries}"
        name, place = ticket.event_name, ticket.place
        add_row(tickets, ticket.event_id, name, place, left, ticket.ticket_id)
    points = new_table("Points", "Programme", "Balance", "Held", "Owed")
    for account in holdings.points_accounts:
        name = account.programme_name or account.programme_id
        add_row(points, name, account.balance, account.held, account.debt)
    devices = devices_table(holdings.devices)
    tables = [table for table in (cards, bills, tickets, points, devices) if table.row_count]
    return Group(Text(plain(f"{holdings.login_name} {number}"), style="bold"), *tables)


def devices_table(devices: Iterable[Device]) -> Table:
    """Return a table of the customer's phones."""
    table = new_table("Devices", "Name", "This one", "Id")
    for device in devices:
        add_row(table, device.name, "yes" if device.is_current else "", device.device_id)
    return table


def checkpoints_table(entries: Sequence[SeenCheckpoint]) -> Group:
    """Return the checkpoints, newest last, and below them what cannot be true."""
    table = new_table("Checkpoints of the server's journal", "Seen", "Entries", "Checkpoint")
    for entry in entries:
        add_row(table, local_time(entry.seen_at), entry.checkpoint.sequence, entry.checkpoint)
    lines: list[RenderableType] = [table]
    lines += [
        Text(
            f"The server's journal cannot have been at {before.checkpoint} and later at"
            f" {after.checkpoint}: its past was changed.",
            style="bold red",
        )
        for before, after in contradictions(list(entries))
    ]
    return Group(*lines)
