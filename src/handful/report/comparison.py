"""Generator against generator on paired runs: what may be claimed, and what was merely seen.

A claim needs 10 paired runs from at least 2 seeds, and two tests that agree; its p is the larger of theirs:

- sign flips of whole runs: does the difference stand out from the luck of training, on these photos? With k pairs
  the smallest two-sided p is 2 / 2^k: 6 pairs are the least for p < 0.05, and 10 the least with which all 15 pairs
  of six generators can pass Holm's correction;
- the crossed t-test over photos and runs: would it hold with other held-out photos and other seeds? Where score cards
  do not say what each photo adds, this is not known, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from handful.core.artifacts import Score
from handful.core.config import Settings
from handful.statistics.claims import LEAST_PAIRS, LEAST_SEEDS, Word, claim
from handful.statistics.crossed import Table, crossed_effect, sample_size
from handful.statistics.paired import corrected_t_p, holm, sign_flip_p

_LEAST_FOLDS = 5
"""Folds from which the spread between overlapping training sets says anything."""

Claim = Literal["better", "worse"]
Cell = tuple[int, int]
"""Seed and fold of one run."""


class Comparison(Settings):
    """One generator against another, or against an anchor, on the runs that both have. Lower is better."""

    generator: str
    other: str
    cells: int
    """Paired runs: same seed, same fold."""
    seeds: int
    photos: int = 0
    """Held-out photos over all folds, where the cards say what each adds; else 0."""
    mean_difference: float | None
    """Mean of generator - other over the paired runs: below 0, the generator is nearer to the reference."""
    low: float | None = None
    """Lower end of the 95 % interval of the mean difference over photos and runs; None where it is not known."""
    high: float | None = None
    effect: float | None = None
    """Mean difference in standard deviations of the paired differences; None below 3 runs."""
    p: float | None
    """Two-sided, the larger of both tests, corrected by Holm over all comparisons made together; None where there are
    too few paired runs."""
    p_runs: float | None = None
    """Sign flips of whole runs, not corrected."""
    p_photos: float | None = None
    """Crossed t-test over photos and runs, not corrected."""
    p_training_photos: float | None = None
    """Corrected resampled t-test over folds, not corrected by Holm: would it hold with other training photos? Told
    from 5 folds on; no claim rests on it."""
    margin: float | None = None
    """Differences below this are finer than the ruler: `resolution` of the scores."""
    p_equivalent: float | None = None
    """Two one-sided tests that the difference lies within the margin, corrected by Holm."""
    needed_runs: int | None = None
    """Paired runs with which a difference of one margin would be found 8 times in 10."""
    needed_photos: int | None = None
    """Held-out photos, over all folds, for the same."""
    observed: Claim | None
    """The direction, where the 95 % intervals are disjoint in every paired run and all the same way."""
    word: Word
    """The claim that these runs allow."""
    contradicted_by: str | None = None
    """The feature space that shows the opposite of what would have been claimed; nothing is claimed then."""

    @property
    def seen(self) -> Claim | None:
        """The direction that may be named: the claim, or else what every one of too few runs shows."""
        if self.contradicted_by is not None:
            return None
        if self.word == "better" or self.word == "worse":
            return self.word
        return self.observed if self.p is None else None

    def turned(self) -> Comparison:
        """The same comparison seen from the other side."""
        turn: dict[str | None, Any] = {"better": "worse", "worse": "better"}

        def minus(value: float | None) -> float | None:
            return None if value is None else -value

        return self.model_copy(
            update={
                "generator": self.other,
                "other": self.generator,
                "mean_difference": minus(self.mean_difference),
                "low": minus(self.high),
                "high": minus(self.low),
                "effect": minus(self.effect),
                "observed": turn.get(self.observed),
                "word": turn.get(self.word, self.word),
            }
        )


def compare_pairs(
    pairs: Sequence[tuple[str, str]], scores: Mapping[str, Mapping[Cell, Score]]
) -> tuple[Comparison, ...]:
    """Compares each pair of names on its common cells; the p-values are corrected together."""
    measured = [_measure(name, other, scores[name], scores[other]) for name, other in pairs]
    corrected = holm([one.p for one in measured])
    equivalent = holm([one.p_equivalent for one in measured])
    return tuple(
        one.model_copy(update={"p": p, "p_equivalent": same, "word": _word(one, p, same)})
        for one, p, same in zip(measured, corrected, equivalent, strict=True)
    )


def common_seeds(cells: Sequence[Cell]) -> tuple[list[int], list[int]]:
    """The folds of these runs, and the seeds that every one of those folds has."""
    folds = sorted({fold for _, fold in cells})
    seeds = {seed for seed, _ in cells}
    return folds, sorted(seed for seed in seeds if all((seed, fold) in cells for fold in folds))


def _measure(name: str, other: str, own: Mapping[Cell, Score], others: Mapping[Cell, Score]) -> Comparison:
    """One comparison with its uncorrected p-values; its word is still open."""
    cells = sorted(set(own) & set(others))
    seeds = len({seed for seed, _ in cells})
    differences = np.array([own[cell].value - others[cell].value for cell in cells])
    tables = _tables(cells, own, others)
    effect = crossed_effect(tables) if tables else None
    margin = _margin([side[cell] for cell in cells for side in (own, others)])
    enough = len(cells) >= LEAST_PAIRS and seeds >= LEAST_SEEDS
    p_runs = sign_flip_p(list(differences)) if len(cells) > 1 else None
    p_photos = effect.p if effect else None
    low, high = effect.interval() if effect else (None, None)
    needed: tuple[int | None, int | None] = (None, None)
    photos = sum(table.shape[1] for table in tables)
    if effect and margin:
        needed = sample_size(effect, len(cells), photos, margin)
    spread = float(differences.std(ddof=1)) if len(cells) > 2 else 0.0
    return Comparison(
        generator=name,
        other=other,
        cells=len(cells),
        seeds=seeds,
        photos=photos,
        mean_difference=float(differences.mean()) if cells else None,
        low=low,
        high=high,
        effect=float(differences.mean()) / spread if spread > 0 else None,
        p=max(p_runs or 0.0, p_photos or 0.0) if enough else None,
        p_runs=p_runs,
        p_photos=p_photos,
        p_training_photos=_training_photos_p(cells, own, others),
        margin=margin,
        p_equivalent=effect.equivalence_p(margin) if effect and margin and enough else None,
        needed_runs=needed[0],
        needed_photos=needed[1],
        observed=_observed([(own[cell], others[cell]) for cell in cells]),
        word="cannot be decided with this n",
    )


def _word(comparison: Comparison, p: float | None, p_equivalent: float | None) -> Word:
    mean = comparison.mean_difference
    gain = None if mean is None else -mean  # lower is better
    needed = (comparison.needed_runs, comparison.needed_photos)
    return claim(gain, p, p_equivalent, (comparison.cells, comparison.photos), needed)


def _tables(cells: Sequence[Cell], own: Mapping[Cell, Score], others: Mapping[Cell, Score]) -> list[Table]:
    """For each fold the differences, runs by photos; empty where the cards do not say what each photo adds."""
    folds, seeds = common_seeds(cells)
    tables = []
    for fold in folds:
        rows = [(own[seed, fold].per_photo, others[seed, fold].per_photo) for seed in seeds]
        lengths = {len(side) for row in rows for side in row}
        if len(lengths) != 1 or 0 in lengths:
            return []
        tables.append(np.array([np.subtract(*row) for row in rows]))
    return tables


def _margin(scores: Sequence[Score]) -> float | None:
    """The ruler's resolution, over all runs; None where a score does not state it."""
    stated = [score.details.get("resolution") for score in scores]
    known = [value for value in stated if value is not None]
    return float(np.mean(known)) if known and len(known) == len(stated) else None


def _training_photos_p(cells: Sequence[Cell], own: Mapping[Cell, Score], others: Mapping[Cell, Score]) -> float | None:
    folds, seeds = common_seeds(cells)
    if len(folds) < _LEAST_FOLDS or not seeds:
        return None
    means = [np.mean([own[seed, fold].value - others[seed, fold].value for seed in seeds]) for fold in folds]
    return corrected_t_p([float(mean) for mean in means], 1 / len(folds))


def _observed(pairs: Sequence[tuple[Score, Score]]) -> Claim | None:
    directions = {_disjoint(own, other) for own, other in pairs}
    return directions.pop() if len(directions) == 1 else None


def _disjoint(own: Score, other: Score) -> Claim | None:
    """Whether an interval lies wholly below (better) or above (worse) the other; None where they meet or lack."""
    if own.low is None or own.high is None or other.low is None or other.high is None:
        return None
    return "better" if own.high < other.low else "worse" if own.low > other.high else None
