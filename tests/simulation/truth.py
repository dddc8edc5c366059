"""What must be true after every commit and every answer, whatever went wrong before.

It sees every row in the moment in which it is committed, and every answer when it leaves the
server, and keeps both: so it knows what the server has promised, also when the server has crashed.
"""

import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from tallymark.v1 import terminal_service_pb2
from tallymark_protocol.checkpoint import parse_checkpoint
from tallymark_protocol.errors import Refused, from_call
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.model.actions import (
    Action,
    BurnPointsGrant,
    EarnPointsGrant,
    Settlement,
)
from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.model.processes import Code, CodeState, Process, ProcessState, Request
from tallymark_server.domain.state import Key, Row
from tallymark_server.services.checkpoints import CHECKPOINT_KEY
from tests.simulation.calls import Call
from tests.simulation.hosts import Answer, Handled
from tests.simulation.notes import Notes
from tests.simulation.server_machine import SERVER, Changes
from tests.unit.domain.invariants import check_everything

__all__ = ["Truth", "Violation"]

R = TypeVar("R", bound=Row)


class Violation(Exception):
    """A promise was broken; the message says which."""


_P: Final = ProcessState

_STEPS: Final[Mapping[ProcessState | None, set[ProcessState]]] = {
    None: {
        _P.AWAITING_CUSTOMER,
        _P.AUTHORISING,
        _P.INSTRUCTED,
        _P.COMPLETED,
        _P.DECLINED,
        _P.RELEASED,  # made and given up in one batch
    },
    _P.AWAITING_CUSTOMER: {
        _P.AUTHORISING,
        _P.INSTRUCTED,
        _P.COMPLETED,
        _P.DECLINED,
        _P.RELEASED,
        _P.EXPIRED,
    },
    _P.AUTHORISING: {
        _P.INSTRUCTED,
        _P.CONTESTED,
        _P.COMPLETED,
        _P.DECLINED,
        _P.RELEASED,
        _P.EXPIRED,
    },
    _P.INSTRUCTED: {_P.OVERDUE, _P.CONTESTED, _P.COMPLETED, _P.RELEASED},
    _P.OVERDUE: {_P.CONTESTED, _P.COMPLETED, _P.RELEASED},
    _P.CONTESTED: {_P.INSTRUCTED, _P.COMPLETED, _P.RELEASED},
    _P.COMPLETED: set(),
    _P.DECLINED: set(),
    _P.RELEASED: set(),
    _P.EXPIRED: set(),
}
"""The picture in docs/architecture.md."""

_CODE_STEPS: Final[Mapping[CodeState | None, set[CodeState]]] = {
    None: {CodeState.ISSUED, CodeState.REVOKED},  # issued and revoked in one batch
    CodeState.ISSUED: {CodeState.CLAIMED, CodeState.CONSUMED, CodeState.REVOKED},
    CodeState.CLAIMED: {CodeState.CONSUMED},
    CodeState.CONSUMED: set(),
    CodeState.REVOKED: set(),
}

_BY_CLOCK: Final = "FireTimer"


