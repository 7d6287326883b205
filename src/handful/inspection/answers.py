"""From cells to numbers: every arm with its interval, every planned comparison with Holm's correction.

A claim takes two tests that agree, as for generators (docs/report.md): sign flips of whole runs, and the crossed
t-test over held-out photos and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from handful.inspection.arms import Arm
from handful.inspection.cells import CellResult
from handful.inspection.contributions import auroc_contributions
from handful.inspection.read import Fold
from handful.inspection.result import ArmRow, Contrast, Share
from handful.inspection.settings import InspectSettings
from handful.inspection.threshold import decide, threshold_for_false_rejects
from handful.statistics.binomial import share_limits
from handful.statistics.claims import LEAST_PAIRS, LEAST_SEEDS, claim
from handful.statistics.crossed import crossed_effect, sample_size
from handful.statistics.paired import holm, sign_flip_p

Table = npt.NDArray[np.float64]
Place = tuple[str, str]
"""Inspector and arm."""
Results = Mapping[Place, Mapping[tuple[int, int], CellResult]]
"""(inspector, arm) -> (seed, fold) -> cell."""


class Evidence:
    """The contributions of held-out photos to every cell's AUROC."""

    def __init__(self, results: Results, folds: Sequence[Fold]) -> None:
        self.results = results
        self.folds = {fold.number: fold for fold in folds}
        self._rows: dict[str, npt.NDArray[np.float64]] = {}

    def row(self, cell: CellResult) -> npt.NDArray[np.float64]:
        """(groups,): what each group of held-out photos adds to a cell's AUROC."""
        if cell.key not in self._rows:
            test = self.folds[cell.fold].test
            self._rows[cell.key] = auroc_contributions(cell.scores, test.labels, test.groups)
        return self._rows[cell.key]

    def tables(self, places: Sequence[Place]) -> list[list[Table]]:
        """For each place its tables, one a fold, (seeds, groups): of the folds that all have, and the seeds that all of
        them have in every such fold."""
        own = [self.results.get(place, {}) for place in places]
        folds = sorted(set.intersection(*({fold for _, fold in cells} for cells in own)))
        seeds = {seed for cells in own for seed, _ in cells}
        common = sorted(seed for seed in seeds if all((seed, fold) in cells for cells in own for fold in folds))
        if not folds or not common:
            return [[] for _ in places]
        return [[np.stack([self.row(cells[seed, fold]) for seed in common]) for fold in folds] for cells in own]


def contrast(evidence: Evidence, inspector: str, arm: str, against: str, margin: float, planned: bool) -> Contrast:
    """One comparison, its p not corrected."""
    own, other = evidence.tables([(inspector, arm), (inspector, against)])
    differences = [first - second for first, second in zip(own, other, strict=True)]
    seeds = len(differences[0]) if differences else 0
    runs, photos = seeds * len(differences), sum(table.shape[1] for table in differences)
    effect = crossed_effect(differences) if differences else None
    flips = [float(value) for table in differences for value in table.mean(axis=1)]
    enough = runs >= LEAST_PAIRS and seeds >= LEAST_SEEDS
    p_runs = sign_flip_p(flips) if runs > 1 else None
    p_photos = effect.p if effect else None
    low, high = effect.interval() if effect else (None, None)
    finite = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    p_equivalent = effect.equivalence_p(margin) if effect and enough else None
    needed = sample_size(effect, runs, photos, margin) if effect and effect.variance > 0 else (None, None)
    p = max(p_runs or 0.0, p_photos) if enough and p_photos is not None else None
    weights = [table.shape[1] / photos for table in differences]  # as crossed_effect weighs folds
    gain = float(np.dot(weights, [table.mean() for table in differences])) if differences else None
    return Contrast(
        inspector=inspector, arm=arm, against=against, planned=planned, runs=runs, seeds=seeds, photos=photos,
        gain=gain, low=low if finite else None, high=high if finite else None, p=p, p_runs=p_runs, p_photos=p_photos,
        p_equivalent=p_equivalent, needed_runs=needed[0], needed_photos=needed[1],
        word=claim(gain, p, p_equivalent, (runs, photos), needed),
    )  # fmt: skip


