"""Serves the double of the OperatorService over real mutual TLS, on free ports."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import grpc.aio
import protovalidate
from google.protobuf.message import Message
from grpc_status import rpc_status

from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1.operator_service_pb2_grpc import add_OperatorServiceServicer_to_server
from tallymark_protocol.errors import Refused, TallymarkError, to_status
from tallymark_protocol.reasons import Reason

from .background import in_background
from .operator_service import OperatorServiceDouble


class Lost:
    """The fate of an answer that never arrives."""


class Guard(grpc.aio.ServerInterceptor):
    """Checks who calls and the rules of the contract, and turns errors into statuses.

    A test decides what becomes of the next calls by `fates`, one for each: an error instead of an
    answer, an answer that gets lost after the work was done, or None for the usual.
    """

    def __init__(self, service: OperatorServiceDouble) -> None:
        self._service = service
        self.fates: list[TallymarkError | Lost | None] = []
        self.calls = 0

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        handle: Callable[[Message, Any], Awaitable[Message]] = handler.unary_unary
        is_open = handler_call_details.method.endswith("/EnrollOperator")

        async def guarded(
            request: Message, context: "grpc.aio.ServicerContext[Any, Any]"
        ) -> Message:
            self.calls += 1
            fate = self.fates.pop(0) if self.fates else None
            try:
                if not is_open:
                    self._service.owner_of(context)
                _check_contract(request)
                if isinstance(fate, TallymarkError):
                    raise fate
                answer = await handle(request, context)
            except TallymarkError as error:
                await context.abort_with_status(rpc_status.to_status(to_status(error)))
            if isinstance(fate, Lost):
                await context.abort(grpc.StatusCode.UNKNOWN, "the answer was lost")
            return answer

        return grpc.unary_unary_rpc_method_handler(
            guarded, handler.request_deserializer, handler.response_serializer
        )


class ServedOperatorService:
    """A double that can be called."""

    def __init__(
        self, *, service: OperatorServiceDouble, guard: Guard, port: int, operator_port: int
    ) -> None:
        self.service = service
        self.guard = guard
        self.address = f"127.0.0.1:{port}"
        """Where operators enrol."""
        self.operator_address = f"127.0.0.1:{operator_port}"


@contextmanager
def served(
    service: OperatorServiceDouble, *, host: str = "127.0.0.1"
) -> Iterator[ServedOperatorService]:
    """Serve the double, with certificates for a host, until the end of the block."""
    with in_background(_serving(service, host)) as background:
        yield background.server


@asynccontextmanager
async def _serving(
    service: OperatorServiceDouble, host: str
) -> AsyncIterator[ServedOperatorService]:
    guard = Guard(service)
    open_server = grpc.aio.server(interceptors=[guard])
    open_server.add_generic_rpc_handlers((_enrolment_alone(service),))
    server = grpc.aio.server(interceptors=[guard])
    add_OperatorServiceServicer_to_server(service, server)
    open_credentials, credentials = (
        service.authority.server_credentials(demands_certificate=demands, hosts=[host])
        for demands in (False, True)
    )
    port = open_server.add_secure_port("127.0.0.1:0", open_credentials)
    operator_port = server.add_secure_port("127.0.0.1:0", credentials)
    service.operator_port = operator_port
    await open_server.start()
    await server.start()
    yield ServedOperatorService(
        service=service, guard=guard, port=port, operator_port=operator_port
    )
    await open_server.stop(None)
    await server.stop(None)


def _enrolment_alone(service: OperatorServiceDouble) -> grpc.GenericRpcHandler:
    """Return what serves the one call that needs no certificate, as the server does."""
    handler = grpc.unary_unary_rpc_method_handler(
        service.EnrollOperator,
        request_deserializer=contract.EnrollOperatorRequest.FromString,
        response_serializer=contract.EnrollOperatorResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(
        "tallymark.v1.OperatorService", {"EnrollOperator": handler}
    )


def _check_contract(request: Message) -> None:
    violations = [
        (_path(violation), violation.proto.message)
        for violation in protovalidate.collect_violations(request)
    ]
    if violations:
        raise Refused(Reason.REQUEST_INVALID, violations=violations)


def _path(violation: protovalidate.Violation) -> str:
    """Return the place of a violation such as bills[3].login_name."""
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += f".{element.field_name}"
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return path.lstrip(".")
