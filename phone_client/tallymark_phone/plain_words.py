"""Why a call failed, in words for the customer: what happened, and what to do on this phone."""

from math import ceil
from typing import Final

from tallymark_phone.trust import ServerNotVouchedFor
from tallymark_protocol.errors import NotDone, Refused, TallymarkError
from tallymark_protocol.reasons import Reason

__all__ = ["WORDS", "explain_failure"]

WORDS: Final = {
    Reason.CREDENTIALS_INVALID: "The server does not know this phone's session (any more). Use"
    " `sign-in`; if that is refused too, this phone was removed.",
    Reason.SESSION_EXPIRED: "This phone is signed out. Use `sign-in`.",
    Reason.PASSWORD_WRONG: "Name, phone or password is wrong; which one, the server does not tell.",
    Reason.PASSWORD_WAIT: "The password was wrong too often, so this one was not looked at. Wait"
    " {seconds} seconds, then try again.",
    Reason.PASSWORD_LOCKED: "The password was wrong so often that none is taken any more. Ask"
    " whoever runs the service to let you in again.",
    Reason.PASSWORD_COMMON: "Many people use this password, or it is made of your name, so a thief"
    " tries it first. Choose another one: four words that have nothing to do with each other.",
    Reason.INVITATION_INVALID: "The invitation is wrong, used, or older than ten minutes. Make"
    " another one with `invite` on a phone that is yours, or ask whoever runs the service.",
    Reason.DEVICE_PROOF_WRONG: "The signature of this phone does not fit the request. Run the"
    " command again; if it stays, add this phone as a new one.",
    Reason.NUMBER_CODE_WRONG: "The verification code is wrong, or over its ten minutes or five"
    " tries. `send-number-code` sends another one.",
    Reason.NUMBER_CODE_LIMIT: "No more codes are sent to you, or to this number, today. Try again"
    " tomorrow.",
    Reason.TAG_INVALID: "The terminal's tag is over its time, damaged or not genuine. Read it"
    " again; if that does not help, do not pay at this terminal.",
    Reason.CONFIRMATION_SIGNATURE_WRONG: "The server would do something else than what was shown"
    " and signed here, or it does not know the key of this phone. Nothing was done.",
    Reason.RATE_LIMITED: "The server gets more calls from you, or from your network, than it"
    " takes.",
}
"""A sentence for each reason that has more to say here than the server's own words."""


def explain_failure(error: TallymarkError) -> str:
    """Return what happened and what to do, with the fields that broke the contract."""
    words = _words(error)
    lines = [f"{error.reason}: {words}" if error.reason else words]
    lines += [f"  {field}: {text}" for field, text in error.violations]
    if isinstance(error, NotDone):
        wait_seconds = ceil(error.retry_after_seconds)
        when = f"in {wait_seconds} seconds" if wait_seconds > 0 else "a little later"
        lines.append(f"Nothing was done. Run the same command again {when}.")
    elif not isinstance(error, Refused | ServerNotVouchedFor):
        lines.append("There was no clear answer. The same command again repeats the same request.")
    return "\n".join(lines)


def _words(error: TallymarkError) -> str:
    sentence = WORDS.get(error.reason) if error.reason else None
    if sentence is None:
        return error.message
    try:
        return sentence.format_map(error.metadata)
    except KeyError:
        # A server of another version, which does not tell what belongs into the sentence.
        return error.message
