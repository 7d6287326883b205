"""A second look: does an unrelated feature space rank the same generators alike?

Every network was made for something else. A ranking that only one of them shows is a ranking by that network's taste,
so none is given where two disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import Score, ScoreCard
from handful.core.config import Settings
from handful.core.seeds import numpy_stream
from handful.report.comparison import Cell, Comparison, common_seeds
from handful.report.words import find
from handful.statistics.agreement import kendall_tau, tau_interval
from handful.statistics.bootstrap import hierarchical_means

SPACE_SCORES = ("kid", "swd")
"""The score that ranks in a space: the first of these that its cards have. Lower is better for both."""

Scores = Mapping[str, Mapping[Cell, Score]]
"""Generator -> run -> score."""


class Agreement(Settings):
    """How the space that decides and another one rank the same generators."""

    first: str
    """Protocol name of the deciding cards."""
    second: str
    score: str
    """The second space's ranking score."""
    generators: tuple[str, ...]
    tau: float
    """Kendall's tau-b of the mean scores: 1 the same order, -1 the reverse."""
    low: float
    """95 % interval, seeds and photos resampled together in both spaces."""
    high: float
    contradicted: tuple[tuple[str, str], ...]
    """(generator, other) whose claimed difference has the other sign here."""

    @property
    def overturned(self) -> tuple[tuple[str, str], ...]:
        """The contradicted pairs that are ranked. Claims against anchors are withheld; nothing else rests on them."""
        return tuple(pair for pair in self.contradicted if set(pair) <= set(self.generators))

    @property
    def agree(self) -> bool:
        return self.tau > 0 and not self.overturned


def space_scores(cards: Sequence[ScoreCard], names: Mapping[str, str]) -> tuple[str, dict[str, dict[Cell, Score]]]:
    """The ranking score of one space's cards, and its values: generator -> run -> score."""
    for name in SPACE_SCORES:
        scores: dict[str, dict[Cell, Score]] = {}
        for card in cards:
            if (score := find(card, name)) is not None:
                scores.setdefault(names[card.run_id], {})[card.seed or 0, card.fold] = score
        if scores:
            return name, scores
    return "", {}


def compare_spaces(
    first: tuple[str, Scores], second: tuple[str, str, Scores], ranked: Sequence[str], claims: Sequence[Comparison]
) -> Agreement | None:
    """Whether a second space agrees; None where it has nothing to compare.

    Args:
        first: protocol name and scores of the deciding space.
        second: protocol name, ranking score and scores of the other.
        ranked: the generators that are ranked.
        claims: comparisons of the deciding space.
    """
    protocol, own = first
    other_protocol, score, others = second
    shared = [name for name in ranked if name in others and set(own[name]) & set(others[name])]
    contradicted = tuple((one.generator, one.other) for one in claims if one.seen and _opposite(one, others))
    if len(shared) < 2 and not any(one.generator in others and one.other in others for one in claims):
        return None
    tau, low, high = 1.0, 1.0, 1.0
    if len(shared) >= 2:
        cells = sorted(set.intersection(*(set(own[name]) & set(others[name]) for name in shared)))
        if not cells:
            return None
        tau = kendall_tau(*(_means(side, shared, cells) for side in (own, others)))
        low, high = tau_interval(*(_resampled(side, shared, cells) for side in (own, others)))
    return Agreement(
        first=protocol,
        second=other_protocol,
        score=score,
        generators=tuple(shared),
        tau=tau,
        low=low,
        high=high,
        contradicted=contradicted,
    )


def _opposite(claim: Comparison, others: Scores) -> bool:
    """Whether the mean difference has the other sign in the other space, on the runs that both have there."""
    mine, theirs = others.get(claim.generator, {}), others.get(claim.other, {})
    cells = set(mine) & set(theirs)
    if not cells or claim.mean_difference is None:
        return False
    return float(np.mean([mine[cell].value - theirs[cell].value for cell in cells])) * claim.mean_difference < 0


def _means(scores: Scores, names: Sequence[str], cells: Sequence[Cell]) -> npt.NDArray[np.float64]:
    return np.array([np.mean([scores[name][cell].value for cell in cells]) for name in names])


def _resampled(scores: Scores, names: Sequence[str], cells: Sequence[Cell]) -> npt.NDArray[np.float64]:
    """Means (generators, rounds); the same seeds and photos are drawn whatever the scores are."""
    folds, seeds = common_seeds(cells)
    tables = []
    for fold in folds:
        photos = max(scores[name][cell].n_reference for name in names for cell in cells if cell[1] == fold)
        rows = [[_per_photo(scores[name][seed, fold], photos) for seed in seeds] for name in names]
        tables.append(np.array(rows))
    if not seeds:
        return _means(scores, names, cells)[:, None]
    return hierarchical_means(tables, numpy_stream(0, "agreement of feature spaces"))


def _per_photo(score: Score, photos: int) -> npt.NDArray[np.float64]:
    """What each photo adds; where that is not known, the score for each."""
    return np.array(score.per_photo) if len(score.per_photo) == photos else np.full(photos, score.value)
