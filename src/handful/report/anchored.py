"""Scores on the scale that anchors fix: 0 as the worse of blurred and noisy photos, 1 as real photos.

It is given only for scores of closeness that are read in one direction, and only where the anchors are told apart:
where the intervals of real photos and of the worse anchor are disjoint. Scores that compare at equal counts only have
none unless the anchors have as many samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handful.core import registry
from handful.core.artifacts import Score, ScoreCard
from handful.report.words import find

REAL, SPOILT = "real photos", ("blurred photos", "noisy photos")
"""Contestants of the cards with `of_photos`, as the judge names them."""

Scale = tuple[Score, Score]
"""What the worse of the spoilt photos and what real photos score."""


def fix_scales(anchors: Sequence[ScoreCard]) -> dict[tuple[str, int], Scale]:
    """(score, fold) -> its scale, where it has one.

    Args:
        anchors: cards with `of_photos` of one protocol, space and data set.
    """
    cards = {(card.generator, card.fold): card for card in anchors}
    scales = {}
    for (name, fold), card in cards.items():
        if name == REAL:
            for real in card.scores:
                spoilt = [
                    found for one in SPOILT if (other := cards.get((one, fold))) and (found := find(other, real.name))
                ]
                if len(spoilt) == len(SPOILT) and (scale := _fix(real, spoilt)) is not None:
                    scales[real.name, fold] = scale
    return scales


def place(score: Score, fold: int, scales: Mapping[tuple[str, int], Scale]) -> float | None:
    """Where a score stands; below 0 worse than spoilt photos, above 1 better than real ones. None without a scale."""
    scale = scales.get((score.name, fold))
    if scale is None or (_facts(score.name).get("equal_counts") and score.m_samples != scale[1].m_samples):
        return None
    spoilt, real = scale
    return (score.value - spoilt.value) / (real.value - spoilt.value)


def _fix(real: Score, spoilt: Sequence[Score]) -> Scale | None:
    facts = _facts(real.name)
    if facts.get("sees", "closeness") != "closeness" or facts.get("better") not in ("lower", "higher"):
        return None
    lower = facts["better"] == "lower"
    worse = (max if lower else min)(spoilt, key=lambda score: score.value)
    ends = (real.high, worse.low) if lower else (worse.high, real.low)
    return (worse, real) if ends[0] is not None and ends[1] is not None and ends[0] < ends[1] else None


def _facts(score: str) -> Mapping[str, object]:
    name = score.partition(" (")[0]  # what stands in brackets is the network
    return registry.describe("scores", name).facts if name in registry.names("scores") else {}
