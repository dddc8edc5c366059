"""Instructions as headlines and lines of text."""

from tallymark_terminal.actions import AdmitDirection, Funding
from tallymark_terminal.answers import Receipt
from tallymark_terminal.instructions import (
    AdmitInstruction,
    BurnPointsInstruction,
    ChargeInstruction,
    EarnPointsInstruction,
    Instruction,
    PayBillInstruction,
    ReadPointsInstruction,
)
from tallymark_terminal.money import Money
from tallymark_terminal.processes import Process

__all__ = ["headlines", "instruction_lines", "plain"]


def plain(text: str) -> str:
    """Return text from elsewhere without anything that a screen would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def headlines(process: Process) -> list[str]:
    """Return what must be readable from afar: ADMIT, the amounts, else the points."""
    instructions = _instructions(process)
    found = [
        "EXIT" if instruction.direction is AdmitDirection.EXIT else "ADMIT"
        for instruction in instructions
        if isinstance(instruction, AdmitInstruction)
    ]
    found += [
        plain(f"{amount.figures} {amount.currency_code}") for amount in _amounts(instructions)
    ]
    if not found:
        found += [
            str(instruction.balance)
            for instruction in instructions
            if isinstance(instruction, ReadPointsInstruction)
        ]
    return found or ["OK"]


def instruction_lines(process: Process | Receipt) -> list[str]:
    """Return one line for each instruction."""
    return [plain(_line(instruction)) for instruction in _instructions(process)]


def _instructions(process: Process | Receipt) -> list[Instruction]:
    return [outcome.instruction for outcome in process.actions if outcome.instruction is not None]


def _amounts(instructions: list[Instruction]) -> list[Money]:
    """Return the card's amount and what is to be collected; bills on the card are part of it."""
    amounts = [
        instruction.amount
        for instruction in instructions
        if isinstance(instruction, ChargeInstruction)
        or (
            isinstance(instruction, PayBillInstruction)
            and instruction.funding is Funding.AT_TERMINAL
        )
    ]
    return [amount for amount in amounts if amount is not None]


def _line(instruction: Instruction) -> str:
    match instruction:
        case ChargeInstruction():
            return _charge_line(instruction)
        case PayBillInstruction():
            return _bill_line(instruction)
        case AdmitInstruction():
            return _admit_line(instruction)
        case ReadPointsInstruction():
            held = instruction.balance - instruction.available
            return f"Points: {instruction.balance}" + (
                f", of which {held} are held" if held else ""
            )
        case EarnPointsInstruction():
            return f"Points earned: {instruction.points}"
        case BurnPointsInstruction():
            worth = f", worth {instruction.value}" if instruction.value else ""
            return f"Points spent: {instruction.points}{worth}"


def _charge_line(charge: ChargeInstruction) -> str:
    if charge.amount is None or charge.amount.minor_units == 0:
        return "Nothing to pay by card."
    card = f" {charge.card_brand}" if charge.card_brand else ""
    digits = f" ending in {charge.card_last_four}" if charge.card_last_four else ""
    approval = f", approval {charge.authorisation_code}" if charge.authorisation_code else ""
    return f"Card{card}{digits}: {charge.amount}{approval}"


def _bill_line(bill: PayBillInstruction) -> str:
    what = f" ({bill.description})" if bill.description else ""
    due = f", due {bill.due_on}" if bill.due_on else ""
    how = "paid by card" if bill.funding is Funding.CARD else "collect it here"
    return f"Bill {bill.bill_reference}{what}: {bill.amount}{due}; {how}"


def _admit_line(admit: AdmitInstruction) -> str:
    name = admit.event_name or admit.event_id
    place = f", {admit.place}" if admit.place else ""
    if admit.direction is AdmitDirection.EXIT:
        return f"{name}: ticket {admit.ticket_id}{place}, out"
    left = "no entry left" if admit.entries_left == 0 else f"entries left: {admit.entries_left}"
    return f"{name}: ticket {admit.ticket_id}{place}, {left}"
