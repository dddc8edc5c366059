"""What a customer's device signs to answer a process: the statement of all that was seen.

The statement is deterministic CBOR, an array of fourteen places:

    ["tallymark confirmation", 1, decision, state, process id, merchant id, merchant name,
     terminal id, [action, ...], sale total, card total, confirm by, digits, process version]

    action    [kind, standing, amount, bill reference, funding, event id, ticket id, direction,
               programme id, points]
    amount    [currency, minor units]

Every place is always there; what does not apply is null for an amount, "" for a text, 0 for a
number. So two statements differ wherever two answers do, and none can be read in two ways. Kinds,
states and the like are called as in the contracts.

A process may be contested, approved and contested again, with nothing else about it different: the
version is what keeps the first yes from counting a second time.

This links the answer to amount and payee, as article 5 of the RTS on strong customer authentication
(Commission Delegated Regulation (EU) 2018/389) asks: a change of either makes the signature
worthless. Phone and server build the statement each from what it knows itself, the phone by
confirmation_messages.py, and only the signature travels.

docs/signatures.md specifies this for other languages.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tallymark_protocol import strict_cbor
from tallymark_protocol.confirmed_action import (
    ActionKind,
    Amount,
    ConfirmedAction,
    Direction,
    Funding,
    Standing,
    amount_from_list,
    amount_to_list,
)
from tallymark_protocol.strict_values import demand, demand_number, demand_text, list_of, one_of

__all__ = [
    "ActionKind",
    "Amount",
    "AnsweredState",
    "Confirmation",
    "ConfirmedAction",
    "Decision",
    "Direction",
    "Funding",
    "NotAConfirmation",
    "Standing",
    "read_confirmation",
]

_CONTEXT: Final = "tallymark confirmation"
_VERSION: Final = 1
_DIGITS: Final = re.compile(r"(?:[0-9]{2})?")


class NotAConfirmation(ValueError):
    """The bytes are not the statement of a confirmation, or not its one form."""


class Decision(StrEnum):
    """The customer's answer."""

    APPROVE = "APPROVE"
    DECLINE = "DECLINE"


class AnsweredState(StrEnum):
    """State of the process that is answered; in no other does it wait for the customer."""

    AWAITING_CUSTOMER = "AWAITING_CUSTOMER"
    CONTESTED = "CONTESTED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmation:
    """A customer's answer to a process, with everything that the customer saw.

    Nobody can approve what is not decided. Either every action is granted, with its amounts, or one
    is refused, so that approving does nothing: also a refused process can be answered, because the
    terminal learns of the refusal only from the answer.

    Raises:
        ValueError: a value that no answer has, or an approval of what is not decided.

    """

    decision: Decision
    state: AnsweredState
    process_id: str
    merchant_id: str
    merchant_name: str
    terminal_id: str
    actions: tuple[ConfirmedAction, ...]
    sale_total: Amount | None = None
    card_total: Amount | None = None

    confirm_by: int = 0
    """Milliseconds since 1970 by which the answer must have come, 0 for no limit."""

    digits: str = ""
    """The two digits that the terminal showed and the customer entered, else empty."""

    process_version: int = 0
    """Number of the process's changes until then, so that no answer counts twice."""

    def __post_init__(self) -> None:
        """Refuse every value that no answer has, whoever built it."""
        for text in (self.process_id, self.merchant_id, self.merchant_name, self.terminal_id):
            demand_text(text)
            demand(bool(text), "process, merchant and terminal have names")
        demand(len(self.actions) > 0, "a process has actions")
        demand_number(self.confirm_by)
        demand_number(self.process_version)
        demand_text(self.digits)
        demand(_DIGITS.fullmatch(self.digits) is not None, "the digits are two, or none")
        is_decided = self.is_granted or self.is_refused
        demand(
            is_decided or self.decision is Decision.DECLINE,
            "the process is not decided, so nobody can approve it; wait for its amounts",
        )

    @property
    def is_granted(self) -> bool:
        """Whether every action is granted, with its amounts."""
        return all(action.standing is Standing.GRANTED for action in self.actions)

    @property
    def is_refused(self) -> bool:
        """Whether an action is refused, so that nothing is done whatever the customer says."""
        return any(action.standing is Standing.REFUSED for action in self.actions)

    @property
    def authorises(self) -> bool:
        """Whether the customer says yes to something that is done then."""
        return self.decision is Decision.APPROVE and self.is_granted

    def to_bytes(self) -> bytes:
        """Return the statement: the bytes that are signed."""
        return strict_cbor.encode(
            [
                _CONTEXT,
                _VERSION,
                self.decision.value,
                self.state.value,
                self.process_id,
                self.merchant_id,
                self.merchant_name,
                self.terminal_id,
                [action.to_list() for action in self.actions],
                amount_to_list(self.sale_total),
                amount_to_list(self.card_total),
                self.confirm_by,
                self.digits,
                self.process_version,
            ]
        )


def read_confirmation(statement: bytes) -> Confirmation:
    """Return what a statement says; who signed it, DevicePublicKey.verify says.

    Raises:
        NotAConfirmation: another version, or not the one form of a statement, to the last byte.

    """
    try:
        confirmation = _from_list(strict_cbor.decode(statement, depth_max=4))
    except ValueError as error:
        message = f"this is not the statement of a confirmation, version 1: {error}"
        raise NotAConfirmation(message) from None
    if confirmation.to_bytes() != statement:
        message = "the statement is not of version 1, or not in its only form"
        raise NotAConfirmation(message)
    return confirmation


def _from_list(value: object) -> Confirmation:
    """Take what is understood; context and version are left to the comparison."""
    parts = list_of(value, 14)
    _, _, decision, state, process, merchant, name, terminal = parts[:8]
    actions, sale, card, by, digits, version = parts[8:]
    demand(isinstance(actions, list), "the actions are a list")
    return Confirmation(
        decision=one_of(Decision, decision),
        state=one_of(AnsweredState, state),
        process_id=process,
        merchant_id=merchant,
        merchant_name=name,
        terminal_id=terminal,
        actions=tuple(ConfirmedAction.from_list(action) for action in actions),
        sale_total=amount_from_list(sale),
        card_total=amount_from_list(card),
        confirm_by=by,
        digits=digits,
        process_version=version,
    )
