"""What a person has to decide about a process, with what is known of the credit institution."""

from collections.abc import Iterator
from typing import Final

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_server.domain.model.actions import Settlement
from tallymark_server.domain.model.processes import Process, ProcessState

__all__ = ["open_questions"]

_STATES: Final = {
    ProcessState.OVERDUE: contract.OPEN_QUESTION_KIND_OVERDUE,
    ProcessState.CONTESTED: contract.OPEN_QUESTION_KIND_CONTESTED,
}


def open_questions(process: Process) -> Iterator[contract.OpenQuestion]:
    """Yield a question for each reason why the process waits for a person."""
    if process.state in _STATES:
        yield contract.OpenQuestion(process_id=process.process_id, kind=_STATES[process.state])
    if process.is_disputed:
        yield contract.OpenQuestion(
            process_id=process.process_id, kind=contract.OPEN_QUESTION_KIND_DISPUTED
        )
    is_capture = process.state is ProcessState.COMPLETED and not process.reverses
    for action in process.actions:
        if action.settlement is Settlement.MANUAL and action.authorisation is not None:
            yield contract.OpenQuestion(
                process_id=process.process_id,
                kind=contract.OPEN_QUESTION_KIND_CAPTURE
                if is_capture
                else contract.OPEN_QUESTION_KIND_REVERSAL,
                authorisation_id=action.authorisation.authorisation_id,
                institution_said=action.authorisation.said,
                tries=action.authorisation.attempts,
            )
