"""How every call is made: credentials, deadline, retries and errors, each in this one place."""

import json
from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

import grpc
import grpc.aio

from tallymark_protocol.errors import from_call

__all__ = ["BATCH_DEADLINE_SECONDS", "CALL_DEADLINE_SECONDS", "Calls", "open_channel"]

CALL_DEADLINE_SECONDS: Final = 10.0
"""For one thing or one page. A person waits."""

BATCH_DEADLINE_SECONDS: Final = 60.0
"""For a batch of an import, which may wait for a busy server."""

# Every call of the contract may be repeated, so gRPC repeats those that the server did not take. It
# waits as long as the server's grpc-retry-pushback-ms says.
_SERVICE_CONFIG: Final = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": "tallymark.v1.OperatorService"}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
                },
            }
        ]
    }
)

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
RequestT_contra = TypeVar("RequestT_contra", contravariant=True)
ResponseT_co = TypeVar("ResponseT_co", covariant=True)


class Method(Protocol[RequestT_contra, ResponseT_co]):
    """A method of the stub."""

    def __call__(
        self,
        request: RequestT_contra,
        /,
        *,
        timeout: float,
        metadata: grpc.aio.Metadata,
    ) -> Awaitable[ResponseT_co]:
        """Start the call."""
        ...


def open_channel(server: str) -> grpc.aio.Channel:
    """Return a channel that is not encrypted, and never goes through a proxy with a secret."""
    return grpc.aio.insecure_channel(
        server,
        options=[("grpc.service_config", _SERVICE_CONFIG), ("grpc.enable_http_proxy", 0)],
    )


class Calls:
    """Makes calls in the name of one operator, or of nobody with an empty secret."""

    def __init__(self, *, operator_secret: str) -> None:
        """Take the secret that each call presents."""
        self._metadata = grpc.aio.Metadata()
        if operator_secret:
            self._metadata.add("authorization", f"Bearer {operator_secret}")

    async def call(
        self,
        method: Method[RequestT, ResponseT],
        request: RequestT,
        *,
        deadline_seconds: float = CALL_DEADLINE_SECONDS,
    ) -> ResponseT:
        """Make the call and return the answer.

        Raises:
            Refused: the server said no.
            UnknownOutcome: the server cannot be reached or gave no clear answer.

        """
        try:
            return await method(request, timeout=deadline_seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from error
