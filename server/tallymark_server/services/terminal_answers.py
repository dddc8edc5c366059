"""What a terminal is answered, as messages; the same for a call and for a command of a stream."""

from tallymark.v1 import process_pb2
from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_server.domain.answers import ProcessAnswer, ReversalAnswer
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.keyring import Keyring
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.messages_in import process_name_from
from tallymark_server.services.processes_out import process_message, receipt_message
from tallymark_server.services.sealed_records import SealedRecords
from tallymark_server.services.values_out import number_in_contract

__all__ = ["TerminalAnswers"]


class TerminalAnswers:
    """Shows processes as their terminals may see them."""

    def __init__(self, *, keyring: Keyring, lookup: Lookup, records: SealedRecords) -> None:
        """Take the parts it works with."""
        self._keyring = keyring
        self._lookup = lookup
        self._records = records

    def process(self, process: Process) -> process_pb2.Process:
        """Return a process, with its sealed record when it may be executed."""
        process = as_terminal_sees(process)
        reference = ""
        if process.customer_id:
            reference = self._keyring.customer_reference(process.merchant_id, process.customer_id)
        message = process_message(process, customer_reference=reference)
        message.sealed_record = self._records.seal(process)
        return message

    def resolved(self, process: Process) -> contract.ResolveCodeResponse:
        """Return the answer of ResolveCode."""
        return contract.ResolveCodeResponse(process=self.process(process))

    def completed(self, answer: ProcessAnswer) -> contract.CompleteProcessResponse:
        """Return the answer of CompleteProcess."""
        return contract.CompleteProcessResponse(
            process=self.process(answer.process), receipt=receipt_message(answer.process)
        )

    def reversed(self, answer: ReversalAnswer) -> contract.ReverseProcessResponse:
        """Return the answer of ReverseProcess."""
        return contract.ReverseProcessResponse(
            outcome=number_in_contract(answer.outcome),
            refused_because=number_in_contract(answer.refused_because),
            process=self.process(answer.process) if answer.process else None,
            reversal=self.process(answer.reversal) if answer.reversal else None,
        )

    def updated(self, answer: ProcessAnswer) -> contract.UpdatePointsResponse:
        """Return the answer of UpdatePoints."""
        return contract.UpdatePointsResponse(process=self.process(answer.process))

    async def known(
        self, caller: Caller, request: contract.GetProcessRequest
    ) -> contract.GetProcessResponse:
        """Return what is known of a process or of a request of the caller.

        Raises:
            Refused: PROCESS_NOT_FOUND.

        """
        if not process_name_from(request.reference).process_id:
            known = await self._lookup.request(caller, request.reference)
            if known is None:
                return contract.GetProcessResponse(knowledge=contract.PROCESS_KNOWLEDGE_NEVER_SEEN)
            if known.is_reversed:
                return contract.GetProcessResponse(
                    knowledge=contract.PROCESS_KNOWLEDGE_REVERSED_UNSEEN
                )
            if known.refused:
                return contract.GetProcessResponse(
                    knowledge=contract.PROCESS_KNOWLEDGE_FAILED, failed_reason=known.refused
                )
        process = await self._lookup.own_process(caller, request.reference)
        is_completed = process.state is ProcessState.COMPLETED
        return contract.GetProcessResponse(
            knowledge=contract.PROCESS_KNOWLEDGE_FOUND,
            process=self.process(process),
            receipt=receipt_message(process) if is_completed else None,
        )
