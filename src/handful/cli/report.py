"""handful report: one page that says what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit

EXAMPLE = "handful report work/"


def command(
    work: Annotated[Path, typer.Argument(help="The workspace.", show_default=False)], as_json: JsonFlag = False
) -> None:
    """Writes 6_report/index.html, scores.csv and report.json from what the workspace holds."""
    from handful.report.build import build_report

    result = build_report(work)
    emit(as_json, {"report": str(result.path), "verdict": result.verdict}, [result.verdict, f"Report: {result.path}"])
