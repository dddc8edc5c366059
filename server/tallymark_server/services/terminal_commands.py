"""What a terminal asks for, as commands; the same for a call and for a command of a stream."""

import os
import secrets

from google.protobuf.message import Message

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_server.domain import commands
from tallymark_server.domain.commands import Caller, RequestKey
from tallymark_server.domain.processes.finish import RESOLVE_RPC
from tallymark_server.keyring import Keyring
from tallymark_server.services.answering import request_key
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.messages_in import ask_from, money_from, process_name_from

__all__ = ["TerminalCommands"]


class TerminalCommands:
    """Makes commands of requests that keep the rules of the contract.

    Only a telephone number is looked up meanwhile; a code and a process id tell their partition.

    Raises:
        Refused: CODE_MALFORMED, CODE_KEY_UNKNOWN, CODE_NOT_GENUINE, and PROCESS_NOT_FOUND for a
            partition that this server does not own.

    """

    def __init__(self, *, keyring: Keyring, lookup: Lookup) -> None:
        """Take the parts it works with."""
        self._keyring = keyring
        self._lookup = lookup

    async def resolve_code(
        self, caller: Caller, request: contract.ResolveCodeRequest
    ) -> commands.ResolveCode:
        """Return the command that claims a code."""
        partition, identification = await self._lookup.identify(
            caller, request.identification, request.request_id
        )
        return commands.ResolveCode(
            caller=caller,
            partition=partition,
            request=request_key(
                self._keyring,
                RESOLVE_RPC,
                request,
                request.request_id,
                but_for="wait_milliseconds",
            ),
            identification=identification,
            asks=tuple(ask_from(action) for action in request.actions),
            sale_total=money_from(request.sale_total) if request.HasField("sale_total") else None,
            complete_on_instruction=request.complete_on_instruction,
            fresh=os.urandom(10),
            digits=f"{secrets.randbelow(100):02d}",
        )

    async def complete_process(
        self, caller: Caller, request: contract.CompleteProcessRequest
    ) -> commands.CompleteProcess:
        """Return the report that everything was executed."""
        return commands.CompleteProcess(
            caller=caller,
            partition=await self._lookup.partition_of(request.reference.identification),
            request=self._key("CompleteProcess", request, request.request_id),
            name=process_name_from(request.reference),
        )

    async def reverse_process(
        self, caller: Caller, request: contract.ReverseProcessRequest
    ) -> commands.ReverseProcess:
        """Return the command that gives up or takes back."""
        return commands.ReverseProcess(
            caller=caller,
            partition=await self._lookup.partition_of(request.reference.identification),
            request=self._key("ReverseProcess", request, request.request_id),
            name=process_name_from(request.reference),
            note=request.note,
            fresh=os.urandom(10),
        )

    async def update_points(
        self, caller: Caller, request: contract.UpdatePointsRequest
    ) -> commands.UpdatePoints:
        """Return the command that stages a changed number of points."""
        return commands.UpdatePoints(
            caller=caller,
            partition=await self._lookup.partition_of(request.reference.identification),
            request=self._key("UpdatePoints", request, request.request_id),
            name=process_name_from(request.reference),
            version=request.version,
            new_balance=request.new_balance,
        )

    def _key(self, rpc: str, request: Message, request_id: str) -> RequestKey:
        return request_key(self._keyring, rpc, request, request_id)
