"""Writes the inspection's page: index.html, one file that opens offline, from inspection.json alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handful.core.workspace import write_atomically
from handful.inspection.figures import dose_curve, learning_curve
from handful.inspection.result import ArmRow, Contrast, InspectionResult
from handful.pages.html import render
from handful.pages.words import percent

PAGE = "index.html"
_TEMPLATES = Path(__file__).parent / "templates"
_METRICS = {
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy of kinds",
    "macro_f1": "macro F1 of kinds",
    "pixel_auroc": "pixel AUROC",
    "pixel_average_precision": "pixel average precision",
    "pro": "PRO",
}
_CONTROLS = ("path", "trace", "alone")
_BESIDES = ("curve", "more", *_CONTROLS)
"""Kinds of arms that no plant would run."""


def write_page(folder: Path, result: InspectionResult) -> Path:
    """Writes the page beside inspection.json and returns its path."""
    inspectors = list(dict.fromkeys(row.inspector for row in result.rows))
    html = render(
        _TEMPLATES,
        "inspection.html.j2",
        {"percent": percent},
        result=result,
        faint=_BESIDES,
        facts=[
            f"{result.test_photos} held-out photos, {result.test_defects} defective",
            f"{result.cells} of {result.planned_cells} cells",
            f"{len(result.settings['seeds'])} seeds",
        ],
        inspectors=[_inspector(name, result) for name in inspectors],
        settings=[(name, str(value)) for name, value in result.settings.items()],
        versions=list(result.versions.items()),
    )
    write_atomically(folder / PAGE, html.encode())
    return folder / PAGE


def _inspector(name: str, result: InspectionResult) -> dict[str, Any]:
    rows = [row for row in result.rows if row.inspector == name]
    metrics = [(key, words) for key, words in _METRICS.items() if any(key in row.measures for row in rows)]
    contrasts = {one.arm: one for one in result.contrasts if one.inspector == name}
    return {
        "name": Path(name).stem,
        "metrics": metrics,
        "rows": [_line(row, contrasts.get(row.arm)) for row in rows if row.kind not in _CONTROLS],
        "controls": [_line(row, contrasts.get(row.arm)) for row in rows if row.kind in _CONTROLS],
        "dose": dose_curve(rows, name),
        "learning": learning_curve(rows, name),
        "exchanges": [one for one in result.exchanges if one.inspector == name],
        "thresholds": [row for row in rows if row.slip_through is not None],
    }


def _line(row: ArmRow, contrast: Contrast | None) -> dict[str, Any]:
    return {"row": row, "contrast": contrast}
