"""Telephone numbers: whose they are, proved by a code that was sent to them."""

from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import NumberAnswer, RefusedAnswer
from tallymark_server.domain.commands import VerifyNumber
from tallymark_server.domain.customers import customer_of
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.people import NumberOwner
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = ["NUMBER_ATTEMPTS_MAX", "verify_number"]

NUMBER_ATTEMPTS_MAX: Final = 5
"""Wrong verification codes for one number; six digits then stay unguessed with 99.9995 %."""


def verify_number(draft: Draft, command: VerifyNumber) -> NumberAnswer | RefusedAnswer:
    """Enter the number in the directory if the code is right.

    A wrong code is counted, although the call is refused.
    """
    customer = customer_of(draft, command)
    if not customer.number_code:
        raise Refused(Reason.NO_NUMBER_TO_VERIFY)
    if customer.number_attempts >= NUMBER_ATTEMPTS_MAX:
        raise Refused(Reason.NUMBER_CODE_WRONG)
    if command.number_code != customer.number_code:
        attempts = customer.number_attempts + 1
        draft.put(msgspec.structs.replace(customer, number_attempts=attempts))
        return RefusedAnswer(reason=Reason.NUMBER_CODE_WRONG)
    owner = draft.get(NumberOwner.key_of(command.number_hash))
    if owner is not None and owner.customer_id != customer.customer_id:
        raise Refused(Reason.NUMBER_TAKEN)
    draft.put(
        NumberOwner(
            partition=DIRECTORY,
            number_hash=command.number_hash,
            customer_id=customer.customer_id,
            customer_partition=customer.partition,
        )
    )
    draft.put(msgspec.structs.replace(customer, number_code="", number_verified=True))
    return NumberAnswer(telephone_number=customer.telephone_number)
