"""What a run measured: from when calls were due, by method and second, in every format."""

import io
import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tallymark_load.results import InvalidCondition, LiveView, Measurements, Sample, StopWhen
from tallymark_load.results.figures import percentile, summary, table
from tallymark_load.results.hdr_files import write_hdr
from tallymark_load.results.options import ResultFiles, result_options, stop_when_option
from tallymark_load.results.plot import write_plot

MS = 1_000_000
SECOND = 1000 * MS


def begun() -> Measurements:
    return Measurements(started_ns=7 * SECOND, started_at_ns=1_790_000_000 * SECOND)


def add(  # noqa: PLR0913 -- a call has many times
    measurements: Measurements,
    *,
    due_ms: float,
    took_ms: float,
    late_ms: float = 0.0,
    method: str = "/a.B/C",
    outcome: str = "OK",
    is_expected: bool = False,
) -> None:
    """Count a call that took so long from the moment at which it was due."""
    due = measurements.started_ns + round(due_ms * MS)
    measurements.count_sent()
    measurements.record(
        Sample(
            method=method,
            intended_ns=due,
            sent_ns=due + round(late_ms * MS),
            ended_ns=due + round(took_ms * MS),
            outcome=outcome,
            is_expected=is_expected,
        )
    )


def a_busy_run() -> Measurements:
    measurements = begun()
    for number in range(300):
        method = "/a.B/C" if number % 3 else "/a.B/D"
        outcome = "CODE_EXPIRED" if number == 250 else "OK"
        add(measurements, due_ms=number * 10, took_ms=1 + number / 10, method=method,
            outcome=outcome)  # fmt: skip
    return measurements


def test_a_stall_counts_for_every_call_that_was_due_in_it() -> None:
    """One call in a hundred is slow when counted from sending; half of them are, from being due."""
    measurements = begun()
    for number in range(100):
        waited = max(0, 500 - number * 10)
        add(measurements, due_ms=number * 10, took_ms=waited + 1, late_ms=waited)

    latency = summary(measurements)["latency_ms"]

    assert isinstance(latency, dict)
    assert latency["p50"] >= 1
    assert latency["p90"] > 350
    assert percentile(sorted(measurements.whole().lateness), 90) > 350_000


