"""The RPCs of the server's three services, from their descriptors, so that none is forgotten."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from tallymark.v1 import customer_service_pb2, operator_service_pb2, terminal_service_pb2

__all__ = ["RPCS", "RPCS_WITH_REQUEST_ID", "Rpc", "rpc_named"]

_SERVICES = {
    "customer": customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"],
    "terminal": terminal_service_pb2.DESCRIPTOR.services_by_name["TerminalService"],
    "operator": operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"],
}

# The services' comments name them.
_WITHOUT_CREDENTIALS = {"RegisterCustomer", "AddDevice", "SignIn", "Enroll", "EnrollOperator"}


class Rpc(NamedTuple):
    """One RPC and who calls it."""

    caller: str
    method: MethodDescriptor

    @property
    def name(self) -> str:
        return str(self.method.name)

    @property
    def path(self) -> str:
        """Service and name: two services have a ListProcesses."""
        return f"{self.method.containing_service.name}/{self.name}"

    @property
    def full_path(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.name}"

    @property
    def request_type(self) -> Descriptor:
        descriptor: Descriptor = self.method.input_type
        return descriptor

    @property
    def needs_credentials(self) -> bool:
        return self.name not in _WITHOUT_CREDENTIALS

    @property
    def streams(self) -> bool:
        return bool(self.method.server_streaming)

    def empty_request(self) -> Any:
        request: Message = message_factory.GetMessageClass(self.request_type)()
        return request

    def __str__(self) -> str:
        """Name the RPC in the ids of tests."""
        return self.path


def _all_rpcs() -> Iterator[Rpc]:
    for caller, service in _SERVICES.items():
        for method in service.methods:
            yield Rpc(caller, method)


RPCS = tuple(_all_rpcs())

RPCS_WITH_REQUEST_ID = tuple(rpc for rpc in RPCS if "request_id" in rpc.request_type.fields_by_name)


def rpc_named(path: str) -> Rpc:
    """Return the RPC with this service and name."""
    return next(rpc for rpc in RPCS if rpc.path == path)
