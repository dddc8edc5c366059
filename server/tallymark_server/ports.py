"""What the server listens on: three ports, because a port asks all its callers for a certificate.

Terminals and operators have one each; the third asks for none, for phones and whoever enrols.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from tallymark.v1 import (
    customer_service_pb2,
    customer_service_pb2_grpc,
    operator_service_pb2,
    operator_service_pb2_grpc,
    terminal_service_pb2,
    terminal_service_pb2_grpc,
)
from tallymark_server.limits import (
    OPERATOR_REQUEST_BYTES_MAX,
    PUBLIC_REQUEST_BYTES_MAX,
    TERMINAL_REQUEST_BYTES_MAX,
)
from tallymark_server.listener import Listener
from tallymark_server.services.customer import CustomerService
from tallymark_server.services.interceptors import Interceptor
from tallymark_server.services.operator import OperatorService
from tallymark_server.services.terminal import TerminalService
from tallymark_server.tls.server_tls import ServerTls

__all__ = ["PortNumbers", "Ports", "Services"]

CUSTOMER: Final = customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"]
TERMINAL: Final = terminal_service_pb2.DESCRIPTOR.services_by_name["TerminalService"]
OPERATOR: Final = operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"]


class Services(NamedTuple):
    """What answers the calls of each kind of caller."""

    customers: CustomerService
    terminals: TerminalService
    operators: OperatorService


@dataclass(kw_only=True, slots=True)
class PortNumbers:
    """The numbers of the ports, 0 until they are open."""

    phones: int = 0
    terminals: int = 0
    operators: int = 0


class Ports:
    """Puts each service on its port."""

    def __init__(
        self,
        services: Services,
        numbers: PortNumbers,
        *,
        tls: ServerTls | None,
        new_interceptor: Callable[[], Interceptor],
    ) -> None:
        """Take what to serve, where to write the numbers down, and what TLS shows (None: plain)."""
        self._numbers = numbers

        def listener(request_bytes_max: int, *, ask_clients: bool) -> Listener:
            return Listener(
                new_interceptor(),
                credentials=tls.credentials(ask_clients=ask_clients) if tls else None,
                request_bytes_max=request_bytes_max,
            )

        self._phones = listener(PUBLIC_REQUEST_BYTES_MAX, ask_clients=False)
        self._terminals = listener(TERMINAL_REQUEST_BYTES_MAX, ask_clients=True)
        self._operators = listener(OPERATOR_REQUEST_BYTES_MAX, ask_clients=True)
        self._register(services)

    async def start(self, *, listen: str, terminal_listen: str, operator_listen: str) -> None:
        """Open the ports, each at HOST:PORT; port 0 takes a free one."""
        await self._terminals.start(terminal_listen)
        self._numbers.terminals = self._terminals.port
        await self._operators.start(operator_listen)
        self._numbers.operators = self._operators.port
        await self._phones.start(listen)  # last: its answers name the other ports
        self._numbers.phones = self._phones.port

    async def stop(self) -> None:
        """Let the calls under way end, and refuse new ones."""
        listeners = (self._phones, self._terminals, self._operators)
        await asyncio.gather(*(listener.stop() for listener in listeners))

    def _register(self, services: Services) -> None:
        self._phones.serve(
            CUSTOMER,
            services.customers,
            customer_service_pb2_grpc.add_CustomerServiceServicer_to_server,
        )
        self._phones.serve_one(TERMINAL, "Enroll", services.terminals.Enroll)
        self._phones.serve_one(OPERATOR, "EnrollOperator", services.operators.EnrollOperator)
        self._terminals.serve(
            TERMINAL,
            services.terminals,
            terminal_service_pb2_grpc.add_TerminalServiceServicer_to_server,
        )
        self._operators.serve(
            OPERATOR,
            services.operators,
            operator_service_pb2_grpc.add_OperatorServiceServicer_to_server,
        )
