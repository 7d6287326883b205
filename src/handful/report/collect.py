"""Reads what a workspace holds: every manifest, events and score cards, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from handful.core.artifacts import (
    Artifact,
    ComparePlan,
    DatasetManifest,
    PhotoAudit,
    RunManifest,
    SampleManifest,
    SamplePassport,
    SampleRow,
    ScoreCard,
)
from handful.core.errors import UserError
from handful.core.progress import read_events
from handful.core.workspace import Workspace

AnyArtifact = TypeVar("AnyArtifact", bound=Artifact)


@dataclass(frozen=True)
class Run:
    """One training and what it said while it ran."""

    manifest: RunManifest
    losses: dict[str, list[tuple[int, float]]]
    """Loss name -> (step, value), in order of steps."""
    forecast_s: float | None
    """Seconds that the trial before the training foretold; None where there was no trial."""


@dataclass(frozen=True)
class SampleSet:
    """One finished set of samples."""

    manifest: SampleManifest
    folder: Path
    files: tuple[str, ...]
    """In order of their seeds."""
    passports: dict[str, SamplePassport]
    """File -> its passport, in the same order; empty where the samples have none."""


@dataclass(frozen=True)
class Evidence:
    """Everything that the report is made from."""

    workspace: Workspace
    audit: PhotoAudit | None
    dataset: DatasetManifest | None
    plan: ComparePlan | None
    runs: tuple[Run, ...]
    samples: dict[str, SampleSet]
    """Set id -> its samples; of the set that is drawn by default it is the run id."""
    cards: tuple[ScoreCard, ...]
    missing: tuple[str, ...]
    """What the workspace lacks, each one sentence with the command that makes it."""
    set_aside: int
    """Runs in the workspace that are not part of its last comparison."""
    cards_set_aside: int
    """Score cards of the runs shown, or of the user's own images, under other protocols or networks."""


def collect(work: Path) -> Evidence:
    """Reads the workspace. A stage that was not run yet is missing, not wrong.

    Raises:
        UserError: there is no workspace, or a manifest in it is damaged.
    """
    place = Workspace(work)
    stages = (place.photos, place.dataset, place.train, place.samples, place.scores)
    if not any(folder.is_dir() for folder in stages):
        raise UserError(
            f"{work} is not a workspace: it holds none of {', '.join(folder.name for folder in stages)}.",
            "A report needs at least one of these folders.",
            "Check the path, or run `handful compare PHOTOS --out WORK` first.",
        )
    audit = _read_if_there(PhotoAudit, place.photos)
    dataset = _read_if_there(DatasetManifest, place.dataset)
    plan = _read_if_there(ComparePlan, work)
    runs = [_read_run(folder) for folder in _folders_with(place.train, RunManifest.file_name)]
    samples = [_read_samples(folder) for folder in _folders_with(place.samples, SampleManifest.file_name)]
    cards = [_read_card(path) for path in sorted(place.scores.glob("*/*.json")) if _is_card(path)]
    own_images = {card.run_id for card in cards if card.seed is None}  # judged against the same photos: always shown
    wanted = set(plan.run_ids) | own_images if plan else None

    def part(run_id: str) -> bool:
        return wanted is None or run_id in wanted or run_id.partition("@")[0] in wanted

    known = {run.manifest.run_id for run in runs} | {one.manifest.set_id for one in samples}
    known |= {card.run_id for card in cards}
    of_runs = [card for card in cards if part(card.run_id) and not _is_stale(card, dataset)]
    shown = [card for card in of_runs if plan is None or card.protocol in plan.protocols]
    evidence = Evidence(
        workspace=place,
        audit=audit,
        dataset=dataset,
        plan=plan,
        runs=tuple(run for run in runs if part(run.manifest.run_id)),
        samples={one.manifest.set_id: one for one in samples if part(one.manifest.set_id)},
        cards=tuple(shown),
        missing=(),
        set_aside=sum(not part(run_id) for run_id in known),
        cards_set_aside=len(of_runs) - len(shown),
    )
    return Evidence(**{**vars(evidence), "missing": tuple(_missing(evidence))})