def planned_contrasts(
    evidence: Evidence, arms: Sequence[Arm], inspectors: Sequence[str], margin: float
) -> tuple[Contrast, ...]:
    """Every arm that is compared, of every inspector that ran it; the planned ones are corrected together by Holm."""
    found = [
        contrast(evidence, inspector, arm.name, arm.against, margin, arm.planned)
        for inspector in inspectors
        for arm in arms
        if arm.against and (inspector, arm.name) in evidence.results and (inspector, arm.against) in evidence.results
    ]
    planned = [number for number, one in enumerate(found) if one.planned]
    p = holm([found[number].p for number in planned])
    same = holm([found[number].p_equivalent for number in planned])
    for number, corrected, equivalent in zip(planned, p, same, strict=True):
        one = found[number]
        word = claim(one.gain, corrected, equivalent, (one.runs, one.photos), (one.needed_runs, one.needed_photos))
        found[number] = one.model_copy(update={"p": corrected, "p_equivalent": equivalent, "word": word})
    return tuple(found)


def arm_rows(
    evidence: Evidence, arms: Sequence[Arm], inspectors: Sequence[str], settings: InspectSettings
) -> tuple[ArmRow, ...]:
    """Every arm of every inspector that ran it."""
    return tuple(
        _row(evidence, inspector, arm, settings)
        for inspector in inspectors
        for arm in arms
        if (inspector, arm.name) in evidence.results
    )


def _row(evidence: Evidence, inspector: str, arm: Arm, settings: InspectSettings) -> ArmRow:
    cells = list(evidence.results[inspector, arm.name].values())
    (tables,) = evidence.tables([(inspector, arm.name)])
    effect = crossed_effect(tables) if tables else None
    low, high = effect.interval() if effect else (None, None)
    finite = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    names = list(dict.fromkeys(name for cell in cells for name in cell.measures))
    rejects, slips, further = _decisions(evidence, cells, settings)
    return ArmRow(
        inspector=inspector, arm=arm.name, kind=arm.kind, source=arm.source, dose=arm.dose,
        photos=_mean([cell.photos for cell in cells]), samples=_mean([cell.samples for cell in cells]),
        runs=len(cells), auroc=_mean([cell.measures["auroc"] for cell in cells]),
        low=max(0.0, low) if finite and low is not None else None,
        high=min(1.0, high) if finite and high is not None else None,
        measures={name: _mean([cell.measures[name] for cell in cells if name in cell.measures]) for name in names},
        false_rejects=rejects, slip_through=slips, further_defects=further,
        strength=_mean([cell.strength for cell in cells]), seconds=_mean([cell.seconds for cell in cells]),
    )  # fmt: skip


def _decisions(
    evidence: Evidence, cells: Sequence[CellResult], settings: InspectSettings
) -> tuple[Share | None, Share | None, int | None]:
    """What thresholds set on training photos did to the held-out ones."""
    if not all(cell.training_scores for cell in cells):
        return None, None, None
    rejected, missed, further = [], [], []
    good = bad = 0
    seeds = {cell.seed for cell in cells}
    for cell in cells:
        fold = evidence.folds[cell.fold]
        threshold = threshold_for_false_rejects(
            np.array(cell.training_scores), fold.base.labels > 0, settings.false_rejects
        )
        found = decide(threshold, np.array(cell.scores), fold.test.labels > 0, settings.target)
        rejected.append(found.false_rejects.hits)
        missed.append(found.slip_through.hits)
        further.append(found.further_defects)
        good, bad = good + found.false_rejects.trials, bad + found.slip_through.trials
    good, bad = good // len(seeds), bad // len(seeds)  # every seed sees the same photos
    return (
        _share(sum(rejected) / len(seeds), good),
        _share(sum(missed) / len(seeds), bad),
        round(_mean(further)),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _share(hits: float, trials: int) -> Share:
    """Limits from the nearest counts outwards: the mean over seeds is no whole number."""
    low, high = share_limits(math.floor(hits), trials)[0], share_limits(math.ceil(hits), trials)[1]
    return Share(share=hits / trials, low=low, high=high, trials=trials)
