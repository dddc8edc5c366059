"""The plots of docs/performance.md, each made of the lines of a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["PLOTS", "draw"]

OURS, OTHER, WANTED = "#1f6f8b", "#b0bec5", "#c0392b"
"""What is measured, what it is compared with, and the bound that it has to keep."""

SECOND: Final = "#e0a030"

Lines = Mapping[str, Mapping[str, Any]]
"""Figures of each line by its name."""

_STYLE: Final[dict[Any, Any]] = {
    "figure.figsize": (8.0, 4.2),
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "tallymark",  # the same lines make the same file
}


def draw(folder: Path, lines: Lines) -> list[str]:
    """Write every plot that there are lines for, as SVG; return their names."""
    drawn = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, plot in PLOTS.items():
        with mpl.rc_context(_STYLE):
            figure = Figure(layout="constrained")
            if plot(figure, lines):
                figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
                drawn.append(name)
    return drawn


def _rates(figure: Figure, lines: Lines) -> bool:
    """Plot scans a second: one by one, in batches, and the two ceilings."""
    sizes = [size for size in (1, 10, 50, 200) if f"exchange, {size} at once" in lines]
    if not sizes or "admit" not in lines:
        return False
    axes = figure.subplots()
    for name, colour in (("exchange", OURS), ("raw SQLite", OTHER)):
        rates = [lines[f"{name}, {size} at once"]["got"] for size in sizes]
        label = "Exchange" if name == "exchange" else "the same writes, raw SQLite"
        axes.plot(sizes, rates, "o-", color=colour, label=label, linewidth=2)
    axes.axhline(lines["admit"]["got"], color=SECOND, label="one call each", linewidth=2)
    axes.axhline(lines["echo of admit"]["got"], color=SECOND, linestyle=":", label="bare echo")
    axes.set(xscale="log", yscale="log", xlabel="commands in a message", ylabel="scans per second")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.legend()
    return True


def _growth(figure: Figure, lines: Lines) -> bool:
    """Plot the ratio of cost by size, with its interval, for each kind of call."""
    found = [one for one in lines.values() if "kind" in one and "large" in one]
    if not found:
        return False
    kinds = list(dict.fromkeys(one["kind"] for one in found))
    sizes = sorted({one["large"] for one in found})
    both = figure.subplots(1, 2, sharey=True)
    for axes, what in zip(both, ("processor", "latency"), strict=True):
        for place, size in enumerate(sizes):
            for one in found:
                if (one["what"], one["large"]) == (what, size):
                    low, high = one["interval"]
                    y = kinds.index(one["kind"]) + 0.25 * (place - (len(sizes) - 1) / 2)
                    colour = OURS if size == sizes[-1] else OTHER
                    axes.plot([low, high], [y, y], color=colour, linewidth=2)
                    axes.plot(one["got"], y, "o", color=colour)
        axes.axvline(1.25, color=WANTED, linestyle="--", linewidth=1)
        axes.axvline(1.0, color="#888888", linewidth=1)
        unit = "processor time" if what == "processor" else "time to answer"
        axes.set(xlabel=f"{unit} / that at {found[0]['small']:,} codes")
        axes.set_yticks(range(len(kinds)), kinds)
    for size in sizes:
        both[1].plot([], [], "o-", color=OURS if size == sizes[-1] else OTHER, label=f"{size:,}")
    both[1].plot([], [], "--", color=WANTED, linewidth=1, label="wanted")
    figure.legend(loc="outside upper center", ncols=len(sizes) + 1, title="codes in the database")
    both[0].invert_yaxis()
    return True


def _memory(figure: Figure, lines: Lines) -> bool:
    """Plot what waiting phones hold, and what a server holds over many calls."""
    waiting = [one for one in lines.values() if "connections" in one]
    steady = next((one for one in lines.values() if "samples" in one), None)
    if not waiting or steady is None:
        return False
    left, right = figure.subplots(1, 2)
    names = [f"{one['connections']:,} connections" for one in waiting]
    before = [one["before"] for one in waiting]
    left.bar(names, before, color=OTHER, label="before", width=0.5)
    phones = [one["got"] - one["before"] for one in waiting]
    label = f"{waiting[0]['phones']:,} phones"
    left.bar(names, phones, bottom=before, color=OURS, label=label, width=0.5)
    for place, one in enumerate(waiting):
        if one["target"]:
            bound = float(one["target"].removeprefix("<= "))
            left.plot([place - 0.35, place + 0.35], [bound, bound], "--", color=WANTED)
    left.plot([], [], "--", color=WANTED, label="wanted, at most")
    left.set(ylabel="memory of the server in MiB")
    left.legend()
    calls, held = zip(*steady["samples"], strict=True)
    right.plot(calls, held, color=OURS, linewidth=2)
    right.set(xlabel="calls answered", ylabel="memory of the server in MiB", ylim=(0, None))
    right.ticklabel_format(axis="x", style="plain")
    right.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    right.tick_params(axis="x", rotation=30)
    return True


def _told(figure: Figure, lines: Lines) -> bool:
    """Plot how many phones were told of a scan after how long."""
    found = {name: one for name, one in lines.items() if "milliseconds" in one and "told" in name}
    if not found:
        return False
    axes = figure.subplots()
    for (name, one), colour in zip(found.items(), (OURS, OTHER, SECOND), strict=False):
        late = sorted(one["milliseconds"])
        share = [100 * (place + 1) / len(late) for place in range(len(late))]
        axes.plot(late, share, color=colour, linewidth=2, label=name.partition(":")[0])
    axes.axvline(1_000, color=WANTED, linestyle="--", linewidth=1, label="wanted, at most")
    axes.set(
        xscale="log", xlabel="milliseconds after the gate sent the scan", ylabel="% of phones told"
    )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    figure.legend(loc="outside upper center", ncols=2)
    return True


def _scanning(figure: Figure, lines: Lines) -> bool:
    """Plot milliseconds for a frame, ours and plain."""
    found = [one for one in lines.values() if "ours_milliseconds" in one]
    if not found:
        return False
    sizes = sorted({one["size"] for one in found}, key=len)
    for axes, size in zip(figure.subplots(1, len(sizes), sharey=True), sizes, strict=True):
        shown = [one for one in found if one["size"] == size]
        _pairs(axes, shown)
        axes.set(title=size, xlabel="ms of processor time a frame")
    axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return True


def _pairs(axes: Axes, shown: Sequence[Mapping[str, Any]]) -> None:
    for name, colour, shift in (("plain", OTHER, -0.2), ("ours", OURS, 0.2)):
        places = [place + shift for place in range(len(shown))]
        widths = [one[f"{name}_milliseconds"] for one in shown]
        label = "ours" if name == "ours" else "zxing-cpp, defaults"
        axes.barh(places, widths, height=0.38, color=colour, label=label)
    axes.set_yticks(range(len(shown)), [one["scene"] for one in shown])
    axes.grid(visible=False, axis="y")


def _overload(figure: Figure, lines: Lines) -> bool:
    """Plot goodput by what was offered."""
    found = {name: one for name, one in lines.items() if name.endswith("goodput / peak")}
    if not found:
        return False
    axes = figure.subplots()
    for who, colour in (("heeding", OURS), ("deaf", OTHER)):
        points = sorted(
            (float(name.partition("x")[0]), one["got"])
            for name, one in found.items()
            if f", {who}:" in name
        )
        label = f"callers who {'heed' if who == 'heeding' else 'ignore'} what they are told"
        axes.plot(*zip(*points, strict=True), "o-", color=colour, linewidth=2, label=label)
    axes.axhline(0.9, color=WANTED, linestyle="--", linewidth=1, label="wanted, at least")
    axes.set(xlabel="calls offered, times what the server can do", ylabel="answered, of the peak")
    axes.set_ylim(0, None)
    axes.legend()
    return True


PLOTS: Final = {
    "rates": _rates,
    "growth": _growth,
    "memory": _memory,
    "told": _told,
    "scanning": _scanning,
    "overload": _overload,
}
