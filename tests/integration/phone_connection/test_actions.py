"""What a process asks for and instructs, as the phone shows it."""

from dataclasses import replace

from tallymark.v1 import action_pb2, money_pb2, process_pb2
from tallymark_phone.process_display import action_line
from tallymark_phone.processes import ProcessState, Refusal
from tallymark_phone.server_connection import PhoneConnection
from tests.doubles.customer_service import CustomerServiceDouble


async def test_what_is_instructed_is_shown_and_before_that_what_was_asked_for(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    euros = money_pb2.Money(currency_code="EUR", minor_units=500)
    entry = action_pb2.ADMIT_DIRECTION_ENTRY
    asked = [
        action_pb2.Action(charge=action_pb2.ChargeAction(remainder=action_pb2.Remainder())),
        action_pb2.Action(
            pay_bill=action_pb2.PayBillAction(
                bill_reference="R-17", funding=action_pb2.FUNDING_CARD
            )
        ),
        action_pb2.Action(admit=action_pb2.AdmitAction(event_id="summer", direction=entry)),
        action_pb2.Action(read_points=action_pb2.ReadPointsAction()),
        action_pb2.Action(earn_points=action_pb2.EarnPointsAction(points=5)),
        action_pb2.Action(burn_points=action_pb2.BurnPointsAction(points=50)),
        action_pb2.Action(),
    ]
    told = [
        action_pb2.Instruction(
            charge=action_pb2.ChargeInstruction(
                amount=euros, card_brand="VISA", card_last_four="1111"
            )
        ),
        action_pb2.Instruction(
            pay_bill=action_pb2.PayBillInstruction(
                bill_reference="R-17",
                amount=euros,
                description="Water",
                funding=action_pb2.FUNDING_AT_TERMINAL,
            )
        ),
        action_pb2.Instruction(
            admit=action_pb2.AdmitInstruction(
                event_id="summer",
                event_name="Summer",
                ticket_id="T1",
                place="Row 4",
                direction=entry,
            )
        ),
        action_pb2.Instruction(
            read_points=action_pb2.ReadPointsInstruction(programme_id="beans", balance=40)
        ),
        action_pb2.Instruction(
            earn_points=action_pb2.EarnPointsInstruction(programme_id="beans", points=5)
        ),
        action_pb2.Instruction(
            burn_points=action_pb2.BurnPointsInstruction(
                programme_id="beans", points=50, value=euros
            )
        ),
    ]
    double.processes = [
        process_pb2.Process(
            actions=[action_pb2.ActionOutcome(action=action) for action in asked],
            card_total=euros,
            state=99,  # type: ignore[arg-type] # a state that a newer server may have
        ),
        process_pb2.Process(
            actions=[
                action_pb2.ActionOutcome(
                    action=action,
                    instruction=instruction,
                    refusal=action_pb2.Refusal(reason=action_pb2.REFUSAL_REASON_BILL_IN_USE),
                )
                for action, instruction in zip(asked, told, strict=False)
            ]
        ),
    ]

    before, after = [found async for found in phone.list_processes()]

    assert before.state is ProcessState.UNKNOWN
    assert [action_line(action) for action in before.actions] == [
        "charge 5.00 EUR",
        "pay bill R-17 of an amount not known yet by card",
        "enter summer",
        "tell your points",
        "give you 5 points",
        "take 50 points",
        "something that this version of the phone does not know",
    ]
    assert [action_line(replace(action, refusal=None)) for action in after.actions] == [
        "charge 5.00 EUR (VISA 1111)",
        "pay bill R-17 of 5.00 EUR at the terminal (Water)",
        "enter summer with ticket T1 (Summer, Row 4)",
        "tell your 40 points of beans",
        "give you 5 points of beans",
        "take 50 points of beans worth 5.00 EUR",
    ]
    assert after.actions[0].refusal == Refusal(reason="BILL_IN_USE")
