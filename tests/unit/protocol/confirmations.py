"""Confirmations of every shape, for the tests of statements."""

from typing import Final

from hypothesis import strategies as st

from tallymark_protocol.confirmation import (
    ActionKind,
    Amount,
    AnsweredState,
    Confirmation,
    ConfirmedAction,
    Decision,
    Direction,
    Funding,
    Standing,
)

__all__ = ["EUR_5", "PURCHASE", "confirmations", "granted_actions", "undecided_actions"]

EUR_5: Final = Amount(currency_code="EUR", minor_units=500)

PURCHASE: Final = Confirmation(
    decision=Decision.APPROVE,
    state=AnsweredState.AWAITING_CUSTOMER,
    process_id="00" * 17,
    merchant_id="cafe",
    merchant_name="Corner Café",
    terminal_id="till-1",
    actions=(
        ConfirmedAction(
            kind=ActionKind.CHARGE,
            standing=Standing.GRANTED,
            amount=Amount(currency_code="EUR", minor_units=1130),
        ),
        ConfirmedAction(
            kind=ActionKind.BURN_POINTS,
            standing=Standing.GRANTED,
            amount=Amount(currency_code="EUR", minor_units=100),
            programme_id="beans",
            points=100,
        ),
    ),
    sale_total=Amount(currency_code="EUR", minor_units=1230),
    card_total=Amount(currency_code="EUR", minor_units=1130),
    confirm_by=1_790_000_045_000,
    process_version=1,
    digits="42",
)

# Few values each, so that two draws are often equal but for one place, and now and then any text.
texts = st.sampled_from(("a", "b", "EUR", "1")) | st.text(min_size=1, max_size=4)
numbers = st.sampled_from((1, 2, 23, 24, 255, 256)) | st.integers(1, 2**63 - 1)
amounts = st.builds(
    Amount, currency_code=st.sampled_from(("EUR", "JPY")), minor_units=st.just(0) | numbers
)
fundings = st.sampled_from((Funding.AT_TERMINAL, Funding.CARD))
directions = st.sampled_from((Direction.ENTRY, Direction.EXIT))
not_granted = st.sampled_from((Standing.ASKED, Standing.REFUSED))

granted_actions = st.one_of(
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.CHARGE),
        standing=st.just(Standing.GRANTED),
        amount=amounts,
    ),
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.PAY_BILL),
        standing=st.just(Standing.GRANTED),
        amount=amounts,
        bill_reference=texts,
        funding=fundings,
    ),
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.ADMIT),
        standing=st.just(Standing.GRANTED),
        event_id=texts,
        ticket_id=texts,
        direction=directions,
    ),
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.READ_POINTS),
        standing=st.just(Standing.GRANTED),
        programme_id=texts,
    ),
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.EARN_POINTS),
        standing=st.just(Standing.GRANTED),
        programme_id=texts,
        points=numbers,
    ),
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.BURN_POINTS),
        standing=st.just(Standing.GRANTED),
        amount=amounts,
        programme_id=texts,
        points=numbers,
    ),
)

undecided_actions = st.one_of(
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.CHARGE),
        standing=not_granted,
        amount=st.none() | amounts,
    ),
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.PAY_BILL),
        standing=not_granted,
        bill_reference=st.just("") | texts,
        funding=fundings,
    ),
    st.builds(
        ConfirmedAction,
        kind=st.just(ActionKind.ADMIT),
        standing=not_granted,
        event_id=texts,
        direction=directions,
    ),
    st.builds(ConfirmedAction, kind=st.just(ActionKind.READ_POINTS), standing=not_granted),
    st.builds(
        ConfirmedAction,
        kind=st.sampled_from((ActionKind.EARN_POINTS, ActionKind.BURN_POINTS)),
        standing=not_granted,
        points=numbers,
    ),
)


@st.composite
def confirmations(draw: st.DrawFn) -> Confirmation:
    actions = draw(st.lists(granted_actions | undecided_actions, min_size=1, max_size=3))
    standings = {action.standing for action in actions}
    is_decided = Standing.REFUSED in standings or Standing.ASKED not in standings
    decisions = tuple(Decision) if is_decided else (Decision.DECLINE,)
    return Confirmation(
        decision=draw(st.sampled_from(decisions)),
        state=draw(st.sampled_from(AnsweredState)),
        process_id=draw(texts),
        merchant_id=draw(texts),
        merchant_name=draw(texts),
        terminal_id=draw(texts),
        actions=tuple(actions),
        sale_total=draw(st.none() | amounts),
        card_total=draw(st.none() | amounts),
        confirm_by=draw(st.just(0) | numbers),
        process_version=draw(numbers),
        digits=draw(st.sampled_from(("", "00", "42"))),
    )
