"""Generator against generator on paired runs: what may be claimed, and what was merely seen.

A claim needs 10 paired runs from at least 2 seeds. The test is the paired permutation test by sign flips, whose
smallest two-sided p with k pairs is 2 / 2^k: 6 pairs are the least for p < 0.05, and 10 the least with which all
15 pairs of six generators can pass Holm's correction (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from handful.core.artifacts import Score
from handful.core.config import Settings
from handful.core.seeds import numpy_stream

LEAST_PAIRS = 10
LEAST_SEEDS = 2
SIGNIFICANT = 0.05
_EXACT_PAIRS = 18  # up to here all 2^k sign patterns are counted, beyond that as many are drawn

Word = Literal["better", "worse", "undecided", "cannot be decided with this n"]
Cell = tuple[int, int]
"""Seed and fold of one run."""


class Comparison(Settings):
    """One generator against another, or against an anchor, on the runs that both have. Lower is better."""

    generator: str
    other: str
    cells: int
    """Paired runs: same seed, same fold."""
    seeds: int
    mean_difference: float | None
    """Mean of generator - other over the paired runs: below 0, the generator is nearer to the reference."""
    p: float | None
    """Two-sided, corrected by Holm over all comparisons made together; None where there are too few paired runs."""
    observed: Literal["better", "worse"] | None
    """The direction, where the 95 % intervals are disjoint in every paired run and all the same way."""
    word: Word
    """The claim that these runs allow."""

    @property
    def seen(self) -> Literal["better", "worse"] | None:
        """The direction that may be named: the claim, or else what every one of too few runs shows."""
        if self.word == "better" or self.word == "worse":
            return self.word
        return self.observed if self.p is None else None

    def turned(self) -> Comparison:
        """The same comparison seen from the other side."""
        turn: dict[str | None, Any] = {"better": "worse", "worse": "better"}
        return self.model_copy(
            update={
                "generator": self.other,
                "other": self.generator,
                "mean_difference": None if self.mean_difference is None else -self.mean_difference,
                "observed": turn.get(self.observed),
                "word": turn.get(self.word, self.word),
            }
        )


def compare_pairs(
    pairs: Sequence[tuple[str, str]], scores: Mapping[str, Mapping[Cell, Score]]
) -> tuple[Comparison, ...]:
    """Compares each pair of names on its common cells; the p-values are corrected together."""
    common = [sorted(set(scores[name]) & set(scores[other])) for name, other in pairs]
    seeds = [len({seed for seed, _ in cells}) for cells in common]
    differences = [
        [scores[name][cell].value - scores[other][cell].value for cell in cells]
        for (name, other), cells in zip(pairs, common, strict=True)
    ]
    corrected = holm(
        [
            sign_flip_p(values) if len(values) >= LEAST_PAIRS and count >= LEAST_SEEDS else None
            for values, count in zip(differences, seeds, strict=True)
        ]
    )
    return tuple(
        Comparison(
            generator=name,
            other=other,
            cells=len(cells),
            seeds=count,
            mean_difference=float(np.mean(values)) if values else None,
            p=p,
            observed=_observed([(scores[name][cell], scores[other][cell]) for cell in cells]),
            word=_claim(values, p),
        )
        for (name, other), cells, count, values, p in zip(pairs, common, seeds, differences, corrected, strict=True)
    )


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of the paired permutation test on the mean: the share of sign patterns at least as far from 0.

    Exact up to 18 pairs; beyond, 2^18 patterns are drawn from a fixed stream and the observed one is added.
    """
    values = np.abs(np.asarray(differences, dtype=np.float64))
    sums = np.zeros(1)
    if len(values) <= _EXACT_PAIRS:
        for value in values:
            sums = np.concatenate([sums + value, sums - value])
    else:
        random = numpy_stream(0, "report sign flips")
        for value in values:
            sums = np.resize(sums, 2**_EXACT_PAIRS) + value * random.choice((-1.0, 1.0), 2**_EXACT_PAIRS)
    observed = abs(float(np.sum(differences)))
    as_far = int((np.abs(sums) >= observed - 1e-12 * values.sum()).sum())  # ties are equal up to rounding
    drawn = int(len(values) > _EXACT_PAIRS)
    return (as_far + drawn) / (len(sums) + drawn)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction. None stays None, but is counted among the comparisons."""
    order = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    running = 0.0
    for rank, (value, index) in enumerate(order):
        running = max(running, min(1.0, value * (len(values) - rank)))
        corrected[index] = running
    return corrected


def _claim(differences: Sequence[float], p: float | None) -> Word:
    if p is None:
        return "cannot be decided with this n"
    if p >= SIGNIFICANT:
        return "undecided"
    return "better" if np.mean(differences) < 0 else "worse"


def _observed(pairs: Sequence[tuple[Score, Score]]) -> Literal["better", "worse"] | None:
    directions = {_disjoint(own, other) for own, other in pairs}
    return directions.pop() if len(directions) == 1 else None


def _disjoint(own: Score, other: Score) -> Literal["better", "worse"] | None:
    """Whether an interval lies wholly below (better) or above (worse) the other; None where they meet or lack."""
    if own.low is None or own.high is None or other.low is None or other.high is None:
        return None
    return "better" if own.high < other.low else "worse" if own.low > other.high else None
