"""The whole flow: photos -> dataset -> train -> samples -> scores -> report -> inspection. The table of contents."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import product
from pathlib import Path

from handful.core.artifacts import ComparePlan, DatasetManifest, RunManifest, set_id
from handful.core.decode import keep_out_of_photos
from handful.core.device import check_runtime, start_runtime
from handful.core.errors import UserError
from handful.core.progress import Event, Listener, ignore, labelled
from handful.core.workspace import Workspace
from handful.dataset.build import build_dataset
from handful.inspection.inspect import Inspected, check_training_photos, inspect_samples
from handful.inspection.read import read_folds
from handful.inspection.sample_sets import check_sets
from handful.photos.audit import audit_photos
from handful.photos.layouts import read_labels, write_labels
from handful.report.build import ReportResult, build_report
from handful.report.study_page import PAGE, build_study_page
from handful.scores.evaluate import check_comparison, check_split, choose_spaces, score_samples
from handful.scores.photo_anchors import score_photo_anchors
from handful.scores.protocol import card_name, find_protocol, judged_spaces
from handful.study.cells import Cell, all_draws, check_cells, check_generators, plan_cells, run_cell
from handful.study.engines import outcome_words, reason, run_cells
from handful.study.frozen import freeze_plan
from handful.study.inspection import InspectionSettings, check_inspection, draw_by_class
from handful.study.parts import Study
from handful.study.plan import CompareSettings
from handful.study.power import plan_power, say_power, settle_generators, settle_protocols


def compare(photos: Path, out: Path, settings: CompareSettings, listener: Listener = ignore) -> ReportResult:
    """Does the main job on a folder of photos; run again after any interruption, it keeps what is finished.

    Args:
        photos: the folder of photos; only read.
        out: the workspace; created where it does not exist.
        settings: everything that decides the outcome.
        listener: hears the events of every stage.

    Raises:
        UserError: whatever the user can mend. A cell that fails, in training or in scoring, does not stop the others:
            its error is raised after the report of all that finished is written.
    """
    check_generators(settings)
    check_runtime(settings.train.device, settings.train.precision, settings.train.threads)
    spaces = choose_spaces(settings.features, listener)
    check_comparison(settings.protocol or (), spaces)
    work = Workspace(out)
    audit = audit_photos(photos, bit_depth=settings.bit_depth, layout=settings.layout)
    labels = read_labels(photos, settings.layout)
    settings, left_out = settle_generators(settings, audit)
    settings, protocols = settle_protocols(settings.model_copy(update={"features": spaces}), audit)
    judged = judged_spaces(protocols, spaces)
    if not judged:
        raise UserError(
            f"{', '.join(protocols)} has no score in {', '.join(spaces)}.",
            "What is defined from one photo is told from the images themselves.",
            "Give --features pixels, or leave --features out.",
        )
    keep_out_of_photos(out, photos)
    with work.hold():
        check = partial(_check_dataset, settings, protocols)
        dataset = build_dataset(audit, work.dataset, settings.dataset, check, labels)
        audit.write(work.photos)  # only now: a refused data set must not replace the audit of the one that stands
        write_labels(labels, work.photos)
        freeze_plan(settings, spaces, dataset, out)
        for line in left_out:
            listener({"event": "plan", "words": line})
        say_power(plan_power(audit, settings.generators, settings.seeds, settings.dataset, protocols), listener)
        cells = _cells(settings, dataset)
        job = partial(run_cell, work=out, settings=settings, threads=_threads(settings))
        runs: dict[Cell, RunManifest] = {}
        failures: dict[str, Exception] = {}
        with closing(run_cells(cells, job, settings.jobs, listener)) as outcomes:
            listener(_cells_event(0, len(cells)))
            for ended, (cell, outcome) in enumerate(outcomes, start=1):
                if isinstance(outcome, Exception):
                    failures[str(cell)] = outcome
                else:
                    runs[cell] = outcome
                for words in outcome_words(outcome):
                    said = f"[{ended} of {len(cells)}] {cell}: {words}"
                    listener({"event": "cell", "cell": str(cell), "words": said})
                listener(_cells_event(ended, len(cells)))
        if not runs:
            raise next(iter(failures.values()))
        for cell, run in runs.items():
            for draw, (protocol, space) in product(all_draws(settings, cell.generator), judged):
                card, samples = card_name(find_protocol(protocol), space), set_id(run.run_id, draw)
                try:
                    score_samples(
                        work.samples / samples,
                        work.dataset,
                        work.scores / samples,
                        protocol,
                        space,
                        run.fold,
                        labelled(listener, cell=str(cell)),
                        settings.train.device,
                        settings.train.threads,
                        settings.samples,
                    )
                except Exception as error:
                    with suppress(OSError):  # what an earlier comparison found must not stand in for it
                        (work.scores / samples / f"{card}.json").unlink()
                    what = " ".join(filter(None, (f"{cell},", draw, card)))
                    failures[what] = error
                    listener({"event": "cell", "cell": str(cell), "words": f"{what}: failed: {reason(error)}"})
        for fold, (protocol, space) in product(sorted({run.fold for run in runs.values()}), judged):
            what, runtime = f"anchors, fold {fold}", (settings.train.device, settings.train.threads)
            heard = labelled(listener, cell=what)
            try:
                score_photo_anchors(work.dataset, work.scores, protocol, space, fold, heard, *runtime)
            except UserError as error:  # they fix a scale, and no verdict rests on them
                heard({"event": "cell", "words": f"{what}: failed: {reason(error)}"})
        ComparePlan(
            settings=settings.model_dump(mode="json"),
            run_ids=tuple(sorted(run.run_id for run in runs.values())),
            protocols=tuple(card_name(find_protocol(protocol), space) for protocol, space in judged),
            failed=tuple(f"{what} failed: {reason(error)}" for what, error in failures.items()),
        ).write(out)
        result = build_report(out)
        for failure in failures.values():  # the first; the report holds what the others reached
            raise failure
        return result


def compare_parts(
    photos: Path, out: Path, study: Study, listener: Listener = ignore
) -> tuple[Path, list[ReportResult]]:
    """Does a study: one comparison a part, each in a folder of its own, and one page over all of them.

    Run again after any interruption, it keeps what is finished.

    Args:
        photos: the folder of photos; only read.
        out: the folder of the study; created where it does not exist.
        study: the parts and what the page shows.
        listener: hears the events of every stage.

    Returns:
        The page, and the reports of the parts in order.

    Raises:
        UserError: as `compare`. A part that fails does not stop the others: its error is raised after they ended.
    """
    for settings in study.parts.values():
        check_generators(settings)
    results, failures = [], []
    for name, settings in study.parts.items():
        listener({"event": "part", "words": f"part {name}"})
        try:
            results.append(compare(photos, out / name, settings, listener))
        except UserError as refused:
            failures.append(refused)
            continue
        study.page.write(out)
        build_study_page(out)  # after each part: a study may take days
    for error in failures:
        raise error
    return out / PAGE, results


def inspect(
    photos: Path, out: Path, settings: InspectionSettings, listener: Listener = ignore, limit_s: float | None = None
) -> Inspected:
    """Proves on held-out real photos whether samples make an inspector better; run again, it keeps what is finished.

    Args:
        photos: the folder of labelled photos; only read.
        out: the workspace; a data set in it is used as it is, unless `settings` say what it must be.
        settings: everything that decides the outcome.
        listener: hears the events of every stage.
        limit_s: no cell of the inspection is begun after so many seconds; the same command goes on from there.

    Raises:
        UserError: whatever the user can mend.
    """
    check_inspection(settings)
    check_runtime(settings.train.device, settings.train.precision, settings.train.threads)
    keep_out_of_photos(out, photos)
    work = Workspace(out)
    check_sets(settings.samples, work.samples)
    with work.hold():
        dataset = _labelled_dataset(photos, work, settings)
        folds = read_folds(work.dataset, settings.inspection.photos)
        check_training_photos(settings.inspection, folds)
        drawn = draw_by_class(work, dataset, folds, settings, listener)
        device = start_runtime(settings.train.device, "fp32", settings.train.threads).device
        references = (*settings.samples, *drawn)
        return inspect_samples(work, references, settings.inspection, listener, limit_s, str(device))


def _labelled_dataset(photos: Path, work: Workspace, settings: InspectionSettings) -> DatasetManifest:
    """The data set of the workspace; built where there is none, or where the settings say how it must be."""
    if (work.dataset / DatasetManifest.file_name).exists() and not settings.dataset.model_fields_set:
        dataset = DatasetManifest.read(work.dataset)
        if Path(dataset.photo_folder) != photos.resolve():
            raise UserError(
                f"{work.dataset} is a data set of the photos in {dataset.photo_folder}, not of {photos.resolve()}.",
                "A workspace holds 1 data set.",
                "Give that folder of photos, or another workspace with --out.",
            )
        return dataset
    audit = audit_photos(photos, bit_depth=settings.bit_depth, layout=settings.layout)
    labels = read_labels(photos, settings.layout)
    dataset = build_dataset(audit, work.dataset, settings.dataset, labels=labels)
    audit.write(work.photos)
    write_labels(labels, work.photos)
    return dataset


def _cells(settings: CompareSettings, dataset: DatasetManifest) -> list[Cell]:
    return plan_cells(settings.generators, settings.seeds, range(dataset.folds))


def _cells_event(ended: int, cells: int) -> Event:
    """How far the comparison is."""
    return {"event": "cells", "progress": ended / cells, "words": f"{ended} of {cells} cells"}


def _check_dataset(settings: CompareSettings, protocols: Sequence[str], dataset: DatasetManifest) -> None:
    """Refuses, before it is frozen, a data set that cannot be learned from or judged with."""
    check_split(dataset, protocols)
    check_cells(_cells(settings, dataset), dataset, settings)


def _threads(settings: CompareSettings) -> int | None:
    """Threads of each process: as set, but no more than its share of the cores; None leaves it to the runtime."""
    share = None if settings.jobs == 1 else max(1, (os.cpu_count() or 1) // settings.jobs)
    limits = [limit for limit in (settings.train.threads, share) if limit is not None]
    return min(limits, default=None)
