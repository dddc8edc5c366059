"""Somebody who calls the server."""

from typing import Any

import grpc

from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.errors import TallymarkError, from_call
from tallymark_protocol.tls import ClientIdentity

__all__ = ["DEADLINE_SECONDS", "Actor"]

DEADLINE_SECONDS = 20.0
"""Never reached by a test that passes."""


class Actor:
    """Somebody who calls; failed calls raise the library's errors.

    A phone has a secret, its session token; a terminal or operator a client certificate.
    """

    identity: ClientIdentity | None = None
    key: ClientKey | None = None

    def __init__(self, stub: Any, secret: str = "") -> None:
        self.stub = stub
        self.secret = secret

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What the actor sends with each call."""
        return (("authorization", f"Bearer {self.secret}"),) if self.secret else ()

    async def call(self, rpc: str, request: Any, *, deadline: float = DEADLINE_SECONDS) -> Any:
        try:
            return await getattr(self.stub, rpc)(request, metadata=self.metadata, timeout=deadline)
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None

    async def reason(self, rpc: str, request: Any) -> str:
        """Return the reason that the call fails with; "OK" if it does not."""
        try:
            await self.call(rpc, request)
        except TallymarkError as error:
            return str(error.reason)
        return "OK"

    def watch(self, rpc: str, request: Any) -> Any:
        method = getattr(self.stub, rpc)
        return method(request, metadata=self.metadata, timeout=DEADLINE_SECONDS)
