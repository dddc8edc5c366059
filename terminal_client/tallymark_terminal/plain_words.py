"""What the terminal says to a cashier, a steward and the customer beside them."""

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Final

from tallymark_protocol.reasons import Reason
from tallymark_terminal.processes import (
    Refusal,
    RefusalReason,
    ReversalOutcome,
    ReversalRefusal,
)

__all__ = ["Words", "error_words", "unanswered_words"]

_NEW_CODE: Final = "Ask the customer to show the code that is on the phone now."
_CALL_OPERATOR: Final = "Tell the operator."
_TERMINAL_FAULT: Final = "This terminal asked for something wrong."

# What a terminal can hear, in the words of the person who stands at it.
_ERROR_WORDS: Final = {
    Reason.REQUEST_INVALID: f"{_TERMINAL_FAULT} Check amounts and names.",
    Reason.CREDENTIALS_MISSING: "This terminal is not enrolled. Enrol it.",
    Reason.CREDENTIALS_INVALID: "The server does not know this terminal any more. Enrol it again.",
    Reason.SESSION_EXPIRED: "This terminal's sign-in is over. Enrol it again.",
    Reason.CALLER_NOT_ALLOWED: f"This terminal may not do that. {_CALL_OPERATOR}",
    Reason.REQUEST_ID_REUSED: f"{_TERMINAL_FAULT} Start the sale again.",
    Reason.REQUEST_REVERSED: "The sale was taken back before it began. Start it again.",
    Reason.CODE_MALFORMED: "This is not a code of Tallymark, or it was read wrongly. Scan again.",
    Reason.CODE_KEY_UNKNOWN: f"The code is signed with a key that is not in use. {_NEW_CODE}",
    Reason.CODE_NOT_GENUINE: f"The code is not genuine. {_NEW_CODE}",
    Reason.CODE_NOT_FOUND: f"The code is not known. {_NEW_CODE}",
    Reason.CODE_EXPIRED: f"The code is too old. {_NEW_CODE}",
    Reason.CODE_REVOKED: f"The code was replaced. {_NEW_CODE}",
    Reason.CODE_ALREADY_CLAIMED: f"The code was used already. {_NEW_CODE}",
    Reason.CODE_FOR_OTHER_TERMINAL: (
        "The code was made for another terminal. Ask for one for this terminal."
    ),
    Reason.PROCESS_NOT_FOUND: "The server has no such sale of this terminal.",
    Reason.PROCESS_NOT_AWAITING: "The sale no longer waits for the customer.",
    Reason.PROCESS_NOT_INSTRUCTED: "The sale cannot be completed: it is not granted, or has ended.",
    Reason.PROCESS_CONTESTED: (
        "Another terminal showed the same code. Hand out nothing until the customer has answered."
    ),
    Reason.PROCESS_NOT_UNRESOLVED: "There is nothing to settle.",
    Reason.RECEIPT_NOT_READY: "There is no receipt, because the sale was not completed.",
    Reason.NO_POINTS_IN_PROCESS: "The sale has nothing to do with points.",
    Reason.POINTS_VERSION_CONFLICT: "The points changed meanwhile. Start the sale again.",
    Reason.POINTS_OVER_LIMIT: "That is more points than may be added or taken at once.",
    Reason.POINTS_BELOW_HOLDS: "Some of these points are held by another sale.",
    Reason.LOGIN_NAME_TAKEN: "This login name is taken.",
    Reason.PASSWORD_TOO_SHORT: "The password is too short.",
    Reason.PASSWORD_REQUIRED: "The customer has to enter the password on the phone.",
    Reason.PASSWORD_WRONG: "The password is wrong.",
    Reason.NUMBER_CODE_WRONG: "The verification code is wrong.",
    Reason.NO_NUMBER_TO_VERIFY: "There is no telephone number to verify.",
    Reason.CARD_NOT_FOUND: "The customer has no such card.",
    Reason.CARD_REJECTED: "The bank does not accept this card.",
    Reason.INSTITUTION_UNAVAILABLE: "The bank does not answer.",
    Reason.BILL_NOT_FOUND: "There is no such bill.",
    Reason.TICKET_NOT_FOUND: "There is no such ticket.",
    Reason.DEVICE_NOT_FOUND: "The customer has no such device.",
    Reason.CUSTOMER_NOT_FOUND: "There is no such customer.",
    Reason.MERCHANT_NOT_FOUND: f"The server does not know this merchant. {_CALL_OPERATOR}",
    Reason.TERMINAL_NOT_FOUND: f"The server does not know this terminal. {_CALL_OPERATOR}",
    Reason.EVENT_NOT_FOUND: f"The server does not know this event. {_CALL_OPERATOR}",
    Reason.PROGRAMME_NOT_FOUND: "The server does not know this points programme.",
    Reason.TOO_MANY_REGISTRATIONS: "The customer has too many things registered.",
    Reason.ENROLMENT_CODE_INVALID: (
        "The enrolment code is not valid or was used. Ask the operator for a new one."
    ),
    Reason.ALREADY_EXISTS_DIFFERENT: "This name is in use for something else.",
    Reason.POLICY_VERSION_CONFLICT: "The rules changed meanwhile. Start again.",
    Reason.PAGE_TOKEN_INVALID: "The list changed meanwhile. Start again.",
    Reason.OVERLOADED: "The server is busy.",
    Reason.SHUTTING_DOWN: "The server is being restarted.",
    Reason.STORE_FAILED: "The server has trouble with its store.",
    Reason.INTERNAL: f"The server made a mistake. {_CALL_OPERATOR}",
    Reason.CERTIFICATE_EXPIRED: (
        "This terminal was away too long, and its certificate has ended. Enrol it again."
    ),
    Reason.CERTIFICATE_REQUEST_INVALID: f"The server refused this terminal's key. {_CALL_OPERATOR}",
    Reason.DEVICE_PROOF_WRONG: "The phone could not prove who it is.",
    Reason.INVITATION_INVALID: "The invitation is not valid any more.",
    Reason.PASSWORD_COMMON: "The password is too common.",
    Reason.PASSWORD_WAIT: "The password was wrong too often. The customer has to wait.",
    Reason.PASSWORD_LOCKED: "The password was wrong too often.",
    Reason.RATE_LIMITED: "This terminal calls too often. Wait a moment.",
    Reason.TAG_INVALID: "The tag of this terminal is out of date. Show a new one.",
    Reason.CONFIRMATION_SIGNATURE_WRONG: "The customer has to look at the sale again.",
    Reason.NUMBER_CODE_LIMIT: "No more verification codes are sent today.",
    Reason.OPERATOR_NOT_FOUND: "There is no such operator.",
    Reason.OPERATOR_IS_CALLER: "An operator cannot revoke itself.",
    Reason.KEY_NOT_FOUND: "The server has no such key.",
    Reason.BACKUP_FAILED: "The server could not make the backup.",
    Reason.RECOVERY_NOT_OPEN: "The server does not ask for earlier sales any more.",
    Reason.DISK_NEARLY_FULL: "The server's disk is nearly full.",
    Reason.TERMINAL_NOT_DELEGATED: f"This terminal may not speak for that one. {_CALL_OPERATOR}",
}

