"""What the state machine stands on: the world, its choices of rows, and what must always hold."""

from collections.abc import Collection, Iterator

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tallymark_server.domain.answers import Answer, ProcessAnswer
from tallymark_server.domain.authorisation import AuthorisationAnswer
from tallymark_server.domain.commands import Command, ResolveCode
from tallymark_server.domain.model.actions import (
    Authorisation,
    ChargeGrant,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.processes import (
    FINAL_STATES,
    Code,
    CodeState,
    Process,
    ProcessState,
)
from tests.unit.domain import choices
from tests.unit.domain.bank import Bank
from tests.unit.domain.invariants import check_everything
from tests.unit.domain.invariants_of_trust import check_trust
from tests.unit.domain.small_world import SmallWorld

__all__ = ["MachineGround", "tasks_of"]

_GIVEN_UP = (SettlementTask.REVERSE, SettlementTask.RECHECK)


class RememberingWorld(SmallWorld):
    """Keeps requests with their answers, to ask again. Its policy has narrow bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Command, Answer]] = []
        self.unasked: list[Process] = []
        self.set_policy(**choices.POLICY)

    def ask(self, command: Command) -> Answer:
        """Decide, and note which charges went on without the customer."""
        answer = super().ask(command)
        if command.request is not None:
            self.asked = [*self.asked[-choices.REMEMBERED_MAX :], (command, answer)]
        if isinstance(command, ResolveCode) and isinstance(answer, ProcessAnswer):
            is_unasked = answer.process.state is ProcessState.AUTHORISING
            self.unasked += [answer.process] if is_unasked else []
        return answer


class MachineGround(RuleBasedStateMachine):
    """A world with a credit institution, and the promises that are checked after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.world = RememberingWorld()
        self.bank = Bank()
        self.ended: dict[str, ProcessState] = {}
        self.by_hand: set[str] = set()

    @invariant()
    def all_rows_agree(self) -> None:
        check_everything(self.world)
        check_trust(self.world, self.world.unasked)

    @invariant()
    def nothing_leaves_its_final_state(self) -> None:
        """And what was raised to a person is noted: nobody can know what the person does."""
        for process in self.processes():
            for action in process.actions:
                if action.authorisation and action.settlement is Settlement.MANUAL:
                    self.by_hand.add(action.authorisation.authorisation_id)
            if process.state in FINAL_STATES:
                first = self.ended.setdefault(process.process_id, process.state)
                assert process.state is first, "one final state"
            else:
                assert process.process_id not in self.ended, "final is final"

    def go_on(
        self, process: Process, answer: AuthorisationAnswer = AuthorisationAnswer.APPROVED
    ) -> None:
        """Do what comes next if all goes well, or not with the card."""
        match process.state:
            case ProcessState.AWAITING_CUSTOMER if process.customer_id:
                by = f"{process.customer_id}-1"
                self.world.confirm(process, digits=process.digits, by=by)
            case ProcessState.AUTHORISING:
                self.authorise_charge(process, answer)
            case ProcessState.INSTRUCTED:
                self.world.complete(process, by=process.terminal_id)
            case _:
                pass

    def authorise_charge(
        self, process: Process, answer: AuthorisationAnswer, *, heard: bool = True, off_by: int = 0
    ) -> None:
        """Have the institution decide, and record it, or that nothing was heard."""
        for authorisation in tasks_of(process, SettlementTask.AUTHORISE):
            assert process.card_total is not None, "what is authorised has an amount"
            amount = process.card_total.minor_units
            result = self.bank.authorise(authorisation.authorisation_id, amount, answer)
            self.world.authorised(
                process,
                result.answer if heard else None,
                approved_minor_units=result.approved_minor_units,
                attempt=authorisation.attempts + off_by,
            )

    def processes(self, states: Collection[ProcessState] = ()) -> list[Process]:
        """Return all processes, or those in one of these states."""
        every = self.world.all(Process)
        return [process for process in every if not states or process.state in states]

    def process(self, pick: int, *states: ProcessState) -> Process:
        """Choose a process, mostly one in these states."""
        wanted = self.processes(states)
        if not wanted or pick > choices.PICK_OTHERS_ABOVE:
            wanted = self.processes()
        return wanted[-1 - pick % len(wanted)]

    def code(self, pick: int) -> Code:
        """Choose a code, mostly one that was not used."""
        codes = self.world.all(Code)
        wanted = [code for code in codes if code.state is CodeState.ISSUED]
        if not wanted or pick > choices.PICK_OTHERS_ABOVE:
            wanted = codes
        return wanted[-1 - pick % len(wanted)]

    def settling(self) -> list[Process]:
        """Return the processes for which the institution is to capture or reverse."""
        return [one for one in self.processes() if any(tasks_of(one, *choices.SETTLING))]

    def unheard(self) -> list[Process]:
        """Return the processes that were given up before the institution's answer was heard."""
        return [
            one for one in self.settling() if any(a.looks_left for a in tasks_of(one, *_GIVEN_UP))
        ]

    def check_money(self) -> None:
        """With nothing left to be done, the institution has what the processes say."""
        given_back = {
            action.authorisation.authorisation_id
            for process in self.processes()
            if process.reverses
            for action in process.actions
            if action.authorisation
        }
        for process in self.processes():
            for action in process.actions:
                authorisation = action.authorisation
                if authorisation is None or authorisation.authorisation_id in self.by_hand:
                    continue
                identifier = authorisation.authorisation_id
                assert isinstance(action.grant, ChargeGrant), "only charges are authorised"
                amount = action.grant.amount.minor_units
                taken = self.bank.taken.get(identifier)
                held = self.bank.held.get(identifier)
                match process.state:
                    case ProcessState.COMPLETED if not process.reverses:
                        assert taken == amount or identifier in given_back
                    case ProcessState.OVERDUE | ProcessState.CONTESTED:
                        assert held == amount
                    case _:
                        assert taken is None
                        assert held is None


def tasks_of(process: Process, *tasks: SettlementTask) -> Iterator[Authorisation]:
    """Yield what is open of these tasks."""
    for action in process.actions:
        if action.authorisation and action.authorisation.task in tasks:
            yield action.authorisation
