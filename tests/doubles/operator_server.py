"""Serves the double of the OperatorService over real gRPC, on a port that the system chooses."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import grpc.aio
import protovalidate
from google.protobuf.message import Message
from grpc_status import rpc_status

from tallymark.v1.operator_service_pb2_grpc import add_OperatorServiceServicer_to_server
from tallymark_protocol.errors import Refused, TallymarkError, to_status
from tallymark_protocol.reasons import Reason

from .background import in_background
from .operator_service import SECRET_MARK, OperatorServiceDouble


class Lost:
    """The fate of an answer that never arrives."""


class Guard(grpc.aio.ServerInterceptor):
    """Checks credentials and the rules of the contract, and turns errors into statuses.

    A test decides what becomes of the next calls by `fates`, one for each: an error instead of an
    answer, an answer that gets lost after the work was done, or None for the usual.
    """

    def __init__(self) -> None:
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
        metadata = dict(handler_call_details.invocation_metadata or ())
        needs_secret = not handler_call_details.method.endswith("/EnrollOperator")

        async def guarded(
            request: Message, context: "grpc.aio.ServicerContext[Any, Any]"
        ) -> Message:
            self.calls += 1
            fate = self.fates.pop(0) if self.fates else None
            try:
                if needs_secret:
                    _check_secret(metadata.get("authorization"))
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

    def __init__(self, *, service: OperatorServiceDouble, guard: Guard, address: str) -> None:
        self.service = service
        self.guard = guard
        self.address = address


@contextmanager
def served(service: OperatorServiceDouble) -> Iterator[ServedOperatorService]:
    """Serve the double until the end of the block."""
    with in_background(_serving(service)) as background:
        yield background.server


@asynccontextmanager
async def _serving(service: OperatorServiceDouble) -> AsyncIterator[ServedOperatorService]:
    guard = Guard()
    server = grpc.aio.server(interceptors=[guard])
    add_OperatorServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield ServedOperatorService(service=service, guard=guard, address=f"127.0.0.1:{port}")
    await server.stop(None)


def _check_secret(authorization: object) -> None:
    if authorization is None:
        raise Refused(Reason.CREDENTIALS_MISSING)
    if not str(authorization).startswith(f"Bearer {SECRET_MARK}"):
        raise Refused(Reason.CREDENTIALS_INVALID)


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
