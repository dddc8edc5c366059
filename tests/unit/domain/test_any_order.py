"""The promises of the rules hold whatever is asked in whatever order."""

from typing import ClassVar

from hypothesis import Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tallymark_server.domain.answers import ReversalAnswer, ReversalOutcome
from tallymark_server.domain.model.actions import RefusalReason, Settlement
from tallymark_server.domain.model.processes import ProcessState
from tests.unit.domain.machine import Machine

# The same steps in every run. To have a failure shrunk, which takes minutes, leave out the phases.
THOROUGH = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)


class WatchedMachine(Machine):
    """Notes what was reached: a promise about what never happens would be an empty one."""

    reached: ClassVar[set[object]] = set()

    @invariant()
    def note(self) -> None:
        for process in self.processes():
            self.reached.add(process.state)
            self.reached.update(action.settlement for action in process.actions)
            self.reached.add(process.refusal and process.refusal.reason)
        answers = (answer for _, answer in self.world.asked)
        self.reached.update(a.outcome for a in answers if isinstance(a, ReversalAnswer))


def test_every_promise_holds_after_each_of_many_random_steps() -> None:
    WatchedMachine.reached.clear()

    run_state_machine_as_test(WatchedMachine, settings=THOROUGH)

    assert set(ProcessState) <= WatchedMachine.reached
    assert set(Settlement) <= WatchedMachine.reached
    assert set(ReversalOutcome) <= WatchedMachine.reached
    assert len(set(RefusalReason) & WatchedMachine.reached) > len(RefusalReason) // 2
