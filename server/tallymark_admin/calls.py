"""How every call is made: channel, deadline, retries and errors, each in this one place."""

import json
from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

import grpc.aio

from tallymark_protocol import tls
from tallymark_protocol.errors import from_call

__all__ = [
    "BACKUP_DEADLINE_SECONDS",
    "BATCH_DEADLINE_SECONDS",
    "CALL_DEADLINE_SECONDS",
    "RECONCILIATION_DEADLINE_SECONDS",
    "call",
    "open_channel",
]

CALL_DEADLINE_SECONDS: Final = 10.0
"""For one thing or one page. A person waits."""

BATCH_DEADLINE_SECONDS: Final = 60.0
"""For a batch of an import, which may wait for a busy server."""

BACKUP_DEADLINE_SECONDS: Final = 3_600.0
"""For a backup: copying and checking 1 GB takes about a minute, and a slow disk may need longer."""

RECONCILIATION_DEADLINE_SECONDS: Final = 600.0
"""For comparing a day, which reads all of it from both sides."""

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

RequestT_contra = TypeVar("RequestT_contra", contravariant=True)
ResponseT_co = TypeVar("ResponseT_co", covariant=True)
RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class Method(Protocol[RequestT_contra, ResponseT_co]):
    """A method of the stub."""

    def __call__(self, request: RequestT_contra, /, *, timeout: float) -> Awaitable[ResponseT_co]:
        """Start the call."""
        ...


def open_channel(
    server: str, *, ca_certificates_pem: str, client: tls.ClientIdentity | None = None
) -> grpc.aio.Channel:
    """Return a channel to HOST:PORT that repeats calls and never goes through a proxy."""
    return tls.open_channel(
        server,
        ca_certificates_pem=ca_certificates_pem,
        identity=client,
        options=(("grpc.service_config", _SERVICE_CONFIG), ("grpc.enable_http_proxy", 0)),
    )


async def call(
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
        return await method(request, timeout=deadline_seconds)
    except grpc.aio.AioRpcError as error:
        raise from_call(error) from error
