"""Small messages of the contract, and what goes into them."""

import uuid

from tallymark.v1 import identification_pb2, money_pb2
from tallymark_protocol.certificate_request import ClientKey

__all__ = ["by_process", "by_request", "certificate_request", "euro", "new_id"]


def new_id() -> str:
    """Return a fresh request_id."""
    return str(uuid.uuid4())


def euro(minor_units: int) -> money_pb2.Money:
    """Return an amount in EUR."""
    return money_pb2.Money(currency_code="EUR", minor_units=minor_units)


def by_process(process_id: str) -> identification_pb2.ProcessReference:
    """Return the reference of a process by its id."""
    return identification_pb2.ProcessReference(
        identification=identification_pb2.Identification(process_id=process_id)
    )


def by_request(code: str, request_id: str) -> identification_pb2.ProcessReference:
    """Return the reference of a process by the code and the terminal's own request_id."""
    return identification_pb2.ProcessReference(
        identification=identification_pb2.Identification(code=code),
        resolve_request_id=request_id,
    )


def certificate_request() -> bytes:
    """Return a request for a certificate over a key that is forgotten at once."""
    return ClientKey.generate().certificate_request()
