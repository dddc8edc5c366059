"""Files of scenarios: what can be written, and what is said of what cannot."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tallymark_load.main import main
from tallymark_load.scenarios.arrivals import Stretch
from tallymark_load.scenarios.kinds import KINDS
from tallymark_load.scenarios.scenario import InvalidScenario, bundled_names, load_scenario

PAY = "[visits.pay]\nshare = 1\n"


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_a_file_says_kinds_shares_and_numbers(tmp_path: Path) -> None:
    text = 'description = "Mine"\nseconds = 4\nrate = 2\nthink_seconds = 0.5\nseed = 9\n'
    name = written(tmp_path, f"{text}[visits.pay]\nshare = 3\ncents = [1, 20]\npoints = 7\n")

    scenario = load_scenario(name)

    assert (scenario.name, scenario.description, scenario.seed) == ("mine", "Mine", 9)
    assert scenario.think_seconds == (0.5, 0.5)
    assert scenario.visits_planned == 8
    [visit] = scenario.visits
    assert (visit.kind, visit.share) == ("pay", 3)
    assert visit.options == {"cents": (1, 20), "points": (7, 7)}


@pytest.mark.parametrize(
    ("load", "stretches"),
    [
        ("seconds = 10\nrate = 5", (Stretch(seconds=10, rate=5, rate_at_end=5),)),
        (
            "seconds = 10\nrate = {from = 5, to = 80}",
            (Stretch(seconds=10, rate=5, rate_at_end=80),),
        ),
        (
            "rate = [{seconds = 1, rate = 2}, {seconds = 3, rate = 4}]",
            (
                Stretch(seconds=1, rate=2, rate_at_end=2),
                Stretch(seconds=3, rate=4, rate_at_end=4),
            ),
        ),
    ],
)
def test_a_rate_is_constant_or_rises_or_goes_in_steps(
    tmp_path: Path, load: str, stretches: tuple[Stretch, ...]
) -> None:
    scenario = load_scenario(written(tmp_path, f"{load}\n{PAY}"))

    assert scenario.stretches == stretches
    assert scenario.seconds == sum(stretch.seconds for stretch in stretches)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seconds = ", "is no TOML"),
        (f"rate = 5\n{PAY}", "seconds: it is a number"),
        (f"seconds = 0\nrate = 5\n{PAY}", "seconds: it is above 0"),
        (f"seconds = 5\n{PAY}", "rate: give either `rate`"),
        (f"seconds = 5\nrate = 5\nusers = 2\n{PAY}", "rate: give either `rate`"),
        (f'seconds = 5\nrate = "fast"\n{PAY}', "rate: it is a number"),
        (f"seconds = 5\nrate = true\n{PAY}", "rate: it is a number"),
        (f"seconds = 5\nrate = inf\n{PAY}", "rate: it is above 0"),
        (f"seconds = 5\nrate = {{from = 1, too = 3}}\n{PAY}", "rate.too: it is not known here"),
        (f"seconds = 5\nrate = {{from = 1}}\n{PAY}", "rate.to: it is a number"),
        (f"seconds = 5\nrate = []\n{PAY}", "seconds: steps have their own"),
        (f"rate = []\n{PAY}", "rate: give at least one step"),
        (f"rate = [3]\n{PAY}", "rate[0]: a step is like"),
        (f"rate = [{{seconds = 1, rate = 2}}, {{seconds = 1}}]\n{PAY}", "rate[1].rate: it is a"),
        (f"seconds = 5\nusers = 0\n{PAY}", "users: it is a whole number from 1"),
        (f"seconds = 5\nusers = 1.5\n{PAY}", "users: it is a whole number"),
        (f"seconds = 5\nrate = 1\nseed = -1\n{PAY}", "seed: it is a whole number from 0"),
        (f"seconds = 5\nrate = 1\nthink_seconds = [2, 1]\n{PAY}", "think_seconds: the first"),
        (f"seconds = 5\nrate = 1\nthink_seconds = -1\n{PAY}", "think_seconds: it is 0 or above"),
        (f"seconds = 5\nrate = 1\ndescription = 3\n{PAY}", "description: it is a text"),
        (f"secnods = 5\nrate = 1\n{PAY}", "secnods: it is not known here; did you mean seconds?"),
        ("seconds = 5\nrate = 1\n", "visits: add at least one kind"),
        ("seconds = 5\nrate = 1\nvisits = {}\n", "visits: add at least one kind"),
        ("seconds = 5\nrate = 1\nvisits = {pay = 3}\n", "visits.pay: a kind of visit is a table"),
        (
            "seconds = 5\nrate = 1\n[visits.entre]\nshare = 1\n",
            "visits.entre: there is no such kind",
        ),
        ("seconds = 5\nrate = 1\n[visits.entre]\nshare = 1\n", "did you mean enter?"),
        ("seconds = 5\nrate = 1\n[visits.pay]\n", "visits.pay.share: it is a number"),
        ("seconds = 5\nrate = 1\n[visits.pay]\nshare = 0\n", "visits.pay.share: it is above 0"),
        (
            "seconds = 5\nrate = 1\n[visits.enter]\nshare = 1\ncents = 3\n",
            "visits.enter.cents: it is not known here",
        ),
        (
            "seconds = 5\nrate = 1\n[visits.pay]\nshare = 1\ncents = [9, 3]\n",
            "visits.pay.cents: the first number is the lowest",
        ),
        (
            "seconds = 5\nrate = 1\n[visits.pay]\nshare = 1\ncents = 0\n",
            "visits.pay.cents: it is a whole number from 1",
        ),
        (
            'seconds = 5\nrate = 1\n[visits.pay]\nshare = 1\ncents = "all"\n',
            "visits.pay.cents: it is a whole number",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    name = written(tmp_path, text)

    with pytest.raises(InvalidScenario) as refused:
        load_scenario(name)

    assert said in str(refused.value)
    assert name in str(refused.value)


def test_options_take_the_place_of_what_the_file_says(tmp_path: Path) -> None:
    name = written(tmp_path, f"seconds = 50\nusers = 3\n{PAY}")

    scenario = load_scenario(name, seconds=2, rate=10, seed=8)

    assert (scenario.users, scenario.visits_planned, scenario.seed) == (0, 20, 8)


def test_five_minutes_of_the_shift_are_more_than_50_000_messages() -> None:
    scenario = load_scenario("shift")
    # Issuing and scanning a code are two calls of two messages each; nearly all visits do both.
    visits = scenario.visits_planned

    assert visits is not None
    assert scenario.seconds == 300
    assert visits * 3 * 2 >= 50_000, "a visit has three calls and more on average"


@pytest.mark.parametrize("name", bundled_names())
def test_what_comes_with_the_program_can_be_played(name: str) -> None:
    assert load_scenario(name).description


def test_the_list_shows_scenarios_and_kinds_of_visits() -> None:
    result = CliRunner().invoke(main, ["run", "--list"])

    assert result.exit_code == 0
    assert [name for name in (*bundled_names(), *KINDS) if f"  {name} " not in result.output] == []
    assert all(kind.sentence in result.output for kind in KINDS.values())


@pytest.mark.parametrize("name", ["nothing", "nothing.toml"])
def test_a_scenario_that_is_not_there_is_told_with_those_that_are(name: str) -> None:
    result = CliRunner().invoke(main, ["run", name, "--cast", "any.cast"])

    assert result.exit_code == 2
    assert "gate-rush, points-batch, shift, till-mix" in result.output
