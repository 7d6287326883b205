"""Runs the whole inspection: reads, plans, freezes, trains cell by cell, answers, writes the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handful.core import registry
from handful.core.artifacts import DatasetManifest, library_versions
from handful.core.config import parse_settings
from handful.core.errors import UserError, unknown_name
from handful.core.progress import Listener, ignore
from handful.core.workspace import Workspace, sweep_temporaries
from handful.inspection.answers import Evidence, Results, arm_rows, planned_contrasts
from handful.inspection.arms import Arm, Sources, fits, plan_arms
from handful.inspection.base import inspector_class, usable_rows
from handful.inspection.cells import CellResult, Job, run_cell
from handful.inspection.exchange import exchange_rates
from handful.inspection.page import write_page
from handful.inspection.plan import freeze_plan
from handful.inspection.read import Fold, read_folds
from handful.inspection.result import Answer, InspectionResult
from handful.inspection.sample_sets import SampleSet, check_usable, read_sample_set, sources_of_fold
from handful.inspection.settings import InspectSettings
from handful.inspection.verdict import answer, sentence
from handful.inspection.warning_light import warning_light
from handful.pages.words import plural

CELLS = "cells"
REVIEWS = "reviews"
_FEATURES = "features"
_DISPENSABLE = ("curve", "more", "only")
"""Kinds of arms that no verdict rests on."""


@dataclass(frozen=True)
class Inspected:
    """Where the page lies and what it says."""

    path: Path
    """index.html; inspection.json lies beside it."""
    result: InspectionResult


def check_inspectors(settings: InspectSettings) -> None:
    """Makes sure, before anything is read, that every inspector exists and can do what it is told.

    Raises:
        UserError: no such inspector, settings that it does not have, or those of one that is not run.
    """
    classes = {name: inspector_class(registry.load("inspectors", name)) for name in settings.inspectors}
    for name in settings.settings:
        if name not in classes:
            raise unknown_name("inspector in this inspection", name, classes, "handful inspectors")
    for name, found in classes.items():
        parse_settings(found.settings_class, dict(settings.settings.get(name, {})), f"inspector {name}")


def check_training_photos(settings: InspectSettings, folds: Sequence[Fold]) -> None:
    """Makes sure, before anything is trained, that every inspector can learn from the real photos of every fold.

    Raises:
        UserError: too few good or defective ones, or no outlines where an inspector learns from these.
    """
    for name in settings.inspectors:
        for fold in folds:
            usable_rows(Path(name).stem, registry.load("inspectors", name).FACTS, fold.base, None)


def inspect_samples(
    work: Workspace,
    references: Sequence[str],
    settings: InspectSettings,
    listener: Listener = ignore,
    limit_s: float | None = None,
    device: str = "cpu",
) -> Inspected:
    """Proves whether samples make inspectors better; run again after any interruption, it keeps what is finished.

    Args:
        work: the workspace, with a labelled data set; 7_inspection is written.
        references: sets of samples, as `read_sample_set` takes them; none gives the learning curve alone.
        settings: everything that decides the outcome.
        listener: hears how far it is.
        limit_s: no cell is begun after so many seconds; the same command goes on from there.
        device: where inspectors run.

    Raises:
        UserError: whatever the user can mend. A cell that fails does not stop the others: it is named on the page.
    """
    began = time.perf_counter()
    check_inspectors(settings)
    dataset = DatasetManifest.read(work.dataset)
    folds = read_folds(work.dataset, settings.photos)
    sets = [read_sample_set(one, dataset, work.samples, work.inspection / REVIEWS) for one in references]
    check_usable(sets, folds)
    sources: Sources = {fold.number: sources_of_fold(sets, fold) for fold in folds}
    arms, notes = plan_arms(settings, folds, sources)
    jobs = plan_jobs(arms, folds, sources, settings)
    cells = work.inspection / CELLS
    plan = freeze_plan(work.inspection, any(cells.glob("*.json")), settings, arms, folds, sources)
    sweep_temporaries(cells)
    results, failed, blocking = _run(jobs, cells, work.inspection / _FEATURES, device, listener, limit_s, began)
    ended = sum(map(len, results.values()))
    finished = ended + len(failed) == len(jobs) and not blocking
    evidence = Evidence(results, folds)
    inspectors = settings.inspectors
    rows = arm_rows(evidence, arms, inspectors, settings)
    contrasts = planned_contrasts(evidence, arms, inspectors, settings.margin)
    names = sorted({arm.source for arm in arms if arm.source})
    answers: tuple[Answer, ...] = ()
    if finished:
        answers = tuple(answer(name, evidence, arms, contrasts, settings) for name in names)
    lights = [warning_light(fold, source) for fold in folds for source in sources[fold.number].values()]
    result = InspectionResult(
        sentence=sentence(answers) if finished else _unfinished(ended, len(jobs), blocking),
        answers=answers,
        rows=rows,
        contrasts=contrasts,
        exchanges=tuple(one for inspector in inspectors for one in exchange_rates(evidence, arms, rows, inspector)),
        lights=tuple(light for light in lights if light is not None),
        notes=(*dataset.warnings, *notes, *_skipped(arms, folds, sources, settings), *_set_notes(sets, folds)),
        cells=ended,
        planned_cells=len(jobs),
        failed=tuple(failed),
        kinds=dataset.kinds,
        test_photos=sum(len(fold.test) for fold in folds),
        test_defects=sum(int(np.sum(fold.test.labels > 0)) for fold in folds),
        settings=settings.model_dump(mode="json"),
        plan_sha256=plan.plan_sha256,
        versions=library_versions(),
    )
    result.write(work.inspection)
    return Inspected(write_page(work.inspection, result), result)


def plan_jobs(arms: Sequence[Arm], folds: Sequence[Fold], sources: Sources, settings: InspectSettings) -> list[Job]:
    """All cells, seeds outermost: whatever is interrupted early has whole rounds of arms."""
    jobs = []
    for seed in settings.seeds:
        for fold in folds:
            own = sources[fold.number]
            for inspector in settings.inspectors:
                values = settings.settings.get(inspector, {})
                jobs += [
                    Job(arm, inspector, values, fold, own.get(arm.source), seed)
                    for arm in arms
                    if (not arm.source or arm.source in own) and fits(arm, inspector, own.get(arm.source))
                ]
    return jobs


def _run(
    jobs: Sequence[Job],
    cells: Path,
    cache: Path,
    device: str,
    listener: Listener,
    limit_s: float | None,
    began: float,
) -> tuple[Results, list[str], int]:
    """The cells that ended, a sentence for each that failed, and how many of those no verdict can do without."""
    results: dict[tuple[str, str], dict[tuple[int, int], CellResult]] = {}
    failed: list[str] = []
    blocking = 0
    for number, job in enumerate(jobs, start=1):
        if limit_s is not None and time.perf_counter() - began > limit_s:
            break
        try:
            found = run_cell(job, cells, cache, device)
        except UserError as error:
            failed.append(f"{job} failed: {error.what}")
            blocking += job.arm.kind not in _DISPENSABLE
            said = failed[-1]
        else:
            results.setdefault((job.inspector, job.arm.name), {})[job.seed, job.fold.number] = found
            said = f"{job}: AUROC {found.measures['auroc']:.3f}"
        words = f"[{number} of {len(jobs)}] {said}"
        listener({"event": "cell", "cell": str(job), "words": words})
        listener({"event": "cells", "progress": number / len(jobs), "words": f"{number} of {len(jobs)} cells"})
    if not results and failed:
        raise UserError(
            f"All {len(failed)} cells that ran failed; the first: {failed[0]}",
            "At least 1 must end.",
            "Mend what it says and run the same command again.",
        )
    return results, failed, blocking


def _unfinished(ended: int, planned: int, blocking: int) -> str:
    if blocking:
        return (
            f"No verdict: {plural(blocking, 'cell')} of {planned} failed, and without them the planned comparisons "
            "would be others. Mend what is said below; the same command goes on."
        )
    return (
        f"Not finished: {ended} of {planned} cells. No verdict is given before the plan is done: who stops when it "
        "looks good finds what is not there. The same command goes on."
    )


def _skipped(arms: Sequence[Arm], folds: Sequence[Fold], sources: Sources, settings: InspectSettings) -> list[str]:
    """A sentence for each inspector with arms that it cannot run, or in which it would learn nothing of its own."""
    notes = []
    for inspector in settings.inspectors:
        left = [
            arm.name
            for arm in arms
            if not any(
                (not arm.source or arm.source in sources[fold.number])
                and fits(arm, inspector, sources[fold.number].get(arm.source))
                for fold in folds
            )
        ]
        if left:
            notes.append(
                f"{Path(inspector).stem} leaves out {', '.join(left)}: it cannot learn from what they hold, or would "
                "learn nothing else than from real photos."
            )
    return notes


def _set_notes(sets: Sequence[SampleSet], folds: Sequence[Fold]) -> list[str]:
    notes = []
    rejected = [(one.name, one.rejected) for one in sets if one.rejected]
    notes += [f"{name}: {plural(count, 'sample')} rejected by the reviewer and left out." for name, count in rejected]
    for fold in folds:
        groups = len(np.unique(fold.test.groups))
        if groups < len(fold.test):
            notes.append(
                f"Fold {fold.number}: {plural(len(fold.test), 'held-out photo')} form {plural(groups, 'group')} that "
                "belong together; intervals count groups."
            )
    return notes
