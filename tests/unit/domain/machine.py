"""Everything that can be asked, in any order, by anybody."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import ProcessAnswer, SeenProcess
from tallymark_server.domain.authorisation import AuthorisationAnswer
from tallymark_server.domain.commands import ResolveCode
from tallymark_server.domain.model.actions import SettlementTask
from tallymark_server.domain.model.processes import Due, Process, Unresolved
from tallymark_server.domain.model.processes import ProcessState as State
from tests.unit.domain import choices
from tests.unit.domain.furniture import bill, euro, points
from tests.unit.domain.invariants import check_everything
from tests.unit.domain.machine_callers import CallingMachine
from tests.unit.domain.machine_ground import tasks_of
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

__all__ = ["Machine"]


class Machine(CallingMachine):
    """The callers, and with them the operator, the clock and the credit institution."""

    @precondition(lambda self: self.world.all(Unresolved))
    @rule(pick=choices.pick, executed=st.booleans())
    def settle(self, *, pick: int, executed: bool) -> None:
        unresolved = self.world.all(Unresolved)
        row = unresolved[pick % len(unresolved)]
        process = self.world.get(Process.key_of(row.process_id))
        first = self.world.settle(process, executed=executed)
        again = self.world.settle(process, executed=executed)
        assert not self.world.last.changes, "settling again changes nothing"
        assert again == first or process.is_final, "and is answered alike"

    @precondition(lambda self: self.world.all(Unresolved))
    @rule(pick=choices.pick)
    def tell_again(self, *, pick: int) -> None:
        unresolved = self.world.all(Unresolved)
        process = self.world.get(Process.key_of(unresolved[pick % len(unresolved)].process_id))
        first = self.world.tell_again(process)
        again = self.world.tell_again(process)
        assert not self.world.last.changes, "it is being told already"
        assert isinstance(again, ProcessAnswer) == isinstance(first, ProcessAnswer)

    @rule(number=choices.numbers_of_points, who=choices.customers)
    def supply(self, number: int, who: str) -> None:
        self.world.ask(points(number, f"supply-{number}", login_name=who))
        self.world.ask(bill(f"S-{number}", euro(number), login_name=who))

    @rule(milliseconds=choices.waits)
    def wait(self, milliseconds: int) -> None:
        self.world.move(milliseconds=milliseconds)

    @precondition(lambda self: self.processes(choices.TIMED))
    @rule(pick=choices.pick, off_by=choices.off_by)
    def run_out(self, pick: int, off_by: int) -> None:
        """Move to a process's time, or just beside it, and fire every timer there is."""
        timed = self.processes(choices.TIMED)
        process = timed[pick % len(timed)]
        self.world.now = max(self.world.now, process.timer_at + off_by)
        for one in self.processes():
            self.world.fire(one)
            self.world.fire(one, timer_at=one.closes_at)
        is_over = self.world.now >= process.timer_at
        assert (self.world.again(process).state is not process.state) == is_over

    @precondition(lambda self: self.processes([State.AUTHORISING]))
    @rule(answer=choices.answers, heard=choices.mostly, late=choices.seldom)
    def authorise(self, *, answer: AuthorisationAnswer, heard: bool, late: bool) -> None:
        process = self.processes([State.AUTHORISING])[-1]
        self.authorise_charge(process, answer, heard=heard, off_by=late)

    @precondition(lambda self: self.settling())
    @rule(pick=choices.pick, heard=choices.mostly, refuses=choices.seldom)
    def tell_bank(self, *, pick: int, heard: bool, refuses: bool) -> None:
        processes = self.settling()
        self._tell_bank(processes[pick % len(processes)], heard=heard, refuses=refuses)

    @precondition(lambda self: self.unheard())
    @rule(pick=choices.pick, heard=st.booleans())
    def arrive_late(self, *, pick: int, heard: bool) -> None:
        """Let a question arrive that was reversed before; its answer may be heard, or not."""
        processes = self.unheard()
        process = processes[pick % len(processes)]
        for authorisation in tasks_of(process, *choices.SETTLING):
            assert process.card_total is not None, "what was authorised has an amount"
            identifier, amount = authorisation.authorisation_id, process.card_total.minor_units
            answer = self.bank.authorise(identifier, amount, AuthorisationAnswer.APPROVED).answer
            if heard:
                self.world.authorised(process, answer, approved_minor_units=amount)

    @precondition(lambda self: self.world.asked)
    @rule(pick=st.integers(0, choices.REMEMBERED_MAX))
    def repeat(self, pick: int) -> None:
        command, first = self.world.asked[-1 - pick % len(self.world.asked)]
        again = SmallWorld.ask(self.world, command)
        assert not self.world.last.changes, "a repetition changes nothing"
        if isinstance(command, ResolveCode) and isinstance(first, ProcessAnswer):
            assert again == SeenProcess(process_id=first.process.process_id)
        else:
            assert again == first

        assert command.request is not None
        other = msgspec.structs.replace(command.request, fingerprint="other")
        answer = SmallWorld.ask(self.world, msgspec.structs.replace(command, request=other))
        assert not self.world.last.changes, "a refusal changes nothing"
        assert reason_of(answer) in {Reason.REQUEST_ID_REUSED, Reason.REQUEST_REVERSED}
        assert reason_of(answer) == Reason.REQUEST_ID_REUSED or answer == first

    def teardown(self) -> None:
        """Do all that is due until nothing is; then the money is where the processes say."""
        for _ in range(choices.DUE_MAX):
            due = self.world.all(Due)
            if not due:
                break
            row = min(due, key=lambda row: row.due_at)
            self.world.now = max(self.world.now, row.due_at)
            process = self.world.get(Process.key_of(row.process_id))
            if row.action < 0:
                self.world.fire(process)
            elif process.state is State.AUTHORISING:
                self.authorise_charge(process, AuthorisationAnswer.APPROVED)
            else:
                self._tell_bank(process)
        assert not self.world.all(Due), "all that is due can be done"
        check_everything(self.world)
        self.check_money()

    def _tell_bank(self, process: Process, *, heard: bool = True, refuses: bool = False) -> None:
        for authorisation in tasks_of(process, *choices.SETTLING):
            assert authorisation.task is not None, "it is one of those"
            identifier, attempt = authorisation.authorisation_id, authorisation.attempts
            if authorisation.task is SettlementTask.RECHECK:
                lookup = self.bank.find(identifier) if heard else None
                self.world.rechecked(process, lookup, attempt=attempt)
            else:
                result: Any = choices.REFUSED[authorisation.task]
                if not refuses:
                    result = self.bank.tell(identifier, authorisation.task)
                self.world.settled(process, result if heard else None, attempt=attempt)
            assert self.world.again(process).state is process.state, "only its settlement changes"
