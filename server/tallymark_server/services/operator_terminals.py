"""The part of OperatorService that is about terminals."""

from typing import Any

import grpc

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_server.domain import commands
from tallymark_server.domain.answers import RowAnswer
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import Terminal, TerminalState
from tallymark_server.keyring import Keyring, secret_hash
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one
from tallymark_server.services.callers import CALLER
from tallymark_server.services.registrations_out import terminal_message
from tallymark_server.storage.store import Store

__all__ = ["OperatorTerminals"]

_Context = grpc.aio.ServicerContext[Any, Any]


class OperatorTerminals:
    """Creates terminals, lets them enrol and speak for each other, and shuts them out."""

    _lane: Lane
    _store: Store
    _keyring: Keyring

    async def CreateTerminal(
        self, request: contract.CreateTerminalRequest, context: _Context
    ) -> contract.CreateTerminalResponse:
        """Create a terminal; the enrolment code is shown again until it is used."""
        code = self._terminal_code(request.terminal_id, generation=0)
        command = commands.CreateTerminal(
            caller=CALLER.get(),
            partition=DIRECTORY,
            terminal_id=request.terminal_id,
            merchant_id=request.merchant_id,
            code_hash=secret_hash(code),
        )
        await decided(self._lane, command, RowAnswer)
        terminal = await self._terminal(request.terminal_id)
        is_open = terminal.state is TerminalState.CREATED
        code = self._terminal_code(request.terminal_id, generation=terminal.generation)
        return contract.CreateTerminalResponse(
            terminal=terminal_message(terminal), enrolment_code=code if is_open else ""
        )

    async def RevokeTerminal(
        self, request: contract.RevokeTerminalRequest, context: _Context
    ) -> contract.RevokeTerminalResponse:
        """Shut a terminal out."""
        command = commands.RevokeTerminal(
            caller=CALLER.get(), partition=DIRECTORY, terminal_id=request.terminal_id
        )
        await decided(self._lane, command, RowAnswer)
        terminal = await self._terminal(request.terminal_id)
        return contract.RevokeTerminalResponse(terminal=terminal_message(terminal))

    async def DelegateTerminal(
        self, request: contract.DelegateTerminalRequest, context: _Context
    ) -> contract.DelegateTerminalResponse:
        """Let another terminal speak for a terminal."""
        command = commands.DelegateTerminal(
            caller=CALLER.get(),
            partition=DIRECTORY,
            terminal_id=request.terminal_id,
            concentrator_id=request.concentrator_id,
        )
        await decided(self._lane, command, RowAnswer)
        terminal = await self._terminal(request.terminal_id)
        return contract.DelegateTerminalResponse(terminal=terminal_message(terminal))

    async def ReenrollTerminal(
        self, request: contract.ReenrollTerminalRequest, context: _Context
    ) -> contract.ReenrollTerminalResponse:
        """Let a terminal enrol once more; the code is shown again until it is used."""
        before = await load_one(self._store, Terminal.key_of(request.terminal_id))
        generation = before.generation + 1 if before else 0
        code = self._terminal_code(request.terminal_id, generation=generation)
        command = commands.ReenrolTerminal(
            caller=CALLER.get(),
            partition=DIRECTORY,
            terminal_id=request.terminal_id,
            generation=generation,
            code_hash=secret_hash(code),
        )
        await decided(self._lane, command, RowAnswer)
        terminal = await self._terminal(request.terminal_id)
        return contract.ReenrollTerminalResponse(
            terminal=terminal_message(terminal),
            enrolment_code=self._terminal_code(request.terminal_id, generation=terminal.generation),
        )

    def _terminal_code(self, terminal_id: str, *, generation: int) -> str:
        """Return the enrolment code of this generation of a terminal."""
        return self._keyring.derive_secret("tme", "terminal", terminal_id, str(generation))

    async def _terminal(self, terminal_id: str) -> Terminal:
        terminal = await load_one(self._store, Terminal.key_of(terminal_id))
        assert terminal is not None, "the terminal was just decided about"
        return terminal
