"""A batch of commands of a stream, from its messages to the messages of its answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_protocol.command_failures import to_failure
from tallymark_protocol.errors import TallymarkError
from tallymark_server.domain.answers import (
    ProcessAnswer,
    RefusedAnswer,
    ReversalAnswer,
    SeenProcess,
)
from tallymark_server.domain.commands import Caller, Command
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.lanes.lane import Lane
from tallymark_server.lanes.together import Outcome
from tallymark_server.limits import Turnstile
from tallymark_server.services.answering import refusal
from tallymark_server.services.callers import Callers
from tallymark_server.services.contract_rules import Checked
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.terminal_answers import TerminalAnswers
from tallymark_server.services.terminal_commands import TerminalCommands
from tallymark_server.services.terminal_resolve import TELEPHONE_ANSWER_SECONDS, taking_at_least
from tallymark_server.services.told_errors import as_told

__all__ = ["Answered", "BatchDesk", "failed", "is_slow"]

UNDECIDED: Final = {ProcessState.AWAITING_CUSTOMER, ProcessState.AUTHORISING}


class Answered(NamedTuple):
    """The answer to a command."""

    message: contract.ExchangeAnswer
    undecided: Process | None = None
    """The process, if its later states are to follow."""


class BatchDesk:
    """Answers batches. Each command succeeds or fails by itself."""

    def __init__(  # noqa: PLR0913 -- what a command meets on its way
        self,
        *,
        lane: Lane,
        lookup: Lookup,
        callers: Callers,
        turnstile: Turnstile,
        commands: TerminalCommands,
        answers: TerminalAnswers,
    ) -> None:
        """Take the parts it works with."""
        self._lane = lane
        self._lookup = lookup
        self._callers = callers
        self._turnstile = turnstile
        self._answers = answers
        self._makers: dict[str, Callable[[Caller, Any], Awaitable[Command]]] = {
            "resolve_code": commands.resolve_code,
            "complete_process": commands.complete_process,
            "reverse_process": commands.reverse_process,
            "update_points": commands.update_points,
        }

    async def decide(self, speaker: Caller, batch: Sequence[Checked]) -> Sequence[Answered]:
        """Have all of a batch decided at once, and return the answers in its order."""
        commands: list[Command] = []
        outcomes: list[Outcome | None] = []
        for one in batch:
            try:
                commands.append(await self._make(speaker, one))
                outcomes.append(None)
            except Exception as error:  # noqa: BLE001 -- whatever it is, the others go on
                outcomes.append(as_told(error, "a command of a stream"))
        decided = iter(await self._lane.submit_all(commands))
        whole = [outcome or next(decided) for outcome in outcomes]
        seen = await self._lookup.processes(
            [one.process_id for one in whole if isinstance(one, SeenProcess)]
        )
        return [self._answer(one, outcome, seen) for one, outcome in zip(batch, whole, strict=True)]

    async def look_up(self, speaker: Caller, batch: Sequence[Checked]) -> Sequence[Answered]:
        """Answer a command that `is_slow`, by itself."""
        (one,) = batch
        if one.kind == "resolve_code":
            async with taking_at_least(TELEPHONE_ANSWER_SECONDS):
                return await self.decide(speaker, batch)
        try:
            caller = await self._admit(speaker, one)
            known = await self._answers.known(caller, one.command.get_process)
        except TallymarkError as error:
            return [failed(one, error)]
        correlation = one.command.correlation
        return [Answered(contract.ExchangeAnswer(correlation=correlation, get_process=known))]

    async def _make(self, speaker: Caller, one: Checked) -> Command:
        caller = await self._admit(speaker, one)
        try:
            return await self._makers[one.kind](caller, getattr(one.command, one.kind))
        except TallymarkError as error:
            self._turnstile.charge_forgery(caller, error)
            raise

    async def _admit(self, speaker: Caller, one: Checked) -> Caller:
        """Return whose command it is; it counts as a call of that terminal."""
        terminal_id = one.command.terminal_id
        if one.refused is not None:
            self._turnstile.admit(speaker, "")
            raise one.refused
        if not terminal_id or terminal_id == speaker.caller_id:
            caller = speaker
        else:
            known = self._callers.find_spoken_for(speaker, terminal_id)
            if known is None:  # a look-up is the concentrator's own doing
                self._turnstile.admit(speaker, "")
            caller = known or await self._callers.spoken_for(speaker, terminal_id)
        self._turnstile.admit(caller, "")
        return caller

    def _answer(self, one: Checked, outcome: Outcome, seen: dict[str, Process]) -> Answered:
        message = contract.ExchangeAnswer(correlation=one.command.correlation)
        process: Process | None = None
        match outcome:
            case TallymarkError():
                return failed(one, outcome)
            case RefusedAnswer():
                return failed(one, refusal(outcome))
            case ReversalAnswer():
                message.reverse_process.CopyFrom(self._answers.reversed(outcome))
            case ProcessAnswer() if one.kind == "complete_process":
                message.complete_process.CopyFrom(self._answers.completed(outcome))
            case ProcessAnswer() if one.kind == "update_points":
                message.update_points.CopyFrom(self._answers.updated(outcome))
            case ProcessAnswer():
                process = outcome.process
            case SeenProcess():
                process = seen[outcome.process_id]
            case _:
                text = "the commands of a stream have no other answers"
                raise AssertionError(text)
        if process is None:
            return Answered(message)
        message.resolve_code.process.CopyFrom(self._answers.process(process))
        return Answered(message, process if process.state in UNDECIDED else None)


def failed(one: Checked, error: TallymarkError) -> Answered:
    """Return the answer to a command that failed."""
    return Answered(
        contract.ExchangeAnswer(correlation=one.command.correlation, failure=to_failure(error))
    )


def is_slow(one: Checked) -> bool:
    """Say whether a command would hold up the others of its batch.

    A telephone number is answered no sooner than after a fixed time, and GetProcess reads rows.
    """
    if one.refused is not None:
        return False
    if one.kind == "resolve_code":
        return one.command.resolve_code.identification.WhichOneof("by") == "telephone_number"
    return one.kind == "get_process"
