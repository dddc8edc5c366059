"""What a person decides about a process that waits: why it waits, and what to do next."""

from typing import Final, NamedTuple

from tallymark_admin.plain import Row

__all__ = ["institution_of", "next_steps_of", "reasons_of", "waits_for_institution"]


class _Question(NamedTuple):
    reason: str
    next_step: str


_QUESTIONS: Final = {
    "OVERDUE": _Question(
        "the terminal did not say whether it did it",
        "ask the merchant whether the goods are gone, then settle it by that",
    ),
    "CONTESTED": _Question(
        "the code was shown twice, and the customer has not answered",
        "let the customer answer on the phone, or ask the merchant and settle it",
    ),
    "DISPUTED": _Question(
        "the customer did not want it",
        "hear both, pay back if need be, then settle it",
    ),
    "CAPTURE": _Question(
        "the institution does not take the amount",
        "try-again, or have it taken by hand and settle as executed, or give it up: not-executed",
    ),
    "REVERSAL": _Question(
        "the institution does not give the amount back",
        "try-again, or have it given back by hand and settle as not-executed",
    ),
}

_NEW_KIND: Final = _Question("a newer server says why", "update this program")


def reasons_of(process: Row) -> str:
    """Say why the process waits."""
    return "; ".join(_words(question).reason for question in _questions(process))


def next_steps_of(process: Row) -> str:
    """Say what to do."""
    return "; ".join(_words(question).next_step for question in _questions(process))


def institution_of(process: Row) -> str:
    """Say what the institution said last, about which id, and how often it was told."""
    return "; ".join(
        f"{question['authorisation_id']}: {question['institution_said'] or 'nothing'}"
        f" (try {question['tries']})"
        for question in _questions(process)
        if question["authorisation_id"]
    )


def waits_for_institution(process: Row) -> bool:
    """Say whether it waits for the institution."""
    return any(question["authorisation_id"] for question in _questions(process))


def _questions(process: Row) -> list[Row]:
    questions = process.get("questions")
    rows = questions if isinstance(questions, list) else []
    return [row for row in rows if isinstance(row, dict)]


def _words(question: Row) -> _Question:
    return _QUESTIONS.get(str(question["kind"]), _NEW_KIND)
