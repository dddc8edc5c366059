"""What the customer sees is what the phone signs: every value of the statement is on the screen."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from tallymark.v1 import action_pb2, money_pb2, process_pb2
from tallymark_phone._process_messages import to_process
from tallymark_phone.device_signatures import sign_answer
from tallymark_phone.display import local_time, plain
from tallymark_phone.process_display import claim_lines, process_lines
from tallymark_phone.processes import Decision, Money
from tallymark_protocol import confirmation
from tallymark_protocol.confirmation import ActionKind, Amount, Confirmation, ConfirmedAction
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.timestamps import to_timestamp
from tests.unit.protocol.confirmations import granted_actions

KEY = DevicePrivateKey.generate()

names = st.text(min_size=1, max_size=8)
amounts = st.none() | st.builds(
    Amount, currency_code=st.sampled_from(["EUR", "JPY"]), minor_units=st.integers(1, 10**9)
)
seen = st.builds(
    Confirmation,
    decision=st.just(confirmation.Decision.DECLINE),
    state=st.sampled_from(confirmation.AnsweredState),
    process_id=names,
    merchant_id=names,
    merchant_name=names,
    terminal_id=names,
    actions=st.lists(granted_actions, min_size=1, max_size=4).map(tuple),
    sale_total=amounts,
    card_total=amounts,
    confirm_by=st.just(0) | st.integers(10**12, 2 * 10**12),
    process_version=st.integers(1, 10**6),
)


@given(seen)
def test_every_value_that_is_signed_is_on_the_screen(told: Confirmation) -> None:
    process = to_process(message_of(told))

    assert process.answer_form == told
    for view in (process_lines(process), claim_lines(process)):
        screen = printed(view)
        for value in values_of(told):
            assert value in screen


@given(seen, st.sampled_from(Decision), st.sampled_from(["", "00", "42"]))
def test_what_is_signed_is_the_statement_of_the_message_that_was_shown(
    told: Confirmation, decision: Decision, digits: str
) -> None:
    message = message_of(told)

    answer = sign_answer(to_process(message), decision, digits=digits, device_key=KEY)

    statement = confirmation_of(message, confirmation.Decision[decision.name], digits).to_bytes()
    assert KEY.public().verify(statement, answer.signature)
    assert (answer.decision, answer.digits) == (decision, digits)


def values_of(told: Confirmation) -> Iterator[str]:
    """Yield what a statement has in it, as it is written for people."""
    yield told.state.lower().replace("_", " ")
    yield from map(plain, (told.process_id, told.merchant_id, told.merchant_name, told.terminal_id))
    yield f"version {told.process_version}"
    yield from (money(total) for total in (told.sale_total, told.card_total) if total)
    if told.confirm_by:
        yield local_time(datetime.fromtimestamp(told.confirm_by // 1000, UTC))
    for action in told.actions:
        yield from map(plain, texts_of(action))
        if action.amount:
            yield money(action.amount)
        if action.points:
            yield f"{action.points} points"
        if action.direction:
            yield {"ENTRY": "enter", "EXIT": "leave"}[action.direction]
        if action.funding:
            yield {"CARD": "by card", "AT_TERMINAL": "at the terminal"}[action.funding]


def texts_of(action: ConfirmedAction) -> tuple[str, ...]:
    return (action.bill_reference, action.event_id, action.ticket_id, action.programme_id)


def message_of(told: Confirmation) -> process_pb2.Process:
    """Return the message whose statement this is."""
    return process_pb2.Process(
        process_id=told.process_id,
        state=process_pb2.ProcessState.Value(f"PROCESS_STATE_{told.state.value}"),
        version=told.process_version,
        merchant_id=told.merchant_id,
        merchant_name=told.merchant_name,
        terminal_id=told.terminal_id,
        actions=[outcome_of(action) for action in told.actions],
        sale_total=money_message(told.sale_total),
        card_total=money_message(told.card_total),
        confirm_by=to_timestamp(told.confirm_by) if told.confirm_by else None,
    )


def outcome_of(action: ConfirmedAction) -> action_pb2.ActionOutcome:
    """Return the action as it is granted; its kind alone is asked for."""
    fields: dict[ActionKind, dict[str, Any]] = {
        ActionKind.CHARGE: {"amount": money_message(action.amount)},
        ActionKind.PAY_BILL: {
            "bill_reference": action.bill_reference,
            "amount": money_message(action.amount),
            "funding": f"FUNDING_{action.funding}",
        },
        ActionKind.ADMIT: {
            "event_id": action.event_id,
            "ticket_id": action.ticket_id,
            "direction": f"ADMIT_DIRECTION_{action.direction}",
        },
        ActionKind.READ_POINTS: {"programme_id": action.programme_id},
        ActionKind.EARN_POINTS: {"programme_id": action.programme_id, "points": action.points},
        ActionKind.BURN_POINTS: {
            "programme_id": action.programme_id,
            "points": action.points,
            "value": money_message(action.amount),
        },
    }
    asked = action_pb2.Action()
    getattr(asked, action.kind.value).SetInParent()
    told: dict[str, Any] = {action.kind.value: fields[action.kind]}
    return action_pb2.ActionOutcome(action=asked, instruction=action_pb2.Instruction(**told))


def money_message(amount: Amount | None) -> money_pb2.Money | None:
    if amount is None:
        return None
    return money_pb2.Money(currency_code=amount.currency_code, minor_units=amount.minor_units)


def money(amount: Amount) -> str:
    return str(Money(currency_code=amount.currency_code, minor_units=amount.minor_units))


def printed(renderable: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=10_000, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(renderable, soft_wrap=True)
    return captured.get()