class Truth:
    """Raises nothing: the first broken promise is kept, and `stop` is called."""

    def __init__(self, notes: Notes, stop: Callable[[], object]) -> None:
        """Take where to tell what was reached, and what ends the run."""
        self.violation = ""
        self.rows: dict[Key[Any], Row] = {}
        self.executed: dict[str, list[str]] = defaultdict(list)
        """Terminals that handed out goods, by process."""

        self.manual: set[str] = set()
        """Processes that at some time waited for a person because of the institution."""

        self.commits = 0
        self.answers = 0
        self.now = 0
        self._tables: dict[type[Row], dict[Key[Any], Row]] = defaultdict(dict)
        self._chain: dict[int, bytes] = {}
        self._sequence = 0
        self._told: dict[tuple[str, str, str], dict[bytes, tuple[str, ...]]] = defaultdict(dict)
        """Answers by caller, RPC and request_id, then by body."""

        self._executed_codes: dict[str, str] = {}
        self._given_up: set[tuple[str, str]] = set()
        """Requests whose reversal was answered before they arrived, with their terminals."""

        self._is_open = False
        self._notes = notes
        self._stop = stop

    # What invariants ask.

    def all(self, table: type[R]) -> list[R]:
        """Return all rows of a table."""
        return list(self._tables[table].values())  # type: ignore[arg-type]  # rows of this table

    def has(self, table: type[Row]) -> bool:
        """Say whether there is any row of a table."""
        return bool(self._tables[table])

    def get(self, key: Key[R]) -> R | None:
        """Return a committed row."""
        return self.rows.get(key)  # type: ignore[return-value]  # a row of the key's table

    def process(self, process_id: str) -> Process | None:
        """Return a committed process."""
        return self.get(Process.key_of(process_id))

    # What it sees.

    def opened(self, rows: dict[Key[Any], Row]) -> None:
        """See the rows of a server that starts: those that were committed, no more and no less."""
        if self._is_open:
            self._demand(rows == self.rows, "G2: what was committed is not there after a restart")
            self._notes.reach("server recovered after a crash", "server")
        for row in rows.values():
            self._put(row)
        self._is_open = True
        self._check_everything()

    def committed(self, changes: Changes, entries: Sequence[JournalEntry]) -> None:
        """See a commit."""
        self.commits += 1
        commands = {entry.record.process_id: entry.record.command for entry in entries}
        for entry in entries:
            self._follow(entry)
        for key, row in changes.items():
            before = self.rows.get(key)
            by = commands.get(row.process_id, "") if isinstance(row, Process) else ""
            self._demand_step(key, before, row, by=by)
            if row is None:
                self.rows.pop(key, None)
                self._tables[key.table].pop(key, None)
            else:
                self._put(row)
        self._check_everything()

    def heard(self, call: Call, handled: Handled) -> None:
        """See an answer leave the server."""
        if call.host != SERVER:
            return
        self.answers += 1
        request, response = handled.request, handled.response
        for name, value in handled.answer.trailing:
            if name == CHECKPOINT_KEY:
                self._check_checkpoint(str(value))
        told = _normal(call, response, handled.answer)
        request_id = getattr(request, "request_id", "")
        if told is None or not request_id:
            return
        if told == ("refused", Reason.REQUEST_REVERSED):
            self._notes.reach("request arrived after it was given up", call.life.name)
        place = (call.life.name, call.name, request_id)
        answers = self._told[place]
        first = answers.setdefault(_body_of(request), told)
        if first != told:
            self._break(f"G4: {call.name} was answered {first}, and later {told}")
        elif told == _ID_REUSED:
            self._notes.reach("same id with another body refused", call.life.name)
        decided = [answer for answer in answers.values() if answer != _ID_REUSED]
        self._demand(len(decided) <= 1, f"G4: the same id with another body did {told}")
        if call.name == "ReverseProcess" and response is not None:
            self._note_given_up(call.life.name, request, response)
        self._check_acknowledged(call.name, response)

    def hand_out(self, terminal_id: str, process: Any) -> None:
        """See a terminal hand out goods, or open a gate."""
        process_id = process.process_id
        self._notes.write(terminal_id, f"executes {self._notes.name('process', process_id)}")
        self.executed[process_id].append(terminal_id)
        row = self.process(process_id)
        if row is None:
            self._break("G1: goods were handed out for a process that was never committed")
            return
        self._demand(len(self.executed[process_id]) == 1, "G4: goods were handed out twice")
        if row.code_text:
            first = self._executed_codes.setdefault(row.code_text, process_id)
            self._demand(first == process_id, "G1: one code paid for two sales")

    def broken(self, text: str) -> None:
        """Take in a violation that somebody else saw."""
        self._break(text)

    # The checks.

    def _put(self, row: Row) -> None:
        self.rows[row.key] = row
        self._tables[type(row)][row.key] = row

    def _check_everything(self) -> None:
        try:
            check_everything(self)  # type: ignore[arg-type]  # has what a Runner is asked for
        except AssertionError as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._break(f"G5, G6, G8: {where.name}: {where.line}")

    def _follow(self, entry: JournalEntry) -> None:
        self.now = max(self.now, entry.record.decided_at)
        if self._sequence:
            self._demand(entry.sequence == self._sequence + 1, "the journal has a gap")
        self._sequence = entry.sequence
        self._chain[entry.sequence] = entry.chain_hash

    def _demand_step(
        self, key: Key[Any], before: Row | None, after: Row | None, *, by: str
    ) -> None:
        if isinstance(after, Process):
            was = before.state if isinstance(before, Process) else None
            is_reversal = was is None and bool(after.reverses)
            is_step = was is after.state or after.state in _STEPS[was]
            self._demand(is_step or is_reversal, f"a process went from {was} to {after.state!r}")
            if by == _BY_CLOCK and was in {_P.INSTRUCTED, _P.OVERDUE, _P.CONTESTED}:
                is_kept = after.state in {was, _P.OVERDUE}
                self._demand(is_kept, "G7: the clock alone ended what was instructed")
            if after.state is _P.COMPLETED and was is not after.state:
                self._demand_postings(after)
            if (after.terminal_id, after.request_id) in self._given_up and was is None:
                self._break("G4: a request that was given up before it arrived had an effect")
            self._note_process(before, after, by)
        elif key.table is Process:
            self._break("a process was removed")
        elif isinstance(after, Code):
            was_code = before.state if isinstance(before, Code) else None
            is_code_step = was_code is after.state or after.state in _CODE_STEPS[was_code]
            self._demand(is_code_step, f"G11: a code went from {was_code} to {after.state!r}")
            owner = before.process_id if isinstance(before, Code) else ""
            self._demand(not owner or owner == after.process_id, "G1: a code changed its winner")
        elif key.table is Code:
            self._break("G11: a code was forgotten")
        elif key.table is Request:
            self._demand(before is None or before == after, "G4: a decided request was changed")

    def _demand_postings(self, process: Process) -> None:
        """Demand that completion posts the points that were granted, no more and no less."""
        granted = 0 if process.staged is None else process.staged.difference
        for action in process.actions:
            if isinstance(action.grant, EarnPointsGrant):
                granted += action.grant.points
            elif isinstance(action.grant, BurnPointsGrant):
                granted -= action.grant.points
        posted = sum(posting.points for posting in process.postings)
        is_right = bool(process.reverses) or posted == granted
        self._demand(is_right, "G5, G6: the points posted are not the points granted")

    def _note_process(self, before: Row | None, after: Process, by: str) -> None:
        was = before.state if isinstance(before, Process) else None
        name = self._notes.name("process", after.process_id)
        if was is not after.state:
            text = f"{name} is {after.state.name} at {after.terminal_id}"
            self._notes.write("server", text)
            if was is _P.OVERDUE and after.state is _P.COMPLETED and by == "CompleteProcess":
                self._notes.reach("OVERDUE settled by the terminal's report")
            if after.state in {_P.OVERDUE, _P.CONTESTED, _P.EXPIRED, _P.DECLINED, _P.RELEASED}:
                self._notes.reach(f"process {after.state.name}")
            if after.reverses:
                self._notes.reach("completed sale taken back")
        for place, action in enumerate(after.actions):
            past = before.actions[place] if isinstance(before, Process) else None
            if _reopened(action) > (_reopened(past) if past else 0):
                self._notes.reach("late approval after its reversal, reversed again")
            if past is not None and past.settlement is action.settlement:
                continue
            if action.settlement is Settlement.MANUAL:
                self.manual.add(after.process_id)
                self._notes.reach("charge waits for a person")

    def _check_checkpoint(self, text: str) -> None:
        checkpoint = parse_checkpoint(text)
        known = self._chain.get(checkpoint.sequence)
        is_known = known is None or checkpoint.fits(known)
        is_there = checkpoint.sequence <= self._sequence or not self._sequence
        self._demand(is_known and is_there, "G3: an answer names a journal that is not committed")

    def _note_given_up(self, terminal_id: str, request: Any, response: Any) -> None:
        if response.outcome == terminal_service_pb2.REVERSAL_OUTCOME_NEVER_SEEN:
            self._notes.reach("sale given up before its request arrived", terminal_id)
            self._given_up.add((terminal_id, request.reference.resolve_request_id))

    def _check_acknowledged(self, rpc: str, response: Message | None) -> None:
        """Demand that what was just answered is committed."""
        process = getattr(response, "process", None)
        if process is None or not process.process_id:
            return
        row = self.process(process.process_id)
        if row is None:
            self._break(f"G3: {rpc} answered with a process that is not committed")
            return
        self._demand(row.version >= process.version, f"G3: {rpc} is ahead of what is committed")
        if rpc == "CompleteProcess":
            self._demand(row.state is _P.COMPLETED, "G3: an acknowledged completion is not there")

    def _demand(self, condition: bool, text: str) -> None:  # noqa: FBT001 -- like assert
        if not condition:
            self._break(text)

    def _break(self, text: str) -> None:
        if not self.violation:
            self.violation = text
            self._notes.write("simulation", f"VIOLATION {text}")
            self._stop()


