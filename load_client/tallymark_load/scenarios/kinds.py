"""The kinds of visits that a scenario may have, with the ending that each should come to."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tallymark_load.scenarios import gate_visits, other_visits, points_visits, till_visits
from tallymark_load.scenarios.visit import COMPLETED, Visit

__all__ = ["KINDS", "Kind", "Spread"]

Spread = tuple[int, int]
"""Lowest and highest value, both included."""

_SMALL: Final = (100, 4_900)
"""Cents below which the policy asks nobody (confirm_money_from is 5000 by default)."""

_LARGE: Final = (5_000, 7_600)
"""Cents from which it asks, and below the first magic amount of the simulated institution."""

_NO_MONEY: Final = (107_751, 107_751)
"""Cents that the simulated institution declines: insufficient funds."""

_FEW: Final = (1, 50)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of visit."""

    play: Callable[[Visit], Awaitable[str]]
    """Plays it and returns its ending."""

    expected: str = COMPLETED
    options: Mapping[str, Spread] = field(default_factory=lambda: MappingProxyType({}))
    """Numbers that it draws, with their defaults."""

    admissions: int = 0
    """Entries of a ticket that it uses."""

    scans: bool = True
    """Whether a terminal scans a code in it by a call."""

    @property
    def sentence(self) -> str:
        """What happens, for people."""
        return (self.play.__doc__ or "").strip()


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "enter": Kind(play=gate_visits.enter, admissions=1),
        "enter-twice": Kind(play=gate_visits.enter_twice, admissions=1),
        "wrong-gate": Kind(play=gate_visits.ask_at_wrong_gate, expected="DECLINED EVENT_NOT_FOUND"),
        "pay": Kind(play=till_visits.pay, options={"cents": _SMALL, "points": _FEW}),
        "pay-with-a-yes": Kind(
            play=till_visits.pay_with_a_yes, options={"cents": _LARGE, "points": _FEW}
        ),
        "pay-with-points": Kind(
            play=till_visits.pay_with_points, options={"cents": _SMALL, "points": _FEW}
        ),
        "pay-a-bill": Kind(play=till_visits.pay_a_bill, options={"cents": _SMALL}),
        "pay-at-bound-till": Kind(
            play=till_visits.pay_at_bound_till, options={"cents": _SMALL, "points": _FEW}
        ),
        "pay-while-watching": Kind(
            play=till_visits.pay_while_watching, options={"cents": _SMALL, "points": _FEW}
        ),
        "no-money": Kind(
            play=till_visits.pay_with_a_yes,
            expected="DECLINED INSUFFICIENT_FUNDS",
            options={"cents": _NO_MONEY, "points": _FEW},
        ),
        "say-no": Kind(
            play=till_visits.say_no,
            expected="DECLINED CUSTOMER_DECLINED",
            options={"cents": _LARGE},
        ),
        "give-up": Kind(
            play=till_visits.give_up,
            expected="RELEASED RELEASED_BY_TERMINAL",
            options={"cents": _SMALL, "points": _FEW},
        ),
        "take-back": Kind(
            play=till_visits.take_back,
            expected="TAKEN BACK",
            options={"cents": _SMALL, "points": _FEW},
        ),
        "repeat": Kind(play=till_visits.repeat, options={"cents": _SMALL, "points": _FEW}),
        "show-code-again": Kind(
            play=till_visits.show_code_again, options={"cents": _SMALL, "points": _FEW}
        ),
        "collect": Kind(play=points_visits.collect, options={"points": _FEW}),
        "recount": Kind(play=points_visits.recount, options={"points": _FEW, "updates": (10, 30)}),
        "collect-on-stream": Kind(
            play=points_visits.collect_on_stream, options={"points": _FEW}, scans=False
        ),
        "recount-on-stream": Kind(
            play=points_visits.recount_on_stream,
            options={"points": _FEW, "updates": (10, 30)},
            scans=False,
        ),
        "look-around": Kind(play=other_visits.look_around, expected=other_visits.DONE, scans=False),
        "open-till": Kind(play=other_visits.open_till, expected=other_visits.DONE, scans=False),
        "ask-for-nothing": Kind(
            play=other_visits.ask_for_nothing, expected=other_visits.DONE, scans=False
        ),
    }
)
