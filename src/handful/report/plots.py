"""Figures as inline SVG: the interval of the deciding score for each run, and loss curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from handful.pages.figures import ACCENT, FAINT, GREY, INK, STYLE, quiet, to_svg
from handful.report.tables import Cell, Table

_LINES = ((ACCENT, "-"), (INK, "-"), (GREY, "-"), (ACCENT, "--"), (INK, "--"), (GREY, "--"))
_MOST_POINTS = 1200  # of one loss over all runs
_LEAST_POINTS = 40

Curve = Sequence[tuple[int, float]]


def interval_plot(table: Table, score: str) -> str:
    """Every run's value and 95 % interval of one score, a line a run, grouped by generator. Anchors are grey."""
    rows = [row for row in (table.run_rows or table.rows) if score in row.cells]
    places: dict[str, float] = {}
    height = 0.0
    heights = []
    gap = 0.32 if len(rows) <= 24 else 0.16
    for row in rows:
        if row.name not in places:
            height += 1.0
            places[row.name] = height
        else:
            height += gap
        heights.append(height)
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"{table.protocol_fingerprint}{score}"}):
        figure = Figure(figsize=(7.4, 0.42 * height + 0.75), layout="constrained")
        axes = figure.add_subplot()
        for y, row in zip(heights, rows, strict=True):
            cell, colour = row.cells[score], GREY if row.anchor else ACCENT
            if cell.low is not None and cell.high is not None:
                axes.plot([cell.low, cell.high], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
            axes.plot([cell.value], [y], marker="o", markersize=4.5, color=colour)
        axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
        axes.set_yticks(list(places.values()), list(places))
        axes.set_ylim(height + 0.6, 0.4)
        axes.set_xlabel(f"{score}, {table.protocol}")
        quiet(axes)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        return to_svg(figure, f"{score} of every run with its 95 % interval")


def loss_plot(name: str, runs: Sequence[Mapping[str, Curve]]) -> str:
    """All losses of one generator over steps; each run is a thin line of the same look."""
    losses = list(dict.fromkeys(loss for run in runs for loss in run))
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(5.0, 2.6), layout="constrained")
        axes = figure.add_subplot()
        shown: list[float] = []
        for index, loss in enumerate(losses):
            colour, dash = _LINES[index % len(_LINES)]
            for count, run in enumerate(runs):
                steps, values = _thin_out(run.get(loss, ()), max(_LEAST_POINTS, _MOST_POINTS // max(4, len(runs))))
                shown += values
                axes.plot(steps, values, dash, color=colour, linewidth=1, label=None if count else loss)
        if shown and min(shown) > 0 and max(shown) > 100 * min(shown):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best")
        quiet(axes)
        return to_svg(figure, f"Losses of {name}")


def scatter_plot(points: Sequence[tuple[str, bool, Cell, Cell]], across: str, up: str) -> str:
    """A named point for each contestant, with the intervals of both scores. Anchors are grey.

    Args:
        points: (name, whether it is an anchor, score across, score upwards).
        across: label of the horizontal axis.
        up: label of the vertical axis.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"{across}{up}"}):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for name, anchor, x, y in points:
            colour = GREY if anchor else ACCENT
            if x.low is not None and x.high is not None:
                axes.plot([x.low, x.high], [y.value, y.value], color=colour, linewidth=1)
            if y.low is not None and y.high is not None:
                axes.plot([x.value, x.value], [y.low, y.high], color=colour, linewidth=1)
            axes.plot([x.value], [y.value], marker="o", markersize=5, color=colour)
            axes.annotate(name, (x.value, y.value), (6, 5), textcoords="offset points", color=colour)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.margins(0.15)
        quiet(axes)
        return to_svg(figure, f"{up} over {across}")


def _thin_out(curve: Curve, most_points: int) -> tuple[list[float], list[float]]:
    """At most that many points: means over equal stretches of the log."""
    finite = np.asarray([point for point in curve if np.isfinite(point[1])], dtype=np.float64).reshape(-1, 2)
    if not len(finite):
        return [], []
    points = [stretch.mean(axis=0) for stretch in np.array_split(finite, min(most_points, len(finite)))]
    return [float(step) for step, _ in points], [float(value) for _, value in points]