@given(st.lists(st.integers(0, 10**6), min_size=1), st.floats(0.1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(
    values: list[int], percent: float
) -> None:
    found = percentile(sorted(values), percent)

    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values)
    assert sum(value < found for value in values) < math.ceil(percent / 100 * len(values))


def test_an_outcome_that_was_to_come_is_no_error() -> None:
    measurements = begun()
    add(measurements, due_ms=0, took_ms=1, outcome="CODE_EXPIRED", is_expected=True)
    add(measurements, due_ms=0, took_ms=1, outcome="UNAVAILABLE")

    figures = summary(measurements)

    assert figures["errors"] == 1
    assert figures["outcomes"] == {"CODE_EXPIRED": 1, "UNAVAILABLE": 1}


def test_figures_are_there_by_method_and_by_second_and_are_json() -> None:
    figures = json.loads(json.dumps(summary(a_busy_run())))

    assert figures["calls"] == 300
    assert {name: one["calls"] for name, one in figures["methods"].items()} == {
        "/a.B/C": 200,
        "/a.B/D": 100,
    }
    assert [(one["second"], one["calls"], one["errors"]) for one in figures["seconds"]] == [
        (0, 100, 0),
        (1, 100, 0),
        (2, 100, 1),
    ]
    assert figures["latency_ms"]["max"] == 30.9
    assert figures["started_at"] == "2026-09-21T14:13:20+00:00"


def test_the_table_names_methods_outcomes_and_what_never_ended() -> None:
    measurements = a_busy_run()
    measurements.count_sent()

    text = table(measurements)

    assert text.splitlines()[0].split() == [
        "method", "calls", "errors", "calls/s", "p50", "p90", "p99", "p99.9", "max",
    ]  # fmt: skip
    assert "a.B/C" in text
    assert "1  CODE_EXPIRED" in text
    assert "1 calls had not ended" in text


def test_a_run_without_calls_has_figures_too(tmp_path: Path) -> None:
    assert summary(begun())["calls"] == 0
    assert "all" in table(begun())
    write_plot(begun(), tmp_path / "empty.svg", title="nothing")


def test_other_tools_read_the_histogram_log(tmp_path: Path) -> None:
    measurements = a_busy_run()

    write_hdr(measurements, tmp_path / "run.hlog")

    whole = HdrHistogram(1_000, 60 * SECOND, 3)
    reader = HistogramLogReader(str(tmp_path / "run.hlog"), whole)
    while reader.add_next_interval_histogram() is not None:
        continue
    reader.close()
    assert whole.get_total_count() == 300
    exact = percentile(sorted(measurements.whole().latencies), 99) * 1000
    assert whole.get_value_at_percentile(99) == pytest.approx(exact, rel=0.001)
    tags = {line.partition(",")[0] for line in (tmp_path / "run.hlog").read_text().splitlines()}
    assert {"Tag=/a.B/C", "Tag=/a.B/D"} <= tags


def test_the_distribution_is_in_milliseconds(tmp_path: Path) -> None:
    write_hdr(a_busy_run(), tmp_path / "run.hgrm")

    lines = (tmp_path / "run.hgrm").read_text().splitlines()
    last = [line for line in lines if line and not line.startswith("#")][-1]
    assert [float(word) for word in last.split()] == [pytest.approx(30.9, rel=0.001), 1.0, 300]
    assert lines[-3].startswith("#[Mean    =       15.9")
    deviation = float(lines[-3].rpartition("=")[2].strip(" ]"))
    assert deviation == pytest.approx(8.66, rel=0.01)


def test_the_picture_is_drawn_in_both_formats(tmp_path: Path) -> None:
    for name in ("run.png", "run.svg"):
        write_plot(a_busy_run(), tmp_path / name, title="A busy run")

    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(tmp_path / "run.svg").getroot().tag.endswith("svg")  # noqa: S314 -- our own


@pytest.mark.parametrize(
    ("condition", "seen"),
    [
        ("errors>1%", "2.0 % errors"),
        ("errors>1", "2 errors"),
        ("calls>99", "100 calls"),
        ("p99>500ms", "p99 601.0 ms"),
        ("p50 > 2ms", "p50 3.0 ms"),
        ("p99.9>0.6s", "p99.9 602.0 ms"),
        ("late-p90>1ms", "late-p90 2.0 ms"),
        ("in-flight>9", "10 in-flight"),
        ("duration>1s", "2 s"),
    ],
)
def test_a_run_stops_when_a_condition_holds(condition: str, seen: str) -> None:
    measurements = begun()
    for number in range(100):
        slow = 600 + number - 97 if number > 97 else 3
        outcome = "UNAVAILABLE" if number > 97 else "OK"
        add(measurements, due_ms=0, took_ms=slow, late_ms=2, outcome=outcome)
    for _ in range(10):
        measurements.count_sent()
    now = measurements.started_ns + 2 * SECOND

    stop = StopWhen([condition]).check(measurements, now)

    assert stop is not None
    assert str(stop) == f"stopped by {condition}: {seen}"
    assert stop.is_failure == (not condition.startswith(("duration", "calls")))
    name, _, limit = condition.partition(">")
    assert StopWhen([f"{name}>1000{limit.strip(' 0123456789.')}"]).check(measurements, now) is None


def test_few_calls_say_nothing_about_shares() -> None:
    measurements = begun()
    add(measurements, due_ms=0, took_ms=900, outcome="UNAVAILABLE")

    conditions = StopWhen(["errors>1%", "p99>1ms"])

    assert conditions.check(measurements, measurements.started_ns + 2 * SECOND) is None


def test_only_the_last_seconds_count_for_shares() -> None:
    measurements = begun()
    for number in range(3_000):
        add(measurements, due_ms=number * 10, took_ms=1,
            outcome="UNAVAILABLE" if number < 100 else "OK")  # fmt: skip
    condition = StopWhen(["errors>1%"])

    assert condition.check(measurements, measurements.started_ns + 30 * SECOND) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("errors", "'errors' is not a condition such as errors>1%"),
        ("p99<5ms", "is not a condition"),
        ("p99>5", "needs one of the units us, ms, s, m, h"),
        ("p100>5ms", "'p100' is not measured"),
        ("duration>5 parsecs", "needs one of the units"),
        ("calls>5ms", "has no unit"),
    ],
)
def test_a_condition_that_makes_no_sense_is_told_at_once(text: str, why: str) -> None:
    with pytest.raises(InvalidCondition, match=why.replace("|", ".")):
        StopWhen(["errors>1%", text])


async def test_the_live_view_tells_where_a_run_is_on_a_terminal_and_elsewhere() -> None:
    measurements = a_busy_run()
    for is_terminal in (True, False):
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=is_terminal, width=100)
        view = LiveView(measurements, title="replay", planned=600, console=console,
                        now_ns=lambda: measurements.started_ns + 3 * SECOND)  # fmt: skip

        async with view:
            console.print(view.panel())

        text = shown.getvalue() + view.line()
        assert "0:03, 300 of 600 sent, 0 in flight, 1 errors" in text
        assert "99 calls/s, p50 " in text
        assert "CODE_EXPIRED" in text


async def test_the_live_view_passes_an_error_of_the_run_on_as_it_is() -> None:
    async def run() -> None:
        async with LiveView(begun(), title="run", console=Console(file=io.StringIO())):
            message = "the run failed"
            raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="the run failed"):
        await run()


def test_options_write_every_file_and_refuse_what_cannot_be_written(tmp_path: Path) -> None:
    @click.command()
    @result_options
    @stop_when_option
    def command(stop_when: StopWhen, **files: Path | None) -> None:
        assert stop_when.check(begun(), 0) is None
        ResultFiles(**files).write(a_busy_run(), title="A busy run")

    names = {"--json": "run.json", "--hdr": "run.hgrm", "--plot": "run.png"}
    options = [str(one) for option, name in names.items() for one in (option, tmp_path / name)]
    done = CliRunner().invoke(command, [*options, "--stop-when", "errors>1%"])

    assert done.exit_code == 0, done.output
    assert "a.B/D" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names.values())
    for wrong in (["--plot", "run.gif"], ["--hdr", "run.json"], ["--stop-when", "often"]):
        assert CliRunner().invoke(command, wrong).exit_code == 2
