"""Telephone numbers: whose they are, proved by a code that was sent to them.

A number that is proved stays in force until another one is; then the directory's entry moves. Who
proves a number has it, whoever had it before: telephone companies give numbers to new people, and
all that goes with a number is being asked by telephone (docs/decisions/0013).
"""

from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import NumberAnswer, NumberCodeAnswer, RefusedAnswer
from tallymark_server.domain.calling import calling_customer
from tallymark_server.domain.commands import SendNumberCode, VerifyNumber
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.numbers import NumberProof, TelephoneNumber
from tallymark_server.domain.model.people import Customer, NumberOwner
from tallymark_server.domain.model.tallies import NumberCodes, Tally, day_of
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = [
    "CODES_MAX",
    "CODE_SECONDS",
    "WRONG_TRIES_MAX",
    "send_number_code",
    "verify_number",
    "with_first_proof",
]

CODE_SECONDS: Final = 600
"""How long a code is good: 10 minutes at most (NIST SP 800-63B, out-of-band authenticators)."""

WRONG_TRIES_MAX: Final = 5
"""Wrong codes for one that was sent; six digits then stay unguessed with 99.9995 %."""

CODES_MAX: Final = 5
"""Codes in a day of UTC that one customer has sent, and that one number is sent by anybody."""


def with_first_proof(
    draft: Draft, customer: Customer, number: TelephoneNumber, code_hash: str, now: int
) -> Customer:
    """Return a new customer whose number waits to be proved.

    If the number was sent too many codes this day, it waits without one.
    """
    proof = NumberProof(number=number)
    if not _has_room(draft, customer, number, now):
        return msgspec.structs.replace(customer, number_proof=proof)
    return _sent(draft, customer, number, code_hash, now)


def send_number_code(draft: Draft, command: SendNumberCode, now: int) -> NumberCodeAnswer:
    """Take another code, for the number that waits or for another one that waits in its place."""
    customer = calling_customer(draft, command)
    waiting = customer.number_proof
    number = command.number or (waiting.number if waiting else None)
    if number is None or number == customer.number:
        raise Refused(Reason.NO_NUMBER_TO_VERIFY)
    if not _has_room(draft, customer, number, now):
        raise Refused(Reason.NUMBER_CODE_LIMIT)
    draft.put(_sent(draft, customer, number, command.code_hash, now))
    return NumberCodeAnswer(
        telephone_number=number.digits,
        expires_at=now + CODE_SECONDS * 1000,
        fresh=command.fresh,
    )


def verify_number(draft: Draft, command: VerifyNumber, now: int) -> NumberAnswer | RefusedAnswer:
    """Enter the number in the directory if the code is right.

    A wrong code is counted, although the call is refused.
    """
    customer = calling_customer(draft, command)
    proof = customer.number_proof
    if proof is None:
        raise Refused(Reason.NO_NUMBER_TO_VERIFY)
    if now >= proof.good_until or proof.wrong_tries >= WRONG_TRIES_MAX:
        raise Refused(Reason.NUMBER_CODE_WRONG)
    if command.code_hash != proof.code_hash:
        tried = msgspec.structs.replace(proof, wrong_tries=proof.wrong_tries + 1)
        draft.put(msgspec.structs.replace(customer, number_proof=tried))
        return RefusedAnswer(reason=Reason.NUMBER_CODE_WRONG)
    _take_from_others(draft, customer, proof.number)
    if customer.number is not None:
        draft.delete(NumberOwner.key_of(customer.number.number_hash))
    draft.put(
        NumberOwner(
            partition=DIRECTORY,
            number_hash=proof.number.number_hash,
            customer_id=customer.customer_id,
            customer_partition=customer.partition,
        )
    )
    draft.put(msgspec.structs.replace(customer, number=proof.number, number_proof=None))
    return NumberAnswer(telephone_number=proof.number.digits)


def _take_from_others(draft: Draft, customer: Customer, number: TelephoneNumber) -> None:
    """Take the number from whoever had it: the newest proof of it counts."""
    entry = draft.get(NumberOwner.key_of(number.number_hash))
    if entry is None:
        return
    before = draft.get(Customer.key_of(entry.customer_partition, entry.customer_id))
    assert before is not None, "the directory leads to customers"
    assert before.customer_id != customer.customer_id, "nobody proves what is theirs"
    draft.put(msgspec.structs.replace(before, number=None))


def _has_room(draft: Draft, customer: Customer, number: TelephoneNumber, now: int) -> bool:
    """Say whether one more code may be sent this day, for this customer and to this number."""
    counts = (customer.number_codes, _codes_to(draft, number))
    return all(tally.on(day_of(now)).count < CODES_MAX for tally in counts)


def _sent(
    draft: Draft, customer: Customer, number: TelephoneNumber, code_hash: str, now: int
) -> Customer:
    """Count a code for its number, and return the customer with it."""
    day = day_of(now)
    tally = _codes_to(draft, number).on(day).plus(1)
    draft.put(NumberCodes(partition=DIRECTORY, number_hash=number.number_hash, tally=tally))
    return msgspec.structs.replace(
        customer,
        number_codes=customer.number_codes.on(day).plus(1),
        number_proof=NumberProof(
            number=number, code_hash=code_hash, good_until=now + CODE_SECONDS * 1000
        ),
    )


def _codes_to(draft: Draft, number: TelephoneNumber) -> Tally:
    kept = draft.get(NumberCodes.key_of(number.number_hash))
    return kept.tally if kept else Tally()
