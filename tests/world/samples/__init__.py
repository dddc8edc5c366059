"""For every RPC a request that succeeds on the stage, and that leaves the other ones possible."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.world.samples import customer, operator, terminal
from tests.world.stage import Stage

__all__ = ["SAMPLES"]

SAMPLES: Mapping[str, Callable[[Stage], Awaitable[Any]]] = {
    **{f"CustomerService/{name}": sample for name, sample in customer.SAMPLES.items()},
    **{f"TerminalService/{name}": sample for name, sample in terminal.SAMPLES.items()},
    **{f"OperatorService/{name}": sample for name, sample in operator.SAMPLES.items()},
}
