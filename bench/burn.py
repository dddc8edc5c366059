"""A server that can be told to be slower: what `bench.slowdown` looks for."""

import time
from typing import Any, Final

from tallymark_server.services.terminal import TerminalService

__all__ = ["BURN_KEY", "burn_when_told"]

BURN_KEY: Final = "bench-burn-microseconds"
"""Metadata of a call that say how long ResolveCode keeps the processor busy for nothing."""


def burn_when_told() -> None:
    """Let ResolveCode of this process burn what each call says."""
    resolve_code = TerminalService.ResolveCode

    async def burn(self: TerminalService, request: Any, context: Any) -> Any:  # noqa: ANN401 -- as grpc has it
        told = dict(context.invocation_metadata() or ()).get(BURN_KEY, "0")
        until = time.thread_time() + float(told) / 1e6
        while time.thread_time() < until:
            pass
        return await resolve_code(self, request, context)

    TerminalService.ResolveCode = burn  # type: ignore[assignment,method-assign]  # here alone
