"""What the state machine chooses from: mostly what good programs send, seldom nonsense."""

from typing import Any

from hypothesis import strategies as st

from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.commands import TerminalTag
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    EarnPointsAsk,
    Funding,
    PayBillAsk,
    ReadPointsAsk,
    SettlementTask,
)
from tallymark_server.domain.model.people import BillReference, TicketReference
from tallymark_server.domain.model.processes import CodePurpose
from tallymark_server.domain.model.processes import ProcessState as State
from tallymark_server.domain.model.registrations import AdmitDirection
from tests.unit.domain.furniture import DEVICES, TERMINALS, euro

REMEMBERED_MAX = 40
"""Requests that are kept to be repeated."""

PICK_OTHERS_ABOVE = 7
"""Picks above this one are of any row, not of those that a rule is made for."""

POLICY: dict[str, int] = {
    "bind_money_from": 6_500,
    "unconfirmed_count_max": 3,
    "unconfirmed_sum_max": 6_000,
    "new_terminal_days": 3_650,  # so that every terminal is new
    "new_terminal_count_max": 5,
    "new_terminal_sum_max": 9_000,
}
"""Bounds that the steps of one run reach."""

DUE_MAX = 500
"""More than can be left to do after the steps of one run."""

TAG = TerminalTag(terminal_id="till-2", merchant_id="cafe")
SMALL = ChargeAsk(amount=euro(300))
OTHER_TERMINAL = {"till-1": "till-2", "till-2": "gate-1", "gate-1": "till-1"}
TIMED = (State.AWAITING_CUSTOMER, State.AUTHORISING, State.INSTRUCTED)
SETTLING = (SettlementTask.CAPTURE, SettlementTask.REVERSE, SettlementTask.RECHECK)
REFUSED = {
    SettlementTask.CAPTURE: CaptureResult.REFUSED,
    SettlementTask.REVERSE: ReversalResult.REFUSED,
}

reversals = st.sampled_from([0, 0, 0, 1, 2])
steps = st.sampled_from([0, 0, 1, 1, 2, 3])
pick = st.integers(0, 9)
mostly = st.sampled_from([True, True, True, True, False])
seldom = st.sampled_from([False, False, False, False, True])

devices = st.sampled_from(["ana-1", "ana-1", "ana-1", *DEVICES])
customers = st.sampled_from(["ana", "ben"])
terminals = st.sampled_from(["till-1", "till-1", "till-1", *TERMINALS])
own_events = st.sampled_from(["jazz", "jazz", "fair"])
some_directions = st.lists(
    st.sampled_from([AdmitDirection.ENTRY, *AdmitDirection]), min_size=1, max_size=4
)
numbers = st.sampled_from(["number-of-ana", "number-of-ana", "number-of-ben", "number-of-nobody"])
digits = st.sampled_from(["", "", "42", "42", "41"])
purposes = st.sampled_from([*[CodePurpose.GENERAL] * 3, *CodePurpose])

chosen: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *[{}] * 6,
        {"card_id": "ana-card-2"},
        {"card_id": "nobodys-card"},
        {"tag": TAG},
        {"bill": BillReference(merchant_id="cafe", bill_reference="B-2")},
        {"ticket": TicketReference(event_id="jazz", ticket_id="J-2")},
    ]
)

totals = st.sampled_from([900, 900, 900, 7_000, 0, None])
numbers_of_points = st.integers(1, 400)
differences = st.sampled_from([0, 500, 501, -1, -999, -999, -1_000])
some_differences = st.lists(differences, max_size=2)
waits = st.sampled_from([1, 1, 1_000, 20_000, 61_000, 200_000, 8 * 24 * 3600 * 1000])
off_by = st.sampled_from([-1, 0, -1, 1])
answers = st.sampled_from(
    [
        *[AuthorisationAnswer.APPROVED] * 5,
        *[AuthorisationAnswer.PARTIALLY_APPROVED] * 2,
        *AuthorisationAnswer,
    ]
)

_ask: st.SearchStrategy[Ask] = st.one_of(
    st.builds(
        ChargeAsk,
        amount=st.sampled_from([None, None, euro(0), euro(300), euro(4_999), euro(5_000)]),
    ),
    st.builds(
        PayBillAsk,
        bill_reference=st.sampled_from(["", "B-1", "B-2", "B-3", "B-9", "H-1"]),
        funding=st.sampled_from(Funding),
    ),
    st.builds(
        AdmitAsk,
        event_id=st.sampled_from(["jazz", "jazz", "fair", "pool", "nothing"]),
        direction=st.sampled_from([AdmitDirection.ENTRY, *AdmitDirection]),
    ),
    st.builds(ReadPointsAsk),
    st.builds(EarnPointsAsk, points=st.sampled_from([1, 60, 500, 501])),
    st.builds(BurnPointsAsk, points=st.sampled_from([1, 30, 600, 1_000])),
)


_rest = ChargeAsk(amount=None)
_bill = PayBillAsk(bill_reference="B-1", funding=Funding.CARD)
_bill_in_cash = PayBillAsk(bill_reference="B-1", funding=Funding.AT_TERMINAL)
_enter = AdmitAsk(event_id="jazz", direction=AdmitDirection.ENTRY)

sales: st.SearchStrategy[list[Ask]] = st.sampled_from(
    [
        [_rest],
        [_bill_in_cash],
        [_rest, _bill],
        [BurnPointsAsk(points=30), _rest, EarnPointsAsk(points=60), _enter],
        [_rest, BurnPointsAsk(points=1_000), _bill],
        [_enter, _bill_in_cash],
        [_rest, AdmitAsk(event_id="fair", direction=AdmitDirection.ENTRY)],
        [ChargeAsk(amount=euro(6_500))],
    ]
)


def _once(ask: Ask) -> object:
    """Return what must not be asked twice in one scan: a bill, a passage, any other kind."""
    return ask if isinstance(ask, PayBillAsk | AdmitAsk) else type(ask)


asks = st.lists(_ask, min_size=1, max_size=4, unique_by=_once)
points_asks = st.sampled_from(
    [
        [ReadPointsAsk()],
        [EarnPointsAsk(points=60)],
        [BurnPointsAsk(points=600), EarnPointsAsk(points=1)],
        [BurnPointsAsk(points=1_000)],
    ]
)
