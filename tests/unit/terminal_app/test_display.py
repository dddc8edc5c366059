import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest
from rich.console import Console

from tallymark_protocol.reasons import Reason
from tallymark_terminal.actions import AdmitDirection, Charge, Funding
from tallymark_terminal.display import Display
from tallymark_terminal.instructions import (
    AdmitInstruction,
    ChargeInstruction,
    Instruction,
    PayBillInstruction,
)
from tallymark_terminal.large_figures import FIGURE_ROWS, enlarge
from tallymark_terminal.money import Money
from tallymark_terminal.plain_words import Words
from tallymark_terminal.processes import (
    ActionOutcome,
    Process,
    ProcessState,
    Refusal,
    RefusalReason,
    Settlement,
    TicketUse,
)
from tallymark_terminal.sale_results import OFFLINE, Outcome, SaleResult

ESCAPE = "\x1b"
GREEN, RED = f"{ESCAPE}[1;32m", f"{ESCAPE}[1;31m"
EUROS = Money(currency_code="EUR", minor_units=1230)
CHARGE = ChargeInstruction(
    amount=EUROS, card_brand="VISA", card_last_four="4242", authorisation_code="A1"
)
ADMIT = AdmitInstruction(
    event_id="concert",
    event_name="Summer Concert",
    ticket_id="T-1",
    direction=AdmitDirection.ENTRY,
    entries_left=2,
    place="Block B",
)
PROCESS = Process(
    process_id="0" * 34,
    state=ProcessState.INSTRUCTED,
    version=1,
    actions=(),
    merchant_name="Corner Shop",
    terminal_id="till-1",
    created_at=None,
    confirm_by=None,
    poll_until=None,
    execute_by=None,
    ended_at=None,
    refusal=None,
    customer_reference="",
    confirmation_digits="",
    confirmed_by_customer=False,
    sale_total=None,
    card_total=None,
    reverses_process_id="",
    reversed_by_process_id="",
    staged_balance=None,
    disputed=False,
    points_debt=0,
)


class Screen:
    """A display that writes into memory."""

    def __init__(self, *, is_terminal: bool = False, as_json: bool = False) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        colours: Literal["standard", "auto"] = "standard" if is_terminal else "auto"
        self.display = Display(
            console=Console(
                file=self.out, force_terminal=is_terminal, color_system=colours, width=80
            ),
            error_console=Console(file=self.err, width=80),
            words=Words(zone=UTC),
            as_json=as_json,
        )


def process_with(*instructions: Instruction, **fields: object) -> Process:
    outcomes = tuple(
        ActionOutcome(
            action=Charge(amount=None),
            instruction=instruction,
            refusal=None,
            settlement=Settlement.HELD,
        )
        for instruction in instructions
    )
    return replace(PROCESS, actions=outcomes, **fields)  # type: ignore[arg-type] # by name


def large(text: str) -> str:
    return "\n".join(enlarge(text, width_max=80))


async def test_amount_is_shown_in_large_figures() -> None:
    screen = Screen()

    await screen.display.execute(process_with(CHARGE))

    assert large("12.30 EUR") in screen.out.getvalue()
    assert "Card VISA ending in 4242: 12.30 EUR" in screen.out.getvalue()


async def test_admission_is_shown_large_and_green_on_a_terminal() -> None:
    screen = Screen(is_terminal=True)

    await screen.display.execute(process_with(ADMIT))

    for row in enlarge("ADMIT", width_max=80):
        assert f"{GREEN}{row}" in screen.out.getvalue()


def test_refusal_is_shown_large_and_red_on_a_terminal() -> None:
    screen = Screen(is_terminal=True)

    screen.display.result(SaleResult(outcome=Outcome.REFUSED, reason=Reason.CODE_EXPIRED))

    for row in enlarge("REFUSED", width_max=80):
        assert f"{RED}{row}" in screen.out.getvalue()


async def test_there_is_no_colour_where_there_is_no_terminal() -> None:
    screen = Screen()

    await screen.display.execute(process_with(ADMIT))
    screen.display.result(SaleResult(outcome=Outcome.REFUSED, reason=Reason.CODE_EXPIRED))

    assert ESCAPE not in screen.out.getvalue()


def test_unknown_outcome_is_not_called_a_refusal() -> None:
    screen = Screen(is_terminal=True)

    screen.display.result(SaleResult(outcome=Outcome.UNKNOWN, request_id="r-1"))

    shown = screen.out.getvalue()
    assert "recover" in shown
    assert large("REFUSED") not in shown
    assert RED not in shown
    assert "efused" not in shown


