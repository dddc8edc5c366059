"""What must be true when everything has come to rest: all sides agree, and nobody paid twice."""

from collections.abc import Iterable

from tallymark_institution.authorisation import Authorisation, State
from tallymark_server.domain.model.actions import Settlement
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_terminal.journal import Sale
from tallymark_terminal.sale_results import Outcome
from tests.simulation.institution_machine import InstitutionMachine
from tests.simulation.people import CustomerMachine, Operator
from tests.simulation.terminal_machine import TerminalMachine
from tests.simulation.truth import Truth

__all__ = ["Reckoning"]

_WITHOUT_EFFECT = {ProcessState.DECLINED, ProcessState.RELEASED, ProcessState.EXPIRED}


class Reckoning:
    """Compares the server, the institution, the terminals' journals, and what was handed out."""

    def __init__(
        self,
        truth: Truth,
        institution: InstitutionMachine,
        terminals: Iterable[TerminalMachine],
        operator: Operator,
        customers: Iterable[CustomerMachine],
    ) -> None:
        """Take all sides."""
        self._truth = truth
        self._institution = institution
        self._terminals = terminals
        self._operator = operator
        self._said_no = {process for customer in customers for process in customer.said_no}

    async def settle(self, now: float) -> None:
        """Compare everything."""
        self._institution.settle(now)
        processes = self._truth.all(Process)
        for process in processes:
            self._demand(process.is_final, "G7: a process is still open")
            self._compare_charges(process)
        self._compare_holds(processes)
        for terminal in self._terminals:
            for sale in await terminal.sales():
                self._compare_sale(sale, terminal.name)

    def _compare_charges(self, process: Process) -> None:
        """Compare the charges of a process with the institution's books."""
        by_person = (
            process.process_id in self._truth.manual or process.reversed_by in self._truth.manual
        )
        if by_person or process.reverses:
            return
        for action in process.actions:
            if action.authorisation is None:
                continue
            known = self._institution.books.by_id.get(action.authorisation.authorisation_id)
            stands = process.state is ProcessState.COMPLETED and not process.reversed_by
            if stands:
                is_taken = known is not None and known.state is State.CAPTURED
                self._demand(is_taken, "G7: a completed charge was not taken")
                self._demand(
                    action.settlement is Settlement.SETTLED, "G7: a charge that was taken is open"
                )
            else:
                self._demand(not _holds(known), "G7: the institution holds what was let go")

    def _compare_holds(self, processes: list[Process]) -> None:
        """Find the process of everything that the institution holds or took: one for each."""
        owners = {
            action.authorisation.authorisation_id: process
            for process in processes
            for action in process.actions
            if action.authorisation is not None and not process.reverses
        }
        paid: dict[str, str] = {}
        for identifier, known in self._institution.books.by_id.items():
            if not _holds(known):
                continue
            owner = owners.get(identifier)
            if owner is None:
                self._truth.broken("G7: the institution holds what no process asked for")
                continue
            first = paid.setdefault(owner.code_text, identifier)
            self._demand(first == identifier, "G7: one code was charged twice")

    def _compare_sale(self, sale: Sale, terminal_id: str) -> None:
        """Compare what a terminal says of a sale with what the server has and what was done."""
        process = self._process_of(sale, terminal_id)
        stands = (
            process is not None
            and process.state is ProcessState.COMPLETED
            and not process.reversed_by
        )
        was_executed = process is not None and process.process_id in self._truth.executed
        if sale.outcome == Outcome.EXECUTED:
            self._demand(stands, "G3: a sale that was acknowledged as executed does not stand")
        elif sale.outcome in {Outcome.REFUSED, Outcome.GIVEN_UP, Outcome.NOT_ACCEPTED}:
            self._demand(not stands, f"a sale that the terminal calls {sale.outcome} stands")
            by_person = process is not None and process.process_id in (
                self._said_no | self._operator.released
            )
            self._demand(
                not was_executed or by_person, "a terminal calls refused what was handed out"
            )
        if was_executed and process is not None:
            is_settled = stands or process.process_id in self._said_no | self._operator.released
            self._demand(is_settled, "G7: goods were handed out, and nobody pays")

    def _process_of(self, sale: Sale, terminal_id: str) -> Process | None:
        found = [
            process
            for process in self._truth.all(Process)
            if process.terminal_id == terminal_id
            and process.request_id == sale.request_id
            and not process.reverses
        ]
        self._demand(len(found) <= 1, "G4: one request made two processes")
        return found[0] if found else None

    def _demand(self, condition: bool, text: str) -> None:  # noqa: FBT001 -- like assert
        if not condition:
            self._truth.broken(text)


def _holds(known: Authorisation | None) -> bool:
    """Whether the institution holds or took money."""
    if known is None or known.verdict is None:
        return False
    holds = known.verdict.outcome.holds_money
    return holds and known.state in {State.DECIDED, State.CAPTURED}
