"""One readable line for each thing that happens, without card numbers and tokens."""

import datetime as dt

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark_institution.authorisation import Authorisation, State
from tallymark_institution.simulator import magic_behind

__all__ = ["authorisation_line", "capture_line", "reversal_line"]


def authorisation_line(
    message: contract.AuthorizeRequest, known: Authorisation, *, now: float
) -> str:
    """Tell of a question that came, and of what it gets."""
    happened = magic_behind(known).sentence
    if known.state is State.REVERSED:
        happened = "Reversed already"
    if known.tries > 1:
        happened += f" (try {known.tries})"
    amount = f"{message.amount.minor_units} minor units of {message.amount.currency_code}"
    place = f"merchant {message.merchant_id or '-'}, terminal {message.terminal_id or '-'}"
    return _line(now, f"authorise {message.authorisation_id}: {amount}, {place}: {happened}")


def capture_line(
    authorisation_id: str, result: "contract.CaptureResult.ValueType", *, now: float
) -> str:
    """Tell of a capture."""
    name = contract.CaptureResult.Name(result).removeprefix("CAPTURE_RESULT_")
    return _line(now, f"capture   {authorisation_id}: {name}")


def reversal_line(known: Authorisation, *, now: float) -> str:
    """Tell of a reversal."""
    return _line(now, f"reverse   {known.authorisation_id}: {known.reversal}")


def _line(now: float, text: str) -> str:
    """Date a line. What callers wrote may hold control characters; they are not printed."""
    time = dt.datetime.fromtimestamp(now, tz=dt.UTC)
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return f"{time:%H:%M:%S} {printable}"
