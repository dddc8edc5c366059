"""Paying a bill: held when granted, paid on completion, open again when given up or undone."""

import msgspec

from tallymark_server.domain.actions.refused import ActionRefused
from tallymark_server.domain.frozen import refuse_frozen
from tallymark_server.domain.model.actions import PayBillAsk, PayBillGrant, RefusalReason
from tallymark_server.domain.model.people import BillReference, Customer
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.model.registrations import Bill, BillState
from tallymark_server.domain.state import Draft, Key

__all__ = ["grant", "keys_of_asked", "keys_of_granted", "post", "release", "undo"]


def keys_of_asked(process: Process, customer: Customer, ask: PayBillAsk) -> list[Key[Bill]]:
    """Return the bills that may be meant: the named one, else all that the merchant may ask for."""
    named = _name(process, ask)
    own = [bill for bill in customer.bills if bill.merchant_id == process.merchant_id]
    references = [named] if named else [bill.bill_reference for bill in own]
    return [Bill.key_of(customer.partition, process.merchant_id, one) for one in references]


def keys_of_granted(process: Process, granted: PayBillGrant) -> list[Key[Bill]]:
    """Return the bill that was chosen."""
    return [Bill.key_of(process.partition, process.merchant_id, granted.bill_reference)]


def grant(draft: Draft, process: Process, customer: Customer, ask: PayBillAsk) -> PayBillGrant:
    """Choose the bill and hold it."""
    bill = _choose(draft, process, customer, ask)
    if bill is None or bill.customer_id != customer.customer_id:
        raise ActionRefused(RefusalReason.BILL_NOT_FOUND)
    if bill.state is BillState.PAID:
        raise ActionRefused(RefusalReason.BILL_ALREADY_PAID)
    if bill.state is BillState.HELD:
        raise ActionRefused(RefusalReason.BILL_IN_USE)
    refuse_frozen(draft, bill.added_at)
    draft.put(msgspec.structs.replace(bill, state=BillState.HELD, process_id=process.process_id))
    return PayBillGrant(
        bill_reference=bill.bill_reference,
        amount=bill.amount,
        description=bill.description,
        due_on=bill.due_on,
        funding=ask.funding,
    )


def post(draft: Draft, process: Process, customer: Customer, granted: PayBillGrant) -> None:
    """Mark the held bill as paid, and take it off the customer's open ones."""
    _set_state(draft, process, granted, BillState.PAID, process.process_id)
    bills = tuple(bill for bill in customer.bills if bill != _reference(process, granted))
    draft.put(msgspec.structs.replace(customer, bills=bills))


def release(draft: Draft, process: Process, granted: PayBillGrant) -> None:
    """Open the held bill again."""
    _set_state(draft, process, granted, BillState.OPEN, "")


def undo(draft: Draft, process: Process, customer: Customer, granted: PayBillGrant) -> None:
    """Open the paid bill again, as if it had never been paid."""
    _set_state(draft, process, granted, BillState.OPEN, "")
    bills = (*customer.bills, _reference(process, granted))
    draft.put(msgspec.structs.replace(customer, bills=bills))


def _name(process: Process, ask: PayBillAsk) -> str:
    """Return the bill that the terminal names, else the one that the code was issued for."""
    if not ask.bill_reference and process.bill and process.bill.merchant_id == process.merchant_id:
        return process.bill.bill_reference
    return ask.bill_reference


def _choose(draft: Draft, process: Process, customer: Customer, ask: PayBillAsk) -> Bill | None:
    """Return the named bill, else the only open one."""
    keys = keys_of_asked(process, customer, ask)
    draft.fetch(*keys)
    if _name(process, ask):
        return draft.get(keys[0])
    bills = [bill for key in keys if (bill := draft.get(key))]
    choice = [bill for bill in bills if bill.state is BillState.OPEN] or bills
    if len(choice) > 1:
        references = tuple(bill.bill_reference for bill in choice)
        raise ActionRefused(RefusalReason.BILL_REFERENCE_NEEDED, bill_references=references)
    return choice[0] if choice else None


def _reference(process: Process, granted: PayBillGrant) -> BillReference:
    return BillReference(merchant_id=process.merchant_id, bill_reference=granted.bill_reference)


def _set_state(
    draft: Draft, process: Process, granted: PayBillGrant, state: BillState, process_id: str
) -> None:
    bill = draft.get(keys_of_granted(process, granted)[0])
    assert bill is not None, "a granted bill exists"
    draft.put(msgspec.structs.replace(bill, state=state, process_id=process_id))