def _reopened(action: Action) -> int:
    """Return how often what was let go was found held again."""
    return action.authorisation.reopened if action.authorisation is not None else 0


def _body_of(request: Any) -> bytes:
    """Return the request without what may differ when it is repeated."""
    if isinstance(request, terminal_service_pb2.ResolveCodeRequest):
        copy = terminal_service_pb2.ResolveCodeRequest()
        copy.CopyFrom(request)
        copy.ClearField("wait_milliseconds")
        request = copy
    body: bytes = request.SerializeToString(deterministic=True)
    return body


_NOT_ABOUT_THE_REQUEST: Final = {
    Reason.SESSION_EXPIRED,
    Reason.CREDENTIALS_INVALID,
    Reason.CREDENTIALS_MISSING,
}


_ID_REUSED: Final = ("refused", str(Reason.REQUEST_ID_REUSED))


def _normal(call: Call, response: Message | None, answer: Answer) -> tuple[str, ...] | None:
    """Return an answer as it must be each time, or None for one that says nothing."""
    if response is not None:
        if call.name == "ResolveCode":
            return ("process", response.process.process_id)  # type: ignore[attr-defined]  # its own
        return ("answer", response.SerializeToString(deterministic=True).hex())
    if answer.code in {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return None
    error = from_call(
        grpc.aio.AioRpcError(
            answer.code, grpc.aio.Metadata(), grpc.aio.Metadata(*answer.trailing), answer.details
        )
    )
    if not isinstance(error, Refused) or error.reason in _NOT_ABOUT_THE_REQUEST:
        return None
    return ("refused", str(error.reason))
