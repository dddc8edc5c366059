"""Two customers, three terminals of two merchants, an operator, and the credit institution."""

from typing import Any

from tallymark_server.domain import commands
from tallymark_server.domain.answers import Answer
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationLookup,
    AuthorisationResult,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.model.actions import ChargeGrant
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.people import Customer, Device
from tallymark_server.domain.model.processes import Code, Process
from tallymark_server.domain.model.registrations import Bill, PointsAccount, Ticket
from tests.unit.domain.calls import OPERATOR, SERVER, Calls, device_caller, terminal_caller
from tests.unit.domain.furniture import PARTITION

__all__ = ["OPERATOR", "SERVER", "SmallWorld", "charge_of", "device_caller", "terminal_caller"]


class SmallWorld(Calls):
    """The rules, and everybody and everything outside of them."""

    def tell_again(self, process: Process) -> Answer:
        return self.settle(process, executed=False, try_again=True)

    def settle(
        self, process: Process, *, executed: bool, note: str = "seen", try_again: bool = False
    ) -> Answer:
        return self.ask(
            commands.SettleProcess(
                caller=OPERATOR,
                partition=PARTITION,
                process_id=process.process_id,
                executed=executed,
                note=note,
                try_again=try_again,
            )
        )

    def set_policy(self, **changes: Any) -> Answer:
        current = self.rows.get(Policy.key_of_current())
        version = current.version if isinstance(current, Policy) else 1
        policy = Policy(version=version, **changes)
        return self.ask(commands.SetPolicy(caller=OPERATOR, partition=0, policy=policy))

    def fire(self, process: Process, *, timer_at: int | None = None) -> Answer:
        return self.ask(
            commands.FireTimer(
                caller=SERVER,
                partition=PARTITION,
                process_id=process.process_id,
                timer_at=process.timer_at if timer_at is None else timer_at,
            )
        )

    def authorised(
        self,
        process: Process,
        answer: AuthorisationAnswer | None = AuthorisationAnswer.APPROVED,
        **more: Any,
    ) -> Answer:
        """Record the institution's answer about the process's only charge; None: unknown."""
        place, amount = charge_of(process)
        fields: dict[str, Any] = {"approved_minor_units": amount, "attempt": 0, **more}
        attempt = fields.pop("attempt")
        result = None if answer is None else AuthorisationResult(answer=answer, **fields)
        return self.ask(
            commands.RecordAuthorisation(
                caller=SERVER,
                partition=PARTITION,
                process_id=process.process_id,
                action=place,
                attempt=attempt,
                result=result,
            )
        )

    def settled(
        self, process: Process, result: CaptureResult | ReversalResult | None, **more: Any
    ) -> Answer:
        """Record what became of the process's capture or reversal; None: unknown."""
        place, _ = charge_of(process)
        fields: dict[str, Any] = {"attempt": 0, **more}
        return self.ask(
            commands.RecordSettlement(
                caller=SERVER,
                partition=PARTITION,
                process_id=process.process_id,
                action=place,
                result=result,
                **fields,
            )
        )

    def rechecked(
        self, process: Process, lookup: AuthorisationLookup | None, **more: Any
    ) -> Answer:
        """Record how the process's only charge stands after its reversal; None: unknown."""
        place, _ = charge_of(process)
        fields: dict[str, Any] = {"attempt": 0, "serving_since": 0, **more}
        return self.ask(
            commands.RecordRecheck(
                caller=SERVER,
                partition=PARTITION,
                process_id=process.process_id,
                action=place,
                lookup=lookup,
                **fields,
            )
        )

    # What is stored

    def again(self, process: Process) -> Process:
        return self.get(Process.key_of(process.process_id))

    def again_by_id(self, process_id: str) -> Process:
        return self.get(Process.key_of(process_id))

    def code(self, code: Code) -> Code:
        return self.get(code.key)

    def customer(self, customer_id: str = "ana") -> Customer:
        return self.get(Customer.key_of(PARTITION, customer_id))

    def device(self, device_id: str = "ana-1") -> Device:
        return self.get(Device.key_of(PARTITION, device_id))

    def account(self, holder_id: str = "ana", programme_id: str = "beans") -> PointsAccount:
        return self.get(PointsAccount.key_of(PARTITION, holder_id, programme_id))

    def bill(self, reference: str, merchant_id: str = "cafe") -> Bill:
        return self.get(Bill.key_of(PARTITION, merchant_id, reference))

    def ticket(self, ticket_id: str, event_id: str = "jazz") -> Ticket:
        return self.get(Ticket.key_of(PARTITION, event_id, ticket_id))


def charge_of(process: Process) -> tuple[int, int]:
    """Return place and amount of the process's charge."""
    for place, action in enumerate(process.actions):
        if isinstance(action.grant, ChargeGrant):
            return place, action.grant.amount.minor_units
    message = "the process charges nothing"
    raise AssertionError(message)
