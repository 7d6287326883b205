"""Writes the page of a study: several comparisons on one page, published figures in a column of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handful.core.artifacts import PublishedFigure, StudyManifest, StudyTable
from handful.core.workspace import write_atomically
from handful.pages.pictures import Picture, encode_pictures
from handful.pages.words import plural, seconds_words
from handful.report import page
from handful.report.collect import Evidence, collect
from handful.report.html import render
from handful.report.plots import scatter_plot
from handful.report.tables import Cell, Row, Table, build_tables
from handful.report.verdict import Verdict, judge

PAGE = "index.html"
_SHEET_SAMPLES = 14
_SHEET_PHOTOS = 14


@dataclass(frozen=True)
class Part:
    """One comparison of the study."""

    name: str
    evidence: Evidence
    verdict: Verdict
    tables: dict[str, Table]
    """Protocol and space of the cards, `heldout-v1+pixels` say -> the table with most rows."""

    @property
    def canvas(self) -> str:
        return str(self.evidence.dataset.canvas) if self.evidence.dataset else "unknown"

    def rows(self) -> list[Row]:
        """Every contestant once, as the first table that has it orders them."""
        found: dict[str, Row] = {}
        for table in self.tables.values():
            for row in table.rows:
                found.setdefault(row.name, row)
        return sorted(found.values(), key=lambda row: (row.anchor, row.name))

    def cell(self, contestant: str, column: str) -> Cell | None:
        """The contestant's score in `PROTOCOL:SCORE`; None where a card lacks it."""
        protocol, _, score = column.partition(":")
        rows = self.tables[protocol].rows if protocol in self.tables else ()
        return next((row.cells.get(score) for row in rows if row.name == contestant), None)


def build_study_page(folder: Path) -> Path:
    """Writes index.html in the folder of a study, from study.json and the workspaces of its parts.

    Parts that were not run yet are named as missing.

    Raises:
        UserError: no study.json, or a manifest in a part is damaged.
    """
    study = StudyManifest.read(folder)
    parts = {name: _part(name, folder / name) for name in study.parts if _is_there(folder / name)}
    pictures = encode_pictures(_needed(parts.values()))
    html = render(
        "study.html.j2",
        study=study,
        parts=[_heading(part) for part in parts.values()],
        missing=[name for name in study.parts if name not in parts],
        tables=[_table(table, study.published, parts) for table in study.tables],
        plots=[_plot(part, study) for part in parts.values() if study.quality and study.diversity],
        sheets=[_sheets(part, pictures) for part in parts.values()],
        trainings=[training for part in parts.values() for training in _trainings(part)],
        published=study.published,
        remarks=study.remarks,
    )
    write_atomically(folder / PAGE, html.encode())
    return folder / PAGE


def _is_there(folder: Path) -> bool:
    return (folder / "compare.json").exists()


def _part(name: str, folder: Path) -> Part:
    evidence = collect(folder)
    tables: dict[str, Table] = {}
    for table in build_tables(evidence.cards):
        if table.protocol not in tables or len(table.rows) > len(tables[table.protocol].rows):
            tables[table.protocol] = table
    return Part(name, evidence, judge(evidence.cards, evidence.plan.protocols if evidence.plan else ()), tables)


def _heading(part: Part) -> dict[str, Any]:
    dataset = part.evidence.dataset
    facts = [f"canvas {part.canvas}"]
    if dataset is not None:
        facts.append(f"{len(dataset.training(0))} training photos, {len(dataset.heldout(0))} held out")
    facts.append(plural(len({run.manifest.seed for run in part.evidence.runs}), "seed"))
    return {
        "name": part.name,
        "facts": facts,
        "verdict": part.verdict.sentence,
        "report": f"{part.name}/6_report/index.html",
        "missing": part.evidence.missing,
    }


def _table(table: StudyTable, published: Sequence[PublishedFigure], parts: Mapping[str, Part]) -> dict[str, Any]:
    """One table over some parts: a row a contestant, a column a score, and what was published about it."""
    rows = []
    for part in (parts[name] for name in table.parts if name in parts):
        for row in part.rows():
            cells = [part.cell(row.name, column) for column in table.columns]
            if any(cells):
                own = [one for one in published if one.contestant == row.name and one.score == table.published]
                rows.append({"row": row, "part": part.name, "canvas": part.canvas, "cells": cells, "published": own})
    columns = [column.partition(":")[::2] for column in table.columns]
    several = len(table.parts) > 1
    return {"heading": table.heading, "caption": table.caption, "columns": columns, "rows": rows, "several": several}


def _plot(part: Part, study: StudyManifest) -> dict[str, Any]:
    """Diversity beside quality, a point a contestant."""
    points = []
    for row in part.rows():
        across, up = part.cell(row.name, study.diversity), part.cell(row.name, study.quality)
        if across is not None and up is not None:
            points.append((row.name, row.anchor, across, up))
    labels = (study.diversity.replace(":", " "), study.quality.replace(":", " "))
    return {"name": part.name, "plot": scatter_plot(points, *labels) if points else None}


def _needed(parts: Any) -> list[tuple[Path, int]]:
    files = []
    for part in parts:
        dataset = part.evidence.dataset
        if dataset is not None:
            files += [
                (part.evidence.workspace.dataset / image.file, dataset.bit_depth)
                for image in dataset.images[:_SHEET_PHOTOS]
            ]
        for one in page.shown_runs(part.evidence):
            depth = one.samples.manifest.bit_depth
            files += [(one.samples.folder / file, depth) for file in one.samples.files[:_SHEET_SAMPLES]]
    return files


def _sheets(part: Part, pictures: Mapping[Path, Picture]) -> dict[str, Any]:
    """Photos, and samples of every contestant, as a sheet."""
    evidence = part.evidence
    photos = evidence.dataset.images[:_SHEET_PHOTOS] if evidence.dataset else ()
    return {
        "name": part.name,
        "canvas": part.canvas,
        "photos": [(pictures.get(evidence.workspace.dataset / image.file), image.photo) for image in photos],
        "sets": [
            {
                "name": one.name,
                "anchor": one.anchor,
                "pictures": [
                    (pictures.get(one.samples.folder / file), file) for file in one.samples.files[:_SHEET_SAMPLES]
                ],
            }
            for one in page.shown_runs(evidence)
        ],
    }


def _trainings(part: Part) -> list[dict[str, Any]]:
    names = page.run_names(part.evidence)
    return [
        {
            "part": part.name,
            "name": names[run.manifest.run_id],
            "run": run.manifest,
            "took": seconds_words(run.manifest.seconds),
        }
        for run in sorted(
            part.evidence.runs, key=lambda run: (run.manifest.anchor, names[run.manifest.run_id], run.manifest.seed)
        )
    ]