def _read_if_there(kind: type[AnyArtifact], folder: Path) -> AnyArtifact | None:
    return kind.read(folder) if (folder / kind.file_name).exists() else None


def _folders_with(folder: Path, file_name: str) -> list[Path]:
    return [path.parent for path in sorted(folder.glob(f"*/{file_name}"))]


def _is_stale(card: ScoreCard, dataset: DatasetManifest | None) -> bool:
    """Whether it judges photos of a data set that is here no more; no run of those photos is here either."""
    return card.of_photos and dataset is not None and card.dataset_fingerprint != dataset.fingerprint


def _is_card(path: Path) -> bool:
    """Whether a JSON file under 5_scores calls itself a score card; features and caches may lie beside them."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return not path.name.startswith(".")  # reading it as a card says what is wrong
    return isinstance(content, dict) and "protocol" in content


def _read_card(path: Path) -> ScoreCard:
    card = ScoreCard.read(path.parent, path.name)
    if path.stem != card.protocol:
        raise UserError(
            f"{path} is a score card of {card.protocol}, under the name of {path.stem}.",
            "Score cards of different protocols or networks are never joined; each is called as what it is.",
            f"Call it {card.protocol}.json again, or score again with `handful score`.",
        )
    return card


def _read_run(folder: Path) -> Run:
    losses: dict[str, list[tuple[int, float]]] = {}
    forecast: float | None = None
    for event in read_events(folder / "events.jsonl"):
        if event.get("event") == "step":
            for name, value in event.get("losses", {}).items():
                losses.setdefault(name, []).append((int(event["step"]), float(value)))
        elif event.get("event") == "forecast" and forecast is None:
            forecast = float(event["seconds"])
    return Run(RunManifest.read(folder), losses, forecast)


def _read_samples(folder: Path) -> SampleSet:
    rows_file = folder / "samples.jsonl"
    try:
        lines = rows_file.read_text(encoding="utf-8").splitlines()
        rows = [SampleRow.model_validate_json(line) for line in lines]
    except (OSError, ValidationError) as error:
        raise UserError(
            f"{rows_file} cannot be read: {str(error).splitlines()[0]}.",
            "It must hold one line for each sample, as `handful sample` wrote it.",
            "Move the folder away and run `handful sample` again.",
        ) from None
    rows.sort(key=_by_seed)
    passports = {row.file: row.passport for row in rows if row.passport is not None}
    return SampleSet(SampleManifest.read(folder), folder, tuple(row.file for row in rows), passports)


def _by_seed(row: SampleRow) -> int:
    return row.seed


def _missing(evidence: Evidence) -> list[str]:
    lines = []
    stages: Sequence[tuple[Any, str, str]] = (
        (evidence.audit, "No photo audit", "handful photos"),
        (evidence.dataset, "No data set", "handful dataset"),
        (evidence.runs, "No training run", "handful train"),
        (evidence.samples, "No samples", "handful sample"),
        (evidence.cards, "No score card", "handful score"),
    )
    lines += [f"{what}: `{command}` makes it." for found, what, command in stages if not found]
    per_run: Sequence[tuple[str, str, Callable[[str], bool]]] = (
        ("samples", "handful sample", lambda run_id: run_id in evidence.samples),
        ("score card", "handful score", lambda run_id: any(card.run_id == run_id for card in evidence.cards)),
    )
    for run in evidence.runs:
        if run.manifest.status == "running":
            lines.append(f"{run.manifest.run_id} has not finished: `handful train` goes on with it.")
            continue
        for what, command, there in per_run:
            if (evidence.samples if what == "samples" else evidence.cards) and not there(run.manifest.run_id):
                lines.append(f"{run.manifest.run_id} has no {what}: `{command}` makes it.")
    if evidence.plan:
        lines += evidence.plan.failed
        found = {run.manifest.run_id for run in evidence.runs}
        lines += [
            f"{run_id} of the comparison was not trained." for run_id in evidence.plan.run_ids if run_id not in found
        ]
    return lines
