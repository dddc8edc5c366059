"""What a receipt's confirmation says, in words for people."""

from collections.abc import Iterator

from tallymark_protocol.confirmation import (
    ActionKind,
    Amount,
    Confirmation,
    ConfirmedAction,
    Standing,
)
from tallymark_protocol.money import format_money
from tallymark_protocol.verified_receipt import VerifiedReceipt

__all__ = ["describe_receipt", "printable"]


def describe_receipt(verified: VerifiedReceipt, *, is_key_known: bool) -> Iterator[str]:
    """Yield lines on what was signed, by which key, and what only the server says."""
    if verified.confirmation:
        yield from map(printable, _describe(verified.confirmation))
    if verified.device_key_hash:
        yield f"device key      {verified.device_key_hash}"
    if verified.device_key_hash and not is_key_known:
        yield "                whose it is, no receipt can tell: compare it with the phone's"
    if verified.confirmed_at:
        device = printable(verified.device_id)
        yield f"answered        {verified.confirmed_at} by device {device}, says the server"
    if verified.checkpoint:
        yield f"checkpoint      {verified.checkpoint.checkpoint}"
        yield f"audit key       {verified.checkpoint.audit_key_hash}"


def printable(text: str) -> str:
    """Return the text with a mark for each character that could play tricks on a terminal."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _describe(confirmation: Confirmation) -> Iterator[str]:
    yield f"decision        {confirmation.decision} while {confirmation.state}"
    yield f"merchant        {confirmation.merchant_name} ({confirmation.merchant_id})"
    yield f"terminal        {confirmation.terminal_id}"
    yield f"process         {confirmation.process_id}"
    for action in confirmation.actions:
        yield f"action          {_action(action)}"
    if confirmation.sale_total:
        yield f"sale total      {_money(confirmation.sale_total)}"
    if confirmation.card_total:
        yield f"card total      {_money(confirmation.card_total)}"


def _action(action: ConfirmedAction) -> str:
    amount = _money(action.amount) if action.amount else "what is left to pay"
    of_programme = f"points of {action.programme_id}" if action.programme_id else "points"
    words = {
        ActionKind.CHARGE: f"charge {amount}",
        ActionKind.PAY_BILL: f"pay bill {action.bill_reference}, {amount}, {action.funding}",
        ActionKind.ADMIT: f"{action.direction} {action.event_id}, ticket {action.ticket_id}",
        ActionKind.READ_POINTS: f"tell the {of_programme}",
        ActionKind.EARN_POINTS: f"earn {action.points} {of_programme}",
        ActionKind.BURN_POINTS: f"spend {action.points} {of_programme}, worth {amount}",
    }[action.kind]
    return words if action.standing is Standing.GRANTED else f"{words} ({action.standing})"


def _money(amount: Amount) -> str:
    return format_money(amount.minor_units, amount.currency_code)
