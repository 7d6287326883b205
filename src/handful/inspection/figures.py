"""The inspection's figures: AUROC over the dose of samples, and over the number of real photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from handful.inspection.result import ArmRow
from handful.pages.figures import ACCENT, FAINT, GREY, INK, STYLE, quiet, to_svg

_LINES = ((ACCENT, "-"), (INK, "-"), (GREY, "-"), (ACCENT, "--"), (INK, "--"), (GREY, "--"))
_MARKS = ("o", "s", "^", "D", "v", "P")
"""A source of samples has the same mark in both figures, so that they can be told apart without colours."""

_APART = 1.15
"""Ratio of neighbouring places on the logarithmic axis whose names do not touch."""


def dose_curve(rows: Sequence[ArmRow], inspector: str) -> str | None:
    """AUROC over samples for each real photo, a line a generator; real only and classical as levels. None without
    samples."""
    own = [row for row in rows if row.inspector == inspector]
    sources = sorted({row.source for row in own if row.kind == "samples"})
    if not sources:
        return None
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"dose {Path(inspector).stem}"}):
        figure = Figure(figsize=(6.4, 3.4), layout="constrained")
        axes = figure.add_subplot()
        doses = sorted({row.dose for row in own if row.kind == "samples"})
        for number, source in enumerate(sources):
            points = sorted((row for row in own if row.kind == "samples" and row.source == source), key=_dose)
            line = _LINES[number % len(_LINES)]
            _points(axes, [row.dose * 1.02**number for row in points], points, line, _mark(number), source)
        _levels(axes, own, (doses[0] / 1.15, doses[-1] * 1.15))
        axes.set_xscale("log")
        _plain(axes, doses, [f"{dose:.3g}x" for dose in doses])
        axes.set_xlabel("samples for each real photo")
        axes.set_ylabel("AUROC on held-out photos")
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        quiet(axes)
        return to_svg(figure, f"AUROC of {Path(inspector).stem} over the dose of samples")


def learning_curve(rows: Sequence[ArmRow], inspector: str) -> str | None:
    """AUROC over the number of real photos, with the arms of samples as points at theirs. None without a curve."""
    own = [row for row in rows if row.inspector == inspector]
    curve = sorted((row for row in own if row.kind in ("curve", "real", "more")), key=lambda row: row.photos)
    if len(curve) < 2:
        return None
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"learning {Path(inspector).stem}"}):
        figure = Figure(figsize=(6.4, 3.4), layout="constrained")
        axes = figure.add_subplot()
        _points(axes, [row.photos for row in curve], curve, (INK, "-"), ".", "real photos")
        best: dict[str, ArmRow] = {}
        for row in own:
            if row.kind == "samples" and (row.source not in best or row.auroc > best[row.source].auroc):
                best[row.source] = row
        for number, (_, row) in enumerate(sorted(best.items())):
            axes.axhline(row.auroc, color=FAINT, linewidth=1, zorder=0)
            _points(axes, [row.photos * 1.03 ** (number + 1)], [row], (ACCENT, ""), _mark(number), f"with {row.arm}")
        axes.set_xscale("log")
        counts = [round(row.photos) for row in curve]
        _plain(axes, counts, [str(count) for count in counts])
        axes.set_xlabel("real training photos")
        axes.set_ylabel("AUROC on held-out photos")
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        quiet(axes)
        return to_svg(figure, f"Learning curve of {Path(inspector).stem}")


def _mark(number: int) -> str:
    return _MARKS[number % len(_MARKS)]


def _points(
    axes: Axes, places: Sequence[float], rows: Sequence[ArmRow], line: tuple[str, str], mark: str, name: str
) -> None:
    """Points with their intervals; `line` is a colour and a style, "" for none."""
    colour, style = line
    values = [row.auroc for row in rows]
    size = 9 if mark == "." else 4.5
    axes.plot(places, values, linestyle=style or "none", marker=mark, markersize=size, color=colour, label=name)
    for place, row in zip(places, rows, strict=True):
        if row.low is not None and row.high is not None:
            axes.plot([place, place], [row.low, row.high], color=colour, linewidth=1.2, solid_capstyle="butt")


def _levels(axes: Axes, rows: Sequence[ArmRow], ends: tuple[float, float]) -> None:
    for kind, dash in (("real", ":"), ("classical", "--")):
        for row in rows:
            if row.kind == kind:
                axes.plot(ends, [row.auroc] * 2, dash, color=GREY, linewidth=1.2, label=row.arm, zorder=0)


def _plain(axes: Axes, places: Sequence[float], names: Sequence[str]) -> None:
    """The places that were measured, and no others; a name that would lie on its left neighbour's is left out."""
    shown: list[float] = []
    for place in places:
        if not shown or place > _APART * shown[-1]:
            shown.append(place)
    axes.set_xticks(list(places), [name if place in shown else "" for place, name in zip(places, names, strict=True)])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
    axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))  # as many digits as tell ticks apart


def _dose(row: ArmRow) -> float:
    return row.dose