def test_refused_ticket_tells_its_first_use() -> None:
    screen = Screen()
    use = TicketUse(
        used_at=datetime(2030, 5, 1, 18, 4, tzinfo=UTC),
        terminal_id="gate-north",
        direction=AdmitDirection.ENTRY,
    )
    refusal = Refusal(reason=RefusalReason.ALREADY_ADMITTED, first_use=use)
    refused = replace(PROCESS, state=ProcessState.DECLINED, refusal=refusal)

    screen.display.result(SaleResult(outcome=Outcome.REFUSED, process=refused))

    assert "First use: 2030-05-01 18:04 at gate-north." in screen.out.getvalue()


def test_code_used_here_tells_when() -> None:
    screen = Screen()
    seen_at = datetime(2030, 5, 1, 18, 4, tzinfo=UTC)

    screen.display.result(
        SaleResult(
            outcome=Outcome.REFUSED_HERE, reason=Reason.CODE_ALREADY_CLAIMED, seen_at=seen_at
        )
    )

    assert "used here already, 2030-05-01 18:04" in screen.out.getvalue()
    assert "the server was not asked" in screen.out.getvalue()


def test_confirmation_digits_are_shown_large_and_once() -> None:
    screen = Screen()
    waiting = replace(PROCESS, state=ProcessState.AWAITING_CUSTOMER, confirmation_digits="42")

    screen.display.waiting(waiting)
    screen.display.waiting(replace(waiting, version=2))

    assert screen.out.getvalue().count(large("42")) == 1


def test_with_json_the_digits_go_to_standard_error() -> None:
    screen = Screen(as_json=True)

    screen.display.waiting(
        replace(PROCESS, state=ProcessState.AWAITING_CUSTOMER, confirmation_digits="42")
    )

    assert screen.out.getvalue() == ""
    assert large("42") in screen.err.getvalue()


async def test_with_json_a_sale_is_one_object_on_one_line() -> None:
    screen = Screen(as_json=True)
    process = process_with(CHARGE, state=ProcessState.COMPLETED)

    await screen.display.execute(process)
    screen.display.result(
        SaleResult(outcome=Outcome.EXECUTED, request_id="r-1", process=process), source="picture"
    )

    (line,) = screen.out.getvalue().splitlines()
    shown = json.loads(line)
    assert shown["outcome"] == "executed"
    assert shown["exit_code"] == 0
    assert shown["state"] == "COMPLETED"
    assert shown["actions"][0]["instruction"]["amount"] == {
        "currency_code": "EUR",
        "minor_units": 1230,
        "figures": "12.30",
    }


async def test_text_from_elsewhere_cannot_command_the_screen() -> None:
    screen = Screen(is_terminal=True)

    await screen.display.execute(process_with(replace(ADMIT, event_name="\x1b[2J\x07[red]x")))

    assert "\x1b[2J" not in screen.out.getvalue()
    assert "\x07" not in screen.out.getvalue()
    assert "[red]x" in screen.out.getvalue()


async def test_amount_to_collect_is_large_and_a_bill_on_the_card_is_not_counted_twice() -> None:
    screen = Screen()
    bill = PayBillInstruction(
        bill_reference="B-7",
        amount=Money(currency_code="EUR", minor_units=4500),
        description="Water",
        due_on="2030-06-01",
        funding=Funding.AT_TERMINAL,
    )

    await screen.display.execute(process_with(bill, replace(bill, funding=Funding.CARD), CHARGE))

    assert screen.out.getvalue().count(large("45.00 EUR")) == 1
    assert large("12.30 EUR") in screen.out.getvalue()


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("state", list(ProcessState))
def test_every_outcome_in_every_state_has_words(outcome: Outcome, state: ProcessState) -> None:
    result = SaleResult(
        outcome=outcome,
        request_id="r-1",
        process=None if outcome in OFFLINE else replace(PROCESS, state=state),
        message="picture a.png: no code could be read.",
    )

    words = Screen().display.words_of(result)

    assert words.endswith(".")
    assert "_" not in words


@pytest.mark.parametrize("text", ["ADMIT", "REFUSED", "TAKEN BACK", "NO ANSWER", "12.30 EUR"])
def test_large_text_has_five_rows_and_no_unknown_shape(text: str) -> None:
    rows = enlarge(text, width_max=200)

    assert len(rows) == FIGURE_ROWS
    unknown = enlarge("?", width_max=200)
    assert all(enlarge(character, width_max=200) != unknown for character in text)


def test_text_wider_than_the_screen_is_shown_as_it_is() -> None:
    assert enlarge("1234567890.00 EUR", width_max=40) == ["1234567890.00 EUR"]
