"""What customers do in a run: come to tills and gates, show codes, show them twice, come back."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final

from tallymark_phone.registrations import Purpose
from tallymark_protocol.errors import TallymarkError
from tallymark_terminal.actions import (
    Action,
    Admit,
    AdmitDirection,
    BurnPoints,
    Charge,
    EarnPoints,
    Funding,
    PayBill,
    ReadPoints,
    SaleRequest,
)
from tallymark_terminal.money import Money
from tests.simulation.notes import Notes
from tests.simulation.people import CustomerMachine
from tests.simulation.prepared import BILLS
from tests.simulation.terminal_machine import Job, TerminalMachine

__all__ = ["Story"]

MAGIC: Final = (5, 10, 51, 59, 68, 68, 71, 75, 79, 91, 91, 92, 95, 95, 96, 96)
"""Codes of the amounts at which the institution does something else; see magic_amounts.py."""


class Story:
    """Plays visits. Every code that was ever shown is kept, for whoever wants to show it again."""

    def __init__(
        self,
        customers: Sequence[CustomerMachine],
        terminals: Sequence[TerminalMachine],
        *,
        chance: Random,
        notes: Notes,
    ) -> None:
        """Take who plays in it."""
        self.codes: list[str] = []
        self._customers = customers
        self._terminals = terminals
        self._chance = chance
        self._notes = notes

    async def play(self, visits: int, seconds: float) -> None:
        """Play so many visits within so long, many of them at the same time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(visits):
                group.create_task(self._visit(self._chance.uniform(0.0, seconds)))

    async def _visit(self, at: float) -> None:
        await asyncio.sleep(at)
        customer = self._chance.choice(self._customers)
        request = self._request(customer.name)
        try:
            code = await customer.issue(Purpose.GENERAL)
        except TallymarkError:
            self._notes.write(customer.name, "got no code")
            return
        self.codes.append(code)
        self._notes.write(customer.name, f"shows {self._notes.name('code', code)}")
        await asyncio.sleep(self._chance.uniform(0.0, 2.0))
        first, *others = self._chance.sample(list(self._terminals), len(self._terminals))
        first.scan(Job(code, request))
        if others and self._chance.random() < 0.3:
            await asyncio.sleep(self._chance.choice((0.0, 0.01, 0.5, 8.0)) * self._chance.random())
            others[0].scan(Job(code, self._request(customer.name)))
            self._notes.reach("code shown at two terminals")

    def _request(self, login_name: str) -> SaleRequest:
        """Return what a cashier may ask for."""
        chance = self._chance
        match chance.randrange(12):
            case 0 | 1 | 2 | 10 | 11:
                return SaleRequest(actions=(Charge(amount=_euro(self._amount())),))
            case 3 | 4:
                actions = (BurnPoints(points=chance.randrange(1, 150)), Charge(amount=None))
                earn = (
                    (EarnPoints(points=chance.randrange(1, 40)),) if chance.random() < 0.5 else ()
                )
                return SaleRequest(actions=(*actions, *earn), sale_total=_euro(self._amount()))
            case 5 | 6:
                entry = Admit(event_id="jazz", direction=AdmitDirection.ENTRY)
                return SaleRequest(actions=(entry,), complete_on_instruction=chance.random() < 0.7)
            case 7:
                burn = BurnPoints(points=chance.randrange(1, 200))
                return SaleRequest(actions=(burn,))
            case 8:
                new_balance = chance.randrange(100, 400)
                return SaleRequest(actions=(ReadPoints(),), set_points=new_balance)
            case _:
                return self._everything(login_name)

    def _everything(self, login_name: str) -> SaleRequest:
        """Return a scan that settles a bill, a ticket, points and the card at once."""
        chance = self._chance
        bill = f"{login_name}-{chance.randrange(BILLS)}"
        funding = chance.choice((Funding.CARD, Funding.AT_TERMINAL))
        actions: tuple[Action, ...] = (
            PayBill(bill_reference=bill, funding=funding),
            Admit(event_id="jazz", direction=AdmitDirection.ENTRY),
            EarnPoints(points=chance.randrange(1, 40)),
            Charge(amount=None),
        )
        return SaleRequest(actions=actions, sale_total=_euro(self._amount()))

    def _amount(self) -> int:
        """Return an amount, often one at which the institution does something else."""
        chance = self._chance
        if chance.random() < 0.45:
            return chance.choice((0, 10_000, 20_000)) + 7_700 + chance.choice(MAGIC)
        return chance.randrange(200, 30_000)


def _euro(minor_units: int) -> Money:
    return Money(currency_code="EUR", minor_units=minor_units)
