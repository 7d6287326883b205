"""The whole flow: photos -> dataset -> train -> samples -> scores -> report. The code's table of contents."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from pathlib import Path

from handful.core.artifacts import ComparePlan, DatasetManifest, RunManifest
from handful.core.decode import keep_out_of_photos
from handful.core.device import check_runtime
from handful.core.progress import Listener, ignore
from handful.core.workspace import Workspace
from handful.dataset.build import build_dataset
from handful.photos.audit import audit_photos
from handful.report.build import ReportResult, build_report
from handful.scores.evaluate import check_comparison, check_split, choose_spaces, score_samples
from handful.scores.protocol import card_name, find_protocol
from handful.study.cells import Cell, check_cells, check_generators, plan_cells, run_cell
from handful.study.engines import outcome_words, reason, run_cells
from handful.study.frozen import freeze_plan
from handful.study.plan import CompareSettings
from handful.study.power import plan_power, say_power


def compare(photos: Path, out: Path, settings: CompareSettings, listener: Listener = ignore) -> ReportResult:
    """Does the main job on a folder of photos; run again after any interruption, it keeps what is finished.

    Args:
        photos: the folder of photos; only read.
        out: the workspace; created where it does not exist.
        settings: everything that decides the outcome.
        listener: hears the events of every stage.

    Raises:
        UserError: whatever the user can mend. A cell that fails does not stop the others: its error is raised after
            the report of all that finished is written.
    """
    check_generators(settings.generators, settings.settings)
    check_runtime(settings.train.device, settings.train.precision, settings.train.threads)
    spaces = choose_spaces(settings.features, listener)
    check_comparison(settings.protocol, spaces)
    settings = settings.model_copy(update={"features": spaces})
    judged = [(protocol, space) for protocol in settings.protocol for space in spaces]
    work = Workspace(out)
    audit = audit_photos(photos, bit_depth=settings.bit_depth)
    keep_out_of_photos(out, photos)
    with work.hold():
        dataset = build_dataset(audit, work.dataset, settings.dataset, partial(_check_dataset, settings))
        audit.write(work.photos)  # only now: a refused data set must not replace the audit of the one that stands
        freeze_plan(settings, spaces, dataset, out)
        say_power(plan_power(audit, settings.generators, settings.seeds, settings.dataset), listener)
        cells = _cells(settings, dataset)
        job = partial(
            run_cell,
            work=out,
            train_settings=settings.train.model_copy(update={"threads": _threads(settings)}),
            generator_settings=settings.settings,
            samples=settings.samples,
            listener=listener if settings.jobs == 1 else ignore,
        )
        runs: list[RunManifest] = []
        failures: dict[str, Exception] = {}
        with closing(run_cells(cells, job, settings.jobs)) as outcomes:
            for ended, (cell, outcome) in enumerate(outcomes, start=1):
                if isinstance(outcome, Exception):
                    failures[str(cell)] = outcome
                else:
                    runs.append(outcome)
                for words in outcome_words(outcome):
                    listener({"event": "cell", "words": f"[{ended} of {len(cells)}] {cell}: {words}"})
        if not runs:
            raise next(iter(failures.values()))
        for run in runs:
            for protocol, space in judged:
                score_samples(
                    work.samples / run.run_id,
                    work.dataset,
                    work.scores / run.run_id,
                    protocol,
                    space,
                    run.fold,
                    listener,
                    settings.train.device,
                    settings.train.threads,
                    settings.samples,
                )
        run_ids = tuple(sorted(run.run_id for run in runs))
        cards = tuple(card_name(find_protocol(protocol), space) for protocol, space in judged)
        ComparePlan(
            settings=settings.model_dump(mode="json"),
            run_ids=run_ids,
            protocols=cards,
            failed=tuple(f"{cell} failed: {reason(error)}" for cell, error in failures.items()),
        ).write(out)
        result = build_report(out)
        for error in failures.values():  # the first; the report holds what the others reached
            raise error
        return result


def _cells(settings: CompareSettings, dataset: DatasetManifest) -> list[Cell]:
    return plan_cells(settings.generators, settings.seeds, range(dataset.folds))


def _check_dataset(settings: CompareSettings, dataset: DatasetManifest) -> None:
    """Refuses, before it is frozen, a data set that cannot be learned from or judged with."""
    check_split(dataset, settings.protocol)
    check_cells(_cells(settings, dataset), dataset)


def _threads(settings: CompareSettings) -> int | None:
    """Threads of each process: as set, but no more than its share of the cores; None leaves it to the runtime."""
    share = None if settings.jobs == 1 else max(1, (os.cpu_count() or 1) // settings.jobs)
    limits = [limit for limit in (settings.train.threads, share) if limit is not None]
    return min(limits, default=None)
