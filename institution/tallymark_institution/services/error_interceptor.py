"""Checks every request against its field rules, and sends errors as the contract says."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc
import protovalidate
from grpc_status import rpc_status

from tallymark_protocol.errors import FieldViolation, Refused, TallymarkError, to_status
from tallymark_protocol.reasons import Reason

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["ErrorInterceptor"]

_LOG = logging.getLogger(__name__)

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_Behaviour = Callable[[Any, Any], Awaitable[Any]]


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Stands between the caller and the unary methods of one service; others pass untouched."""

    def __init__(self, service_name: str) -> None:
        """Take the full name of the service."""
        self._prefix = f"/{service_name}/"

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails],
            Awaitable[grpc.RpcMethodHandler[_Request, _Response] | None],
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[_Request, _Response] | None:
        """Wrap the method that is called."""
        handler = await continuation(handler_call_details)
        is_ours = handler_call_details.method.startswith(self._prefix)
        if handler is None or handler.unary_unary is None or not is_ours:
            return handler
        # The types of grpc describe its threaded server only; here methods are coroutines.
        behaviour = cast("_Behaviour", handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(
            _guarded(behaviour), handler.request_deserializer, handler.response_serializer
        )


def _guarded(behaviour: _Behaviour) -> _Behaviour:
    async def guarded(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> object:
        try:
            _check(request)
            return await behaviour(request, context)
        except TallymarkError as error:
            await context.abort_with_status(rpc_status.to_status(to_status(error)))
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets a fixed text
            # The text of an unexpected exception is for the log only; it may hold anything.
            _LOG.exception("a call failed")
            internal = TallymarkError(Reason.INTERNAL)
            await context.abort_with_status(rpc_status.to_status(to_status(internal)))

    return guarded


def _check(request: Message) -> None:
    violations = [_explain(each) for each in protovalidate.collect_violations(request)]
    if violations:
        raise Refused(Reason.REQUEST_INVALID, violations=violations)


def _explain(violation: protovalidate.Violation) -> FieldViolation:
    path = violation.proto.field
    elements = path.elements if path else []
    return ".".join(element.field_name for element in elements), violation.proto.message
