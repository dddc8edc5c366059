"""Reasons of refusal in words for the customer."""

from typing import Final

from tallymark_phone.processes import Refusal

__all__ = ["SENTENCES", "explain"]

SENTENCES: Final = {
    "NO_CARD": "you have no card for this",
    "INSUFFICIENT_FUNDS": "the card has not enough money",
    "CARD_EXPIRED": "the card is over its date",
    "CARD_BLOCKED": "the card is blocked",
    "SUSPECTED_FRAUD": "the bank refused it; ask your bank",
    "NOT_HONOURED": "the bank refused it without a reason",
    "PARTIAL_APPROVAL": "the bank approved only a part",
    "INSTITUTION_UNREACHABLE": "the bank did not answer in time; nothing is charged",
    "BILL_NOT_FOUND": "there is no such bill of yours",
    "BILL_REFERENCE_NEEDED": "you have several open bills here; say which",
    "BILL_ALREADY_PAID": "the bill is paid already",
    "BILL_IN_USE": "the bill is being paid just now",
    "NO_TICKET": "you have no ticket for this event",
    "ALREADY_ADMITTED": "the ticket was used already",
    "TICKET_NOT_YET_VALID": "the ticket is not valid yet",
    "TICKET_NO_LONGER_VALID": "the ticket is no longer valid",
    "STILL_INSIDE": "the ticket's holder is inside already",
    "NOT_INSIDE": "the ticket's holder is not inside",
    "TICKET_IN_USE": "the ticket is being used just now",
    "NO_POINTS_PROGRAMME": "this merchant gives no points",
    "INSUFFICIENT_POINTS": "you have too few points",
    "POINTS_EXCEED_TOTAL": "the points are worth more than there is to pay",
    "POINTS_OVER_LIMIT": "these are more points than may be given at once",
    "CURRENCY_MISMATCH": "the amounts are of different currencies",
    "PURPOSE_NOT_ALLOWED": "your code was made for something else",
    "CUSTOMER_DECLINED": "you said no",
    "CUSTOMER_SILENT": "you did not answer in time",
    "DIGITS_WRONG": "the digits were not those on the terminal",
    "EVENT_NOT_FOUND": "the event is not this merchant's",
    "RELEASED_BY_OPERATOR": "the operator settled it: nothing was done",
    "RELEASED_BY_TERMINAL": "the terminal gave it up",
    "CODE_NOT_BOUND": "this amount needs a code made for that terminal: scan its tag first",
    "RESTORE_UNSETTLED": "it is frozen for now, after trouble with the server; nothing is lost",
}
"""A sentence for each RefusalReason, by its name without prefix."""


def explain(refusal: Refusal) -> str:
    """Return the reason in words, with what belongs to it."""
    # A newer server may know reasons that this phone does not.
    sentence = SENTENCES.get(refusal.reason, f"reason {refusal.reason}")
    details = list(refusal.bill_references)
    if refusal.first_used_at:
        first = f"{refusal.first_used_at.astimezone():%Y-%m-%d %H:%M:%S}"
        details.append(f"first on {first} at {refusal.first_used_terminal_id}")
    if refusal.reason == "INSUFFICIENT_POINTS":
        details.append(f"{refusal.points_available} available")
    if refusal.valid_from:
        details.append(f"valid from {refusal.valid_from.astimezone():%Y-%m-%d %H:%M}")
    if refusal.valid_until:
        details.append(f"valid until {refusal.valid_until.astimezone():%Y-%m-%d %H:%M}")
    return f"{sentence} ({', '.join(details)})" if details else sentence
