"""Every call to the server: one method each, values in and values out.

Messages of the contract and deadlines are nowhere else. What a call can raise, see
`tallymark_protocol.errors`: `Refused` is an answer and final for its request_id; `UnknownOutcome`
(and its kind `NotDone`) means that the same call must be made again.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from tallymark.v1 import terminal_service_pb2
from tallymark_protocol.tls import ClientIdentity
from tallymark_protocol.witness import NewestWitness
from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.answer_messages import (
    completion_value,
    knowledge_value,
    process_value,
    reversal_value,
)
from tallymark_terminal.answers import Completion, Knowledge, Reversal
from tallymark_terminal.command_stream import CommandStream
from tallymark_terminal.identification import Identification, ProcessReference, TelephoneNumber
from tallymark_terminal.identity import Certificate, CertificateAttempt, Enrolment, Identity
from tallymark_terminal.key_table import KeyTable
from tallymark_terminal.processes import Process
from tallymark_terminal.request_messages import reference_message, resolve_message
from tallymark_terminal.secure_line import SecureLine
from tallymark_terminal.tag import Tag
from tallymark_terminal.trust_messages import (
    certificate_value,
    enrolment_value,
    key_table_value,
    tag_value,
)

__all__ = ["ServerConnection"]

RESOLVE_WAIT_SECONDS: Final = 5.0
"""How long the server may wait for a decision before it answers with the state so far."""

DIGITS_WAIT_SECONDS: Final = 0.001
"""The same after a telephone number: the customer needs the digits before anything is decided."""

RESOLVE_DEADLINE_SECONDS: Final = RESOLVE_WAIT_SECONDS + 3.0
"""The wait, and the way there and back."""


class ServerConnection:
    """A line to the server; use it as an async context manager, inside the running loop."""

    def __init__(  # noqa: PLR0913 - whom, as whom, and who hears what
        self,
        server: str,
        *,
        ca_certificates_pem: str,
        identity: ClientIdentity | None,
        steady: Callable[[], float],
        hear: Callable[[str], None] = lambda _: None,
        witness: NewestWitness | None = None,
    ) -> None:
        """Take HOST:PORT, whom to trust, what to present, a clock that never goes back.

        Before enrolment there is nothing to present. `hear` gets each checkpoint as it came; the
        newest witness goes with each call.
        """
        self._line = SecureLine(
            server,
            ca_certificates_pem=ca_certificates_pem,
            identity=identity,
            hear=hear,
            witness=witness or NewestWitness(),
        )
        self._steady = steady

    async def __aenter__(self) -> Self:
        """Return the connection; it connects with the first call."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        await self._line.close()

    async def present(self, identity: Identity) -> None:
        """Show the new certificate from the next call on."""
        await self._line.present(
            identity.for_tls, ca_certificates_pem=identity.certificate.ca_certificates_pem
        )

    def stream(self) -> CommandStream:
        """Return a stream of commands on this line."""
        return CommandStream(self._line)

    async def enrol(self, attempt: CertificateAttempt, *, enrolment_code: str) -> Enrolment:
        """Exchange the operator's one-time code for the terminal's certificate."""
        request = terminal_service_pb2.EnrollRequest(
            request_id=attempt.request_id,
            enrolment_code=enrolment_code,
            certificate_request=attempt.certificate_request,
        )
        answer = await self._line.call(lambda stub: stub.Enroll, request)
        return enrolment_value(answer.message)

    async def renew_certificate(self, attempt: CertificateAttempt) -> Certificate:
        """Ask for the next certificate."""
        request = terminal_service_pb2.RenewCertificateRequest(
            request_id=attempt.request_id, certificate_request=attempt.certificate_request
        )
        answer = await self._line.call(lambda stub: stub.RenewCertificate, request)
        return certificate_value(answer.message.certificate)

    async def get_tag(self, *, printed: bool) -> Tag:
        """Ask for the terminal's tag, one to be shown now or one to be printed."""
        request = terminal_service_pb2.GetTagRequest(printed=printed)
        answer = await self._line.call(lambda stub: stub.GetTag, request)
        return tag_value(answer.message)

    async def list_verification_keys(self) -> KeyTable:
        """Read keys, epoch and the server's time."""
        sent_at = self._steady()
        request = terminal_service_pb2.ListVerificationKeysRequest()
        answer = await self._line.call(lambda stub: stub.ListVerificationKeys, request)
        return key_table_value(answer.message, sent_at=sent_at, answered_at=self._steady())

    async def resolve_code(
        self, *, request_id: str, identification: Identification, request: SaleRequest
    ) -> Process:
        """Ask what to do; the same values again are the same request."""
        has_digits = isinstance(identification, TelephoneNumber)
        wait_seconds = DIGITS_WAIT_SECONDS if has_digits else RESOLVE_WAIT_SECONDS
        message = resolve_message(
            request_id=request_id,
            identification=identification,
            request=request,
            wait_milliseconds=int(wait_seconds * 1000),
        )
        answer = await self._line.call(
            lambda stub: stub.ResolveCode, message, deadline_seconds=RESOLVE_DEADLINE_SECONDS
        )
        return process_value(answer.message.process)

    async def get_process(self, reference: ProcessReference) -> Knowledge:
        """Ask what the server knows of a process."""
        message = terminal_service_pb2.GetProcessRequest(reference=reference_message(reference))
        answer = await self._line.call(lambda stub: stub.GetProcess, message)
        return knowledge_value(answer.message, checkpoint=answer.checkpoint)

    async def complete_process(self, *, request_id: str, reference: ProcessReference) -> Completion:
        """Report that the instructions were executed."""
        message = terminal_service_pb2.CompleteProcessRequest(
            request_id=request_id, reference=reference_message(reference)
        )
        answer = await self._line.call(lambda stub: stub.CompleteProcess, message)
        return completion_value(answer.message, checkpoint=answer.checkpoint)

    async def reverse_process(
        self, *, request_id: str, reference: ProcessReference, note: str
    ) -> Reversal:
        """Give a process up, or take a completed one back."""
        message = terminal_service_pb2.ReverseProcessRequest(
            request_id=request_id, reference=reference_message(reference), note=note
        )
        answer = await self._line.call(lambda stub: stub.ReverseProcess, message)
        return reversal_value(answer.message, checkpoint=answer.checkpoint)

    async def update_points(
        self, *, request_id: str, reference: ProcessReference, version: int, new_balance: int
    ) -> Process:
        """Report the balance that the points account is to have."""
        message = terminal_service_pb2.UpdatePointsRequest(
            request_id=request_id,
            reference=reference_message(reference),
            version=version,
            new_balance=new_balance,
        )
        answer = await self._line.call(lambda stub: stub.UpdatePoints, message)
        return process_value(answer.message.process)

    async def report_sales(
        self, *, recovery_id: str, sealed_records: Sequence[bytes], is_last: bool
    ) -> int:
        """Report what was executed and the server lost; return how much of it has problems."""
        message = terminal_service_pb2.ReportSalesRequest(
            recovery_id=recovery_id, sealed_records=sealed_records, is_last=is_last
        )
        answer = await self._line.call(lambda stub: stub.ReportSales, message)
        return answer.message.with_problems + answer.message.not_genuine
