"""Statements of confirmations, and bytes that are none, put together by hand."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import cbor2

from signature_vectors.devices import ED25519, ES256, Device

__all__ = ["confirmations"]

EUR_1130: Final = ["EUR", 1130]
EUR_100: Final = ["EUR", 100]
CHARGE: Final = ["charge", "GRANTED", EUR_1130, "", "", "", "", "", "", 0]
BURN: Final = ["burn_points", "GRANTED", EUR_100, "", "", "", "", "", "beans", 100]
EARN: Final = ["earn_points", "GRANTED", None, "", "", "", "", "", "beans", 5]
READ: Final = ["read_points", "GRANTED", None, "", "", "", "", "", "beans", 0]
BILL: Final = ["pay_bill", "GRANTED", ["JPY", 4200], "W-77", "AT_TERMINAL", "", "", "", "", 0]
ADMIT: Final = ["admit", "GRANTED", None, "", "", "concert-2026", "A-1042", "ENTRY", "", 0]
REST: Final = ["charge", "ASKED", None, "", "", "", "", "", "", 0]
NO_TICKET: Final = ["admit", "REFUSED", None, "", "", "concert-2026", "", "ENTRY", "", 0]

PURCHASE: Final = (
    "tallymark confirmation",
    1,
    "APPROVE",
    "AWAITING_CUSTOMER",
    "00018f3c2a7b5d4e6f8091a2b3c4d5e6f7",
    "cafe",
    "Corner Café",
    "till-1",
    (CHARGE, BURN, EARN),
    ("EUR", 1230),
    EUR_1130,
    1_790_000_045_000,
    "",
    1,
)


def confirmations() -> dict[str, Any]:
    """Return statements with what they say and a signature each, and bytes that are none."""
    contested = _changed((3, "CONTESTED"), (2, "DECLINE"), (11, 0), (13, 4))
    by_telephone = _changed((8, [BILL]), (9, None), (10, None), (12, "42"))
    gate = _changed((8, [ADMIT, READ]), (9, None), (10, None))
    refused = _changed((8, [NO_TICKET, REST]), (10, None))
    undecided = _changed((2, "DECLINE"), (8, [REST]), (10, None))
    return {
        "valid": [
            _valid("a purchase with points", PURCHASE, ED25519, authorises=True),
            _valid("the same, signed with ES256", PURCHASE, ES256, authorises=True),
            _valid("a contested purchase, declined", contested, ED25519, authorises=False),
            _valid("a bill, by telephone", by_telephone, ED25519, authorises=True),
            _valid("an admission", gate, ED25519, authorises=True),
            _valid("approved, but refused", refused, ED25519, authorises=False),
            _valid("declined before it is decided", undecided, ED25519, authorises=False),
        ],
        "invalid": [{"name": name, "statement": statement.hex()} for name, statement in _invalid()],
    }


def _valid(
    name: str, parts: tuple[Any, ...], device: Device, *, authorises: bool
) -> dict[str, Any]:
    statement = cbor2.dumps(parts)
    return {
        "name": name,
        "confirmation": _told(parts),
        "authorises": authorises,
        "statement": statement.hex(),
        "algorithm": device.algorithm,
        "key_bytes": device.key_bytes.hex(),
        "signature": device.sign(statement).hex(),
    }


def _told(parts: tuple[Any, ...]) -> dict[str, Any]:
    names = (
        *("decision", "state", "process_id", "merchant_id", "merchant_name", "terminal_id"),
        *("actions", "sale_total", "card_total", "confirm_by", "digits", "process_version"),
    )
    told = dict(zip(names, parts[2:], strict=True))
    return told | {
        "actions": [_told_action(action) for action in told["actions"]],
        "sale_total": _told_amount(told["sale_total"]),
        "card_total": _told_amount(told["card_total"]),
    }


def _told_action(parts: list[Any]) -> dict[str, Any]:
    names = (
        *("kind", "standing", "amount", "bill_reference", "funding"),
        *("event_id", "ticket_id", "direction", "programme_id", "points"),
    )
    told = dict(zip(names, parts, strict=True))
    return told | {"amount": _told_amount(told["amount"])}


def _told_amount(parts: Any) -> dict[str, Any] | None:  # noqa: ANN401 - whatever the test needs
    return None if parts is None else {"currency_code": parts[0], "minor_units": parts[1]}


def _invalid() -> Iterator[tuple[str, bytes]]:
    good = cbor2.dumps(PURCHASE)
    for name, place, value in (
        ("another context", 0, "tallymark device proof"),
        ("version 0", 1, 0),
        ("version 2", 1, 2),
        ("version true", 1, True),
        ("an unknown decision", 2, "MAYBE"),
        ("a decision in small letters", 2, "approve"),
        ("a decision as a number", 2, 1),
        ("a state that waits for nobody", 3, "INSTRUCTED"),
        ("no process", 4, ""),
        ("the process as bytes", 4, b"process"),
        ("no name of the merchant", 6, ""),
        ("no actions", 8, []),
        ("actions null", 8, None),
        ("one action without a list", 8, CHARGE),
        ("approved before it is decided", 8, [REST]),
        ("approved while one action is not decided", 8, [CHARGE, REST]),
        ("an amount without currency", 9, [1230]),
        ("an amount of three places", 9, ["EUR", 1230, 2]),
        ("a currency in small letters", 9, ["eur", 1230]),
        ("a currency of four letters", 9, ["EURO", 1230]),
        ("a negative amount", 9, ["EUR", -1]),
        ("an amount of 2^63", 9, ["EUR", 2**63]),
        ("an amount as a float", 9, ["EUR", 1230.0]),
        ("an amount as a text", 9, ["EUR", "1230"]),
        ("an amount true", 9, ["EUR", True]),
        ("a total as a text", 10, "11.30 EUR"),
        ("a negative time limit", 11, -1),
        ("a time limit null", 11, None),
        ("one digit", 12, "4"),
        ("three digits", 12, "421"),
        ("digits as a number", 12, 42),
        ("a negative version", 13, -1),
        ("a version as a text", 13, "1"),
    ):
        yield name, cbor2.dumps(_changed((place, value)))
    for name, change in _WRONG_ACTIONS:
        action = list(CHARGE)
        change(action)
        yield name, cbor2.dumps(_changed((8, [action])))
    yield "thirteen places", cbor2.dumps(PURCHASE[:-1])
    yield "fifteen places", cbor2.dumps((*PURCHASE, ""))
    yield "empty", b""
    yield "cut off", good[:-1]
    yield "a byte after the end", good + b"\x00"
    yield "an array head not the shortest", b"\x98\x0e" + good[1:]
    yield "an indefinite array", b"\x9f" + good[1:] + b"\xff"
    yield "tagged", b"\xd9\xd9\xf7" + good
    yield "a number not the shortest", good.replace(b"\x19\x04\xce", b"\x1a\x00\x00\x04\xce")


def _replace(place: int, value: object) -> Callable[[list[Any]], None]:
    return lambda action: action.__setitem__(place, value)


_WRONG_ACTIONS: Final = (
    ("an unknown kind of action", _replace(0, "refund")),
    ("an unknown standing", _replace(1, "MAYBE")),
    ("a charge without amount", _replace(2, None)),
    ("a charge of a bill", _replace(3, "W-77")),
    ("a charge with a funding", _replace(4, "CARD")),
    ("a charge with points", _replace(9, 1)),
    ("an unknown funding", _replace(4, "CASH")),
    ("a direction null", _replace(7, None)),
    ("nine places in an action", lambda action: action.pop()),
    ("eleven places in an action", lambda action: action.append(0)),
)


def _changed(*changes: tuple[int, object]) -> tuple[Any, ...]:
    parts = list(PURCHASE)
    for place, value in changes:
        parts[place] = value
    return tuple(parts)
