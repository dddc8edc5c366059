"""Rules of a replay are read from TOML, and refused when they mean nothing."""

import pytest

from tallymark_load.replay.pace import Pace
from tallymark_load.replay.rules import ReplayRules, UnusableRules

MISTAKES = {
    "no TOML": "[[value]",
    "an unknown table": "[compares]\nignore = []",
    "an unknown key of a table": "[compare]\nignored = []",
    "an unknown key of a rule": '[[value]]\nkind = "a"\nfields = []\nfreshly = "uuid"',
    "a rule without its kind": '[[value]]\nfields = ["shop.v1.Order.id"]',
    "a value from nowhere": '[[value]]\nkind = "a"\nfields = []\nfresh = "dice"',
    "a member's secret": '[[value]]\nkind = "a"\nfields = []\nmember = "device_key"',
    "a signature of somebody else": 'signing = "shop"',
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_rules_that_mean_nothing_are_refused(mistake: str) -> None:
    with pytest.raises(UnusableRules):
        ReplayRules.parse(MISTAKES[mistake])


def test_the_rules_of_tallymark_are_shipped() -> None:
    rules = ReplayRules.of_tallymark()

    assert rules.signing == "tallymark"
    assert {"request", "code", "process"} <= {rule.kind for rule in rules.values}


def test_no_rules_are_rules_too() -> None:
    assert ReplayRules.parse("") == ReplayRules()


PACES = [
    (Pace(speed=1), [0, 1_000, 2_000]),
    (Pace(speed=10), [0, 100, 200]),
    (Pace(speed=0.5), [0, 2_000, 4_000]),
    (Pace.flat_out(), [None, None, None]),
]


@pytest.mark.parametrize(("pace", "due"), PACES, ids=str)
def test_a_pace_stretches_recorded_time(pace: Pace, due: list[int | None]) -> None:
    assert [pace.due_ns(recorded) for recorded in (0, 1_000, 2_000)] == due


def test_the_speed_of_a_ramp_rises_evenly_and_then_stays() -> None:
    second = 1_000_000_000
    pace = Pace(speed=2, ramp_seconds=4)

    due = [pace.due_ns(recorded * second) for recorded in (0, 1, 4, 5, 6)]

    assert due == [0, 2 * second, 4 * second, 4.5 * second, 5 * second]


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_time_that_stands_still_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Pace(speed=speed)
