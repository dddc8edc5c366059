"""What phones and terminals do in the state machine."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import ProcessAnswer
from tallymark_server.domain.authorisation import AuthorisationAnswer
from tallymark_server.domain.commands import ProcessName
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    ReadPointsAsk,
    Refusal,
    RefusalReason,
)
from tallymark_server.domain.model.processes import Code, CodePurpose, CodeState, Process
from tallymark_server.domain.model.processes import ProcessState as State
from tallymark_server.domain.model.registrations import AdmitDirection
from tests.unit.domain import choices
from tests.unit.domain.forgeries import FORGERIES
from tests.unit.domain.furniture import DEVICES, euro
from tests.unit.domain.machine_ground import MachineGround
from tests.unit.domain.runner import reason_of

__all__ = ["CallingMachine"]


def _has_codes(machine: MachineGround) -> bool:
    return bool(machine.world.all(Code))


def _has_processes(machine: MachineGround) -> bool:
    return bool(machine.world.all(Process))


class CallingMachine(MachineGround):
    """Any phone and any terminal may ask for anything at any time."""

    @rule(
        asks=choices.sales,
        answer=choices.answers,
        stolen=choices.seldom,
        steps=choices.steps,
        reversals=choices.reversals,
    )
    def sell(
        self,
        *,
        asks: Any,
        answer: AuthorisationAnswer,
        stolen: bool,
        steps: int,
        reversals: int,
    ) -> None:
        """Scan as most scans are, go on as far as `steps` says, and seldom take it back."""
        code = self.world.issue()
        process = self.world.resolve(code, *asks, sale_total=euro(900))
        if stolen:
            self.world.try_resolve(code, *asks, by="till-2")
        for _ in range(steps):
            self.go_on(self.world.again(process), answer)
        for _ in range(reversals):
            self.world.reverse(process)

    @precondition(_has_processes)
    @rule(pick=choices.pick)
    def go_on_with(self, pick: int) -> None:
        self.go_on(self.process(pick, *choices.TIMED))

    @rule(device=choices.devices, purpose=choices.purposes, chosen=choices.chosen)
    def issue(self, device: str, purpose: CodePurpose, chosen: dict[str, Any]) -> None:
        self.world.try_issue(device, purpose, **chosen)

    @precondition(_has_processes)
    @rule(pick=choices.pick, approve=choices.mostly, digits=choices.digits, by=choices.devices)
    def confirm(self, *, pick: int, approve: bool, digits: str, by: str) -> None:
        process = self.process(pick, State.AWAITING_CUSTOMER, State.CONTESTED)
        answer = self.world.confirm(process, approve=approve, digits=digits, by=by)
        if DEVICES[by] != process.customer_id:
            assert reason_of(answer) == Reason.PROCESS_NOT_FOUND

    @precondition(_has_processes)
    @rule(pick=choices.pick)
    def forge_answers(self, pick: int) -> None:
        """Send every answer that the customer's device has not signed so."""
        process = self.process(pick, State.AWAITING_CUSTOMER, State.CONTESTED)
        expected = {Reason.CONFIRMATION_SIGNATURE_WRONG, Reason.PROCESS_NOT_AWAITING}
        if process.customer_id != "ana":
            expected = {Reason.PROCESS_NOT_FOUND}
        for forge in FORGERIES.values():
            assert reason_of(forge(self.world, process)) in expected
            assert self.world.again(process) == process, "nothing was done"

    @precondition(_has_processes)
    @rule(pick=choices.pick, by=choices.devices)
    def dispute(self, pick: int, by: str) -> None:
        process = self.process(pick)
        answer = self.world.dispute(process, by=by)
        if DEVICES[by] != process.customer_id:
            assert reason_of(answer) == Reason.PROCESS_NOT_FOUND

    @precondition(_has_codes)
    @rule(
        pick=choices.pick,
        asks=choices.asks,
        by=choices.terminals,
        total=choices.totals,
        at_once=choices.seldom,
    )
    def resolve(self, *, pick: int, asks: Any, by: str, total: int | None, at_once: bool) -> None:
        code = self.code(pick)
        answer = self.world.try_resolve(
            code,
            *asks,
            by=by,
            sale_total=None if total is None else euro(total),
            complete_on_instruction=at_once,
        )
        if isinstance(answer, ProcessAnswer):
            assert code.state is CodeState.ISSUED, "a code is good once"
            assert code.audience in {"", by}, "and at its terminal only"
            assert self.world.now < code.expires_at_seconds * 1000, "no code outlives its expiry"
            live = self.world.device(code.device_id).live_codes
            assert code.purpose not in {one.purpose for one in live}, "its siblings died"

    @precondition(_has_processes)
    @rule(pick=choices.pick, by=choices.terminals, asks=choices.asks)
    def show_again(self, pick: int, by: str, asks: Any) -> None:
        text = self.process(pick, State.INSTRUCTED, State.AUTHORISING).code_text
        for code in self.world.all(Code):
            if code.text == text:
                answer = self.world.try_resolve(code, *asks, by=by)
                assert reason_of(answer) != "OK", "a code is good once"

    @rule(purpose=choices.purposes, off_by=choices.off_by)
    def show_at_expiry(self, purpose: CodePurpose, off_by: int) -> None:
        code = self.world.issue(purpose=purpose)
        self.world.now = code.expires_at_seconds * 1000 + off_by
        answer = self.world.try_resolve(code, ReadPointsAsk())
        assert (reason_of(answer) == Reason.CODE_EXPIRED) == (off_by >= 0)

    @rule(by=choices.terminals)
    def show_bound(self, by: str) -> None:
        code = self.world.issue(tag=choices.TAG)
        answer = self.world.try_resolve(code, ReadPointsAsk(), by=by)
        is_elsewhere = by != choices.TAG.terminal_id
        assert (reason_of(answer) == Reason.CODE_FOR_OTHER_TERMINAL) == is_elsewhere

    @rule(count=st.integers(2, 6), by=choices.terminals)
    def sell_often(self, count: int, by: str) -> None:
        """Sell small things one after the other, as a thief does below the floor."""
        for _ in range(count):
            process = self.world.resolve(self.world.issue(), choices.SMALL, by=by)
            self.go_on(process)

    @rule(number=choices.numbers, asks=choices.sales, digits=choices.digits, by=choices.terminals)
    def telephone(self, number: str, asks: Any, digits: str, by: str) -> None:
        process = self.world.resolve(number, *asks, by=by, sale_total=euro(900))
        if process.state is State.DECLINED:
            assert process.refusal == Refusal(reason=RefusalReason.CODE_NOT_BOUND), "and no other"
            return
        assert process.state is State.AWAITING_CUSTOMER, "whoever it is must be asked"
        assert not process.customer_id or process.customer_id == number.removeprefix("number-of-")
        if process.customer_id and digits:
            self.world.confirm(process, digits=digits, by=f"{process.customer_id}-1")
            after = self.world.again(process)
            assert after.is_confirmed == (digits == process.digits), "wrong digits confirm nothing"

    @precondition(_has_processes)
    @rule(pick=choices.pick, own=choices.mostly)
    def complete(self, *, pick: int, own: bool) -> None:
        process = self.process(pick, State.INSTRUCTED, State.OVERDUE)
        by = process.terminal_id if own else choices.OTHER_TERMINAL[process.terminal_id]
        answer = self.world.complete(process, by=by)
        if not own:
            assert reason_of(answer) == Reason.PROCESS_NOT_FOUND

    @rule(
        asks=choices.points_asks,
        differences=choices.some_differences,
        reversals=choices.reversals,
    )
    def sell_points(self, asks: Any, differences: list[int], reversals: int) -> None:
        """Scan for points, change their number, and mostly leave it at that."""
        process = self.world.resolve(self.world.issue(), *asks)
        if process.state is State.AWAITING_CUSTOMER:
            self.world.confirm(process)
        for difference in differences:
            account = self.world.account()
            wanted = max(0, account.balance + difference)
            self.world.update_points(process, wanted, version=account.version)
        for _ in range(reversals):
            self.world.reverse(process)

    @rule(event_id=choices.own_events, directions=choices.some_directions)
    def pass_gate(self, event_id: str, directions: list[AdmitDirection]) -> None:
        for direction in directions:
            ask = AdmitAsk(event_id=event_id, direction=direction)
            self.world.resolve(self.world.issue(), ask, complete_on_instruction=True)

    @precondition(_has_processes)
    @rule(pick=choices.pick, difference=choices.differences, stale=choices.seldom)
    def update_points(self, *, pick: int, difference: int, stale: bool) -> None:
        process = self.process(pick, State.INSTRUCTED)
        account = self.world.account(process.customer_id or "ana")
        wanted = max(0, account.balance + difference)
        version = account.version - stale
        self.world.update_points(process, wanted, version=version, by=process.terminal_id)

    @precondition(_has_processes)
    @rule(pick=choices.pick, by_request=st.booleans(), own=choices.mostly)
    def reverse(self, *, pick: int, by_request: bool, own: bool) -> None:
        process = self.process(pick, State.COMPLETED, State.INSTRUCTED)
        by = process.terminal_id if own else choices.OTHER_TERMINAL[process.terminal_id]
        name = ProcessName(process_id=process.process_id)
        if by_request:
            name = ProcessName(resolve_request_id=process.request_id)
        answer = self.world.try_reverse(name, by=by)
        if not own:
            assert reason_of(answer) == Reason.PROCESS_NOT_FOUND or by_request
            assert self.world.again(process) == process, "it belongs to the other terminal"

    @precondition(_has_codes)
    @rule(pick=choices.pick, asks=choices.asks)
    def reverse_unseen(self, pick: int, asks: Any) -> None:
        request = self.world.request("ResolveCode")
        self.world.reverse(ProcessName(resolve_request_id=request.request_id))
        answer = self.world.try_resolve(self.code(pick), *asks, request=request)
        assert reason_of(answer) == Reason.REQUEST_REVERSED