_REVERSAL_WORDS: Final = {
    ReversalOutcome.NEVER_SEEN: "Taken back. The server had never seen it; nothing was done.",
    ReversalOutcome.RELEASED: "Taken back. Nothing was done.",
    ReversalOutcome.COMPENSATED: "Taken back. What was done is undone.",
    ReversalOutcome.COMPENSATING: "Taken back. The money is on its way back to the card.",
    ReversalOutcome.REFUSED: "It cannot be taken back.",
    ReversalOutcome.UNKNOWN: "The server gave an answer that this terminal does not know.",
}

_REVERSAL_REFUSAL_WORDS: Final = {
    ReversalRefusal.WINDOW_OVER: "It cannot be taken back any more: it is too long ago.",
    ReversalRefusal.IS_REVERSAL: "It cannot be taken back: it took another sale back itself.",
    ReversalRefusal.UNKNOWN: "It cannot be taken back.",
}


def error_words(reason: Reason | None) -> str:
    """Return what a refused call means to the person at the terminal."""
    if reason is None:
        return "The server refused, for a reason that this terminal does not know."
    return _ERROR_WORDS[reason]


def unanswered_words(reason: Reason | None) -> str:
    """Return why there was no answer, which the terminal often cannot know.

    A certificate that either side does not accept looks like a server that is not there.
    """
    if reason is not None:
        return _ERROR_WORDS[reason]
    return (
        "Either the server is not reached, or it does not accept this terminal's certificate, or "
        "it is not the server that this terminal trusts."
    )


class Words:
    """Words that depend on where the terminal stands: times are given as its clocks show them."""

    def __init__(self, *, zone: tzinfo | None = None) -> None:
        """Take the time zone; None is that of the computer."""
        self._zone = zone

    def time(self, moment: datetime | None) -> str:
        """Return a date and time as people at the terminal read it."""
        if moment is None:
            return "an unknown time"
        return f"{moment.astimezone(self._zone):%Y-%m-%d %H:%M}"

    def refusal(self, refusal: Refusal) -> str:
        """Return why something was refused, with what helps to clear it up."""
        words = _REFUSAL_WORDS[refusal.reason]
        return words if isinstance(words, str) else words(self, refusal)

    def used_here(self, seen_at: datetime) -> str:
        """Return that a code was shown at this terminal before."""
        return f"The code was used here already, {self.time(seen_at)}. {_NEW_CODE}"

    def reversal(self, outcome: ReversalOutcome, refused: ReversalRefusal | None) -> str:
        """Return what became of a reversal."""
        return _REVERSAL_REFUSAL_WORDS[refused] if refused else _REVERSAL_WORDS[outcome]

    def first_use(self, refusal: Refusal) -> str:
        """Return when and at which gate the ticket was first used."""
        use = refusal.first_use
        if use is None:
            return ""
        return f"First use: {self.time(use.used_at)} at {use.terminal_id}."


