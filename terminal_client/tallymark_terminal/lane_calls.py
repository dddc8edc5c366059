"""The calls of a lane, as commands of the stream that all lanes share."""

from typing import Final

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_protocol.command_failures import from_failure
from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.answer_messages import (
    completion_value,
    knowledge_value,
    process_value,
    reversal_value,
)
from tallymark_terminal.answers import Completion, Knowledge, Reversal
from tallymark_terminal.command_stream import Answered, CommandStream
from tallymark_terminal.identification import Identification, ProcessReference
from tallymark_terminal.processes import Process
from tallymark_terminal.request_messages import reference_message, resolve_message

__all__ = ["LaneCalls"]

DECISION_SECONDS: Final = 5.0
"""How long the states of an undecided process are waited for before the sale looks by itself."""


class LaneCalls:
    """What a sale needs of the server, for one terminal that is spoken for."""

    def __init__(self, stream: CommandStream, *, terminal_id: str) -> None:
        """Take the stream and the lane's terminal; an empty id is the concentrator itself."""
        self._stream = stream
        self._terminal_id = terminal_id

    async def resolve_code(
        self, *, request_id: str, identification: Identification, request: SaleRequest
    ) -> Process:
        """Ask what to do, and wait a while for what is undecided."""
        message = resolve_message(
            request_id=request_id,
            identification=identification,
            request=request,
            wait_milliseconds=0,
        )
        command = contract.ExchangeCommand(resolve_code=message)
        answered = await self._ask(command, decision_seconds=DECISION_SECONDS)
        return process_value(answered.message.resolve_code.process)

    async def get_process(self, reference: ProcessReference) -> Knowledge:
        """Ask what the server knows of a process."""
        message = contract.GetProcessRequest(reference=reference_message(reference))
        answered = await self._ask(contract.ExchangeCommand(get_process=message))
        return knowledge_value(answered.message.get_process, checkpoint=answered.checkpoint)

    async def complete_process(self, *, request_id: str, reference: ProcessReference) -> Completion:
        """Report that the instructions were executed."""
        message = contract.CompleteProcessRequest(
            request_id=request_id, reference=reference_message(reference)
        )
        answered = await self._ask(contract.ExchangeCommand(complete_process=message))
        return completion_value(answered.message.complete_process, checkpoint=answered.checkpoint)

    async def reverse_process(
        self, *, request_id: str, reference: ProcessReference, note: str
    ) -> Reversal:
        """Give a process up, or take a completed one back."""
        message = contract.ReverseProcessRequest(
            request_id=request_id, reference=reference_message(reference), note=note
        )
        answered = await self._ask(contract.ExchangeCommand(reverse_process=message))
        return reversal_value(answered.message.reverse_process, checkpoint=answered.checkpoint)

    async def update_points(
        self, *, request_id: str, reference: ProcessReference, version: int, new_balance: int
    ) -> Process:
        """Report the balance that the points account is to have."""
        message = contract.UpdatePointsRequest(
            request_id=request_id,
            reference=reference_message(reference),
            version=version,
            new_balance=new_balance,
        )
        answered = await self._ask(contract.ExchangeCommand(update_points=message))
        return process_value(answered.message.update_points.process)

    async def _ask(
        self, command: contract.ExchangeCommand, *, decision_seconds: float = 0.0
    ) -> Answered:
        command.terminal_id = self._terminal_id
        answered = await self._stream.ask(command, decision_seconds=decision_seconds)
        if answered.message.HasField("failure"):
            raise from_failure(answered.message.failure)
        return answered
