"""The look of figures, and how one becomes an element of a page."""

from __future__ import annotations

import html
import io
import re
from typing import Any

import matplotlib
from matplotlib.figure import Figure

INK, GREY, FAINT, ACCENT = "#1c2326", "#6b7478", "#d9dee0", "#0f6a73"
STYLE: Any = {"font.family": "sans-serif", "font.size": 10, "svg.fonttype": "none", "text.parse_math": False}
"""For `matplotlib.rc_context`, with a `svg.hashsalt` that the figure's content decides."""


def quiet(axes: matplotlib.axes.Axes) -> None:
    """No frame that says nothing."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=GREY, labelcolor=INK)


def to_svg(figure: Figure, title: str) -> str:
    """The figure as an <svg> element that names no outside address and scales with the page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    # metadata names outside addresses; a style sheet inside a figure would hold for the whole page
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", out.getvalue(), flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text[text.index("<svg") :])  # group names repeat from figure to figure
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1)