def _first_use(beginning: str) -> Callable[[Words, Refusal], str]:
    return lambda words, refusal: f"{beginning} {words.first_use(refusal)}".rstrip()


def _bills(words: Words, refusal: Refusal) -> str:  # noqa: ARG001 - one shape for all
    listed = ", ".join(refusal.bill_references)
    return f"The customer has several open bills. Name one: {listed}."


def _points(words: Words, refusal: Refusal) -> str:  # noqa: ARG001 - one shape for all
    return f"Not enough points: {refusal.points_available} are free."


_REFUSAL_WORDS: Final[dict[RefusalReason, str | Callable[[Words, Refusal], str]]] = {
    RefusalReason.NO_CARD: "The customer has no card registered.",
    RefusalReason.INSUFFICIENT_FUNDS: "The card was declined: not enough money.",
    RefusalReason.CARD_EXPIRED: "The card was declined: it is over its date.",
    RefusalReason.CARD_BLOCKED: "The card was declined: it is blocked.",
    RefusalReason.SUSPECTED_FRAUD: "The card was declined by the bank's security check.",
    RefusalReason.NOT_HONOURED: "The card was declined. The bank gives no reason.",
    RefusalReason.PARTIAL_APPROVAL: "The card does not cover the whole amount. Nothing was taken.",
    RefusalReason.INSTITUTION_UNREACHABLE: (
        "The bank did not answer. If it took anything, it is given back."
    ),
    RefusalReason.BILL_NOT_FOUND: "There is no such bill for this customer.",
    RefusalReason.BILL_REFERENCE_NEEDED: _bills,
    RefusalReason.BILL_ALREADY_PAID: "The bill is paid already.",
    RefusalReason.BILL_IN_USE: "The bill is being paid somewhere else just now.",
    RefusalReason.NO_TICKET: "The customer has no ticket for this event.",
    RefusalReason.ALREADY_ADMITTED: _first_use("The ticket was used already."),
    RefusalReason.TICKET_NOT_YET_VALID: (
        lambda words, refusal: f"The ticket is valid only from {words.time(refusal.valid_from)}."
    ),
    RefusalReason.TICKET_NO_LONGER_VALID: (
        lambda words, refusal: f"The ticket was valid until {words.time(refusal.valid_until)}."
    ),
    RefusalReason.STILL_INSIDE: _first_use(
        "The holder of this ticket is inside. Without leaving first there is no way in."
    ),
    RefusalReason.NOT_INSIDE: "The holder of this ticket is not inside.",
    RefusalReason.TICKET_IN_USE: "The ticket is being used at another gate just now.",
    RefusalReason.EVENT_NOT_FOUND: "This event is not one of this merchant's.",
    RefusalReason.NO_POINTS_PROGRAMME: "This merchant takes part in no points programme.",
    RefusalReason.INSUFFICIENT_POINTS: _points,
    RefusalReason.POINTS_EXCEED_TOTAL: "The points are worth more than there is to pay.",
    RefusalReason.POINTS_OVER_LIMIT: "That is more points than the programme gives at once.",
    RefusalReason.CURRENCY_MISMATCH: "The amounts are in different currencies.",
    RefusalReason.PURPOSE_NOT_ALLOWED: "The code on the phone is not meant for this.",
    RefusalReason.CUSTOMER_DECLINED: "The customer said no on the phone.",
    RefusalReason.CUSTOMER_SILENT: "The customer did not answer on the phone in time.",
    RefusalReason.DIGITS_WRONG: "The digits entered on the phone were wrong.",
    RefusalReason.RELEASED_BY_OPERATOR: "The operator settled it as not executed.",
    RefusalReason.RELEASED_BY_TERMINAL: "This terminal gave it up.",
    RefusalReason.CODE_NOT_BOUND: (
        "This amount needs a code made for this terminal. Let the phone read this terminal's tag, "
        "and scan the code that it shows then."
    ),
    RefusalReason.RESTORE_UNSETTLED: (
        "The server was restored from a backup, and this may have been used since. It is frozen "
        "until the operator has settled that."
    ),
    RefusalReason.UNKNOWN: "Refused, for a reason that this terminal does not know.",
}
