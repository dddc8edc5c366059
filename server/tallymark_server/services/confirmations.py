"""The signature under a customer's answer to a process, checked with the key of the device."""

from tallymark.v1 import customer_service_pb2 as contract
from tallymark_server.domain.commands import Caller, SignedStatement
from tallymark_server.domain.model.people import Device
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.processes.statement import is_answerable, statement_of
from tallymark_server.services.callers import customer_partition
from tallymark_server.services.device_proofs import public_key_of
from tallymark_server.storage.store import Store

__all__ = ["signed_statement"]


async def signed_statement(
    store: Store, caller: Caller, request: contract.ConfirmProcessRequest
) -> SignedStatement | None:
    """Return the statement that the calling device has signed with this answer.

    It is made from the process as it is stored, not from the request. None: the signature is not
    over that, or there is nothing to be answered. The rule compares again, because the process may
    change before the decision, and says what is wrong.
    """
    process_key = Process.key_of(request.process_id)
    device_key = Device.key_of(customer_partition(caller), caller.device_id)
    rows = await store.load([process_key, device_key])
    process, device = rows[process_key], rows[device_key]
    if not isinstance(process, Process) or not isinstance(device, Device):
        return None
    if process.customer_id != caller.caller_id or not is_answerable(process):
        return None
    statement = statement_of(
        process,
        approve=request.decision == contract.DECISION_APPROVE,
        digits=request.confirmation_digits,
    )
    if not public_key_of(device).verify(statement, request.signature):
        return None
    return SignedStatement(
        statement=statement, signature=request.signature, device_key=device.public_key
    )
