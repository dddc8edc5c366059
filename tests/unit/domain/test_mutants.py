"""Planted bugs, each of which the random steps must find: what finds nothing proves nothing."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tallymark_server.domain import actions, decide, ledger, prompts, unconfirmed
from tallymark_server.domain.actions import admit, charge, pay_bill, points
from tallymark_server.domain.processes import (
    confirm,
    finish,
    lifecycle,
    outcomes,
    resolve,
    terminal_view,
)
from tallymark_server.domain.state import Draft
from tests.doubles.mutant import Mutant, plant
from tests.unit.domain.machine import Machine

QUICK = settings(
    max_examples=400,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


MUTANTS = {
    "a claim leaves the code good": Mutant(
        resolve, "_claim", "CodeState.CLAIMED", "CodeState.ISSUED"
    ),
    "a claimed code can be claimed again": Mutant(
        resolve, "_resolve_code", "code.state is not CodeState.ISSUED", "code.process_id == 'never'"
    ),
    "siblings survive a claim": Mutant(
        resolve,
        "_claim",
        "sibling.state is CodeState.ISSUED",
        "sibling.state is CodeState.CONSUMED",
    ),
    "a code is good at its expiry": Mutant(resolve, "is_over", "now >= code", "now > code"),
    "an ended process leaves its code open": Mutant(
        lifecycle, "_consume_code", "CodeState.CONSUMED", "CodeState.CLAIMED"
    ),
    "a refused scan keeps its holds": Mutant(
        actions, "grant_all", "trial = Draft(draft)", "trial = draft"
    ),
    "burned points stay held": Mutant(points, "release_burn", "-granted.points", "0"),
    "updated points stay held": Mutant(actions, "release_all", "-process.staged.held", "0"),
    "an update takes what others hold": Mutant(
        finish, "update_points", "account.held - burned - staged_hold", "0"
    ),
    "a posting has one side": Mutant(
        ledger, "_balance_issuer", "issuer.balance + points", "issuer.balance"
    ),
    "a posting is forgotten": Mutant(actions, "post_all", "[posting] if posting else []", "[]"),
    "a completed process completes again": Mutant(
        finish, "complete", "ProcessState.OVERDUE}", "ProcessState.OVERDUE, ProcessState.COMPLETED}"
    ),
    "a completed process is undone twice": Mutant(
        finish, "reverse", "if process.reversed_by:", "if process.reverses == 'never':"
    ),
    "two processes hold a bill": Mutant(
        pay_bill, "grant", "bill.state is BillState.HELD", "bill.bill_reference == 'never'"
    ),
    "a released bill stays held": Mutant(pay_bill, "release", "BillState.OPEN", "BillState.HELD"),
    "an undone bill stays paid": Mutant(pay_bill, "undo", "BillState.OPEN", "BillState.PAID"),
    "a ticket admits once too often": Mutant(
        admit, "why_not", "ticket.entries_used >=", "ticket.entries_used >"
    ),
    "two processes hold a ticket": Mutant(
        admit, "why_not", "if ticket.held_by:", "if ticket.held_by == 'never':"
    ),
    "a released ticket stays held": Mutant(
        admit, "release", 'held_by=""', "held_by=process.process_id"
    ),
    "a repeated request is decided again": Mutant(
        decide, "_earlier_answer", "draft.get(key) if key is not None else None", "None"
    ),
    "a request with another body is answered": Mutant(
        decide, "_earlier_answer", "!= command.request.fingerprint", "== 'never'"
    ),
    "a reversed request is decided when it arrives": Mutant(
        finish, "_find_or_mark", "is_reversed=True", "is_reversed=False"
    ),
    "a decision writes into its input": Mutant(
        Draft,
        "put",
        "self._changed[",
        "(self._rows if type(self._rows) is dict else self._changed)[",
    ),
    "done work stays due": Mutant(
        lifecycle, "save", "old.keys() - new.keys()", "new.keys() - new.keys()"
    ),
    "new work is not due": Mutant(
        lifecycle, "save", "new.keys() - old.keys()", "new.keys() - new.keys()"
    ),
    "what is settled stays unresolved": Mutant(
        lifecycle, "_index_unresolved", "elif was and", "elif not was and"
    ),
    "a timer fires early": Mutant(
        outcomes, "fire_timer", "now < before.timer_at", "now + 1 < before.timer_at"
    ),
    "the clock releases what was instructed": Mutant(
        outcomes, "fire_timer", "ProcessState.OVERDUE", "ProcessState.EXPIRED"
    ),
    "a refused card is not reversed": Mutant(charge, "release", "not _was_asked(action)", "True"),
    "a partial approval is taken for a whole one": Mutant(
        outcomes,
        "_approves",
        "answer is AuthorisationAnswer.APPROVED and whole",
        "answer.holds_money",
    ),
    "anybody confirms": Mutant(
        confirm, "_own_process", "process.customer_id != customer_id", "not customer_id"
    ),
    "wrong digits are right": Mutant(
        confirm, "confirm", "command.digits != answered.digits", "not answered.digits"
    ),
    "any signature confirms": Mutant(
        confirm, "_check_signature", "signed.statement != _statement(process, command)", "False"
    ),
    "any device's key confirms": Mutant(
        confirm, "_check_signature", "signed.device_key != device.public_key", "False"
    ),
    "any terminal completes": Mutant(
        finish, "find", "process.terminal_id == caller.caller_id", "caller.caller_id"
    ),
    "a customer is asked twice at once": Mutant(
        prompts, "may_ask", "not customer.prompt_process_id", "customer.customer_id"
    ),
    "a contested charge is instructed": Mutant(
        lifecycle, "instruct", "if process.is_contested:", "if process.process_id == 'never':"
    ),
    "a charge without confirmation is not counted": Mutant(
        unconfirmed, "count_unconfirmed", ".on(_day(process)).plus(1, amount)", ".on(_day(process))"
    ),
    "a new terminal's charge is not counted": Mutant(
        unconfirmed, "count_unconfirmed", "tally=terminal.plus(1, amount)", "tally=terminal"
    ),
    "nobody is asked beyond the bounds of the day": Mutant(
        unconfirmed, "has_room", "own.count > policy", "-own.count > policy"
    ),
    "a refused charge stays counted": Mutant(
        unconfirmed, "take_back", "plus(-1, -_amount(process))", "plus(0, 0)"
    ),
    "a bound code is compared with itself, not with who calls": Mutant(
        resolve,
        "_resolve_code",
        "code.audience != process.terminal_id",
        "code.audience != code.audience",
    ),
    "a code for any terminal pays any amount": Mutant(
        charge, "grant", "not process.is_bound", "process.by_telephone"
    ),
    "a no is told to the terminal": Mutant(
        terminal_view, "end_in_secret", "is not ProcessState.DECLINED", "is ProcessState.DECLINED"
    ),
    "a terminal sees whose number it is": Mutant(
        terminal_view, "as_terminal_sees", 'customer_id=""', "customer_id=process.customer_id"
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS.keys())
def test_the_random_steps_find(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(mutant, monkeypatch)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=QUICK)
