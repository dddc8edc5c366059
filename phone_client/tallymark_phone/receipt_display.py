"""A receipt as it could be printed."""

from rich.console import Group
from rich.text import Text

from tallymark_phone.display import local_time, plain
from tallymark_phone.process_display import action_line
from tallymark_phone.processes import ConfirmedBy, Receipt

__all__ = ["receipt_lines"]


def receipt_lines(receipt: Receipt, *, own_key_hash: str = "") -> Group:
    """Return a receipt; `own_key_hash` is that of this phone's key."""
    lines = [
        Text(f"Receipt {plain(receipt.receipt_number)}", style="bold"),
        Text(f"{plain(receipt.merchant_name)}, terminal {plain(receipt.terminal_id)}"),
        Text(local_time(receipt.completed_at)),
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
    if receipt.confirmed_by:
        lines.append(_confirmation(receipt.confirmed_by, own_key_hash))
    if receipt.reverses_process_id:
        lines.append(Text(f"  takes back {receipt.reverses_process_id}"))
    if receipt.reversed_by_process_id:
        lines.append(Text(f"  taken back by {receipt.reversed_by_process_id}"))
    if receipt.checkpoint:
        lines.append(Text(f"  checkpoint {receipt.checkpoint}", style="dim"))
    lines += [
        Text(f"  NOT GOOD: {plain(problem)}", style="bold red") for problem in receipt.problems
    ]
    return Group(*lines)


def _confirmation(confirmed: ConfirmedBy, own_key_hash: str) -> Text:
    is_own = confirmed.device_key_hash == own_key_hash
    who = "this phone" if is_own else f"phone {plain(confirmed.device_id)}"
    return Text(f"  confirmed by {who} on {local_time(confirmed.confirmed_at)}")
