"""Writes the report of a workspace: index.html (one file, opens offline), report.json and scores.csv."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handful.core.artifacts import library_versions
from handful.core.workspace import sweep_temporaries, write_atomically
from handful.pages.pictures import encode_pictures
from handful.pages.words import plural
from handful.report import page
from handful.report.collect import Evidence, collect
from handful.report.html import render
from handful.report.tables import Table, build_tables, scores_csv
from handful.report.verdict import Verdict, judge

_LARGE_PX = 160  # pictures at least this wide are worth more room on the page


@dataclass(frozen=True)
class ReportResult:
    """Where the report lies and what it says."""

    path: Path
    """index.html; report.json and scores.csv lie beside it."""
    verdict: str
    """The one sentence."""
    judgement: Verdict
    tables: tuple[Table, ...]
    missing: tuple[str, ...]
    """What the workspace lacks, each one sentence."""


def build_report(work: Path) -> ReportResult:
    """Writes 6_report of a workspace from its manifests, samples and score cards.

    Stages that were not run yet are named as missing. The same workspace gives the same files.

    Raises:
        UserError: `work` is no workspace, a manifest in it is damaged, or the disk is full.
    """
    evidence = collect(work)
    verdict = judge(evidence.cards, evidence.plan.protocols if evidence.plan else ())
    tables = build_tables(evidence.cards)
    out = evidence.workspace.report
    sweep_temporaries(out)
    write_atomically(out / "scores.csv", scores_csv(evidence.cards).encode())
    write_atomically(out / "report.json", _json(evidence, verdict, tables).encode())
    write_atomically(out / "index.html", _html(evidence, verdict, tables).encode())
    return ReportResult(out / "index.html", verdict.sentence, verdict, tables, evidence.missing)


def _json(evidence: Evidence, verdict: Verdict, tables: tuple[Table, ...]) -> str:
    document: dict[str, Any] = {
        "verdict": verdict.model_dump(mode="json"),
        "tables": [table.model_dump(mode="json") for table in tables],
        "cards": [card.model_dump(mode="json") for card in evidence.cards],
        "runs": [run.manifest.model_dump(mode="json") for run in evidence.runs],
        "comparison": evidence.plan.model_dump(mode="json") if evidence.plan else None,
        "missing": list(evidence.missing),
        "versions": library_versions(),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _html(evidence: Evidence, verdict: Verdict, tables: tuple[Table, ...]) -> str:
    shown = page.shown_runs(evidence)
    pictures = encode_pictures(page.needed_pictures(evidence, shown))
    return render(
        "report.html.j2",
        verdict=verdict,
        large=max((picture.width for picture in pictures.values()), default=0) >= _LARGE_PX,
        facts=_facts(evidence),
        missing=evidence.missing,
        set_aside=evidence.set_aside,
        cards_set_aside=evidence.cards_set_aside,
        score_tables=page.score_tables(tables),
        sheets=page.sheets(evidence, shown, pictures),
        extremes=page.worst_and_nearest(evidence, shown, pictures),
        trainings=page.trainings(evidence),
        audit=page.audit_summary(evidence),
        settings=page.all_settings(evidence),
        fingerprints=page.run_fingerprints(evidence),
        versions=list(library_versions().items()),
    )


def _facts(evidence: Evidence) -> list[str]:
    """What the report is about, for the line above the verdict."""
    facts = []
    if evidence.audit is not None:
        facts.append(Path(evidence.audit.folder).name)
        facts.append(plural(len(evidence.audit.photos), "photo"))
    if evidence.dataset is not None:
        facts.append(f"canvas {evidence.dataset.canvas}")
    if evidence.runs:
        generators = {run.manifest.generator for run in evidence.runs if not run.manifest.anchor}
        facts.append(plural(len(generators), "generator"))
        facts.append(plural(len({run.manifest.seed for run in evidence.runs}), "seed"))
    return facts
