"""Where an inspector starts to reject, set on training folds alone, and what that costs on test images.

An image is rejected where its score is at least the threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve
from sklearn.model_selection import StratifiedGroupKFold

from handful.core.errors import UserError
from handful.core.seeds import stream_seed
from handful.inspection.base import Inspector
from handful.inspection.labelled_set import LabelledSet, Labels
from handful.statistics.binomial import share_limits, trials_until_share_below

Scores = npt.NDArray[np.floating[Any]]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CountedShare:
    """Hits among trials, with exact two-sided limits (Clopper and Pearson)."""

    hits: int
    trials: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """hits / trials."""
        return self.hits / self.trials


@dataclass(frozen=True)
class Decisions:
    """What a threshold does to test images."""

    threshold: float
    false_rejects: CountedShare
    """Good images rejected, of all good ones."""
    slip_through: CountedShare
    """Defective images let through, of all defective ones."""
    target_slip_through: float
    further_defects: int
    """Defective images still to be tested, and all rejected, before a slip-through below the target is shown."""


def fold_scores(
    train: LabelledSet, fitted: Callable[[Labels], Inspector], folds: int = 5, seed: int = 0
) -> npt.NDArray[np.float64]:
    """A score (n,) for each training image from an inspector that did not see it or anything of its group.

    Args:
        train: real training images.
        fitted: rows of `train` -> an inspector fitted to them, and to whatever samples the arm adds.
        folds: fewer are taken where a class has fewer groups.
        seed: decides the folds.

    Raises:
        UserError: the good or the defective images are all of one group.
    """
    defective = train.labels > 0
    groups = {
        word: len(np.unique(train.groups[side])) for word, side in (("good", ~defective), ("defective", defective))
    }
    for word, count in groups.items():
        if count < 2:
            raise UserError(
                f"The {word} training images are of {count} group(s) of near-duplicates.",
                "A threshold is set on folds with images of their own: at least 2 groups of good and 2 of defective.",
                f"Add {word} photos that are no copies of each other, or judge by AUROC, which needs no threshold.",
            )
    splitter = StratifiedGroupKFold(
        min(folds, *groups.values()), shuffle=True, random_state=stream_seed(seed, "inspection/folds") % 2**32
    )
    scores = np.empty(len(train))
    for inside, outside in splitter.split(train.labels, defective, train.groups):
        scores[outside] = fitted(inside).predict(train.images[outside]).defect
    return scores


def threshold_for_false_rejects(scores: Scores, defective: Truths, target: float) -> float:
    """The lowest threshold that rejects at most the share `target` of the good images given.

    Args:
        scores: (n,), of training images by inspectors that did not see them: `fold_scores`.
        defective: (n,).
        target: from 0 to below 1.

    Raises:
        UserError: no good image, or a target outside its range.
    """
    if not 0 <= target < 1:
        raise UserError(
            f"The target of false rejects is {target}.",
            "It is a share from 0 to below 1; 0.05 rejects one good part in 20.",
            "Correct the target.",
        )
    good = np.sort(scores[~defective])[::-1]
    if len(good) == 0:
        raise _lacking("good", len(scores))
    return float(np.nextafter(good[int(target * len(good) + 1e-9)], np.inf))


def threshold_for_best_f1(scores: Scores, defective: Truths) -> float:
    """The threshold of highest F1, in the middle of the gap below the lowest score that it rejects.

    Args:
        scores: (n,), of training images by inspectors that did not see them: `fold_scores`.
        defective: (n,).

    Raises:
        UserError: no good or no defective image.
    """
    for word, present in (("good", ~defective), ("defective", defective)):
        if not present.any():
            raise _lacking(word, len(scores))
    precision, recall, values = precision_recall_curve(defective, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = values[int(f1[:-1].argmax())]  # the last point belongs to no threshold
    below = scores[scores < best]
    return float((best + below.max()) / 2) if len(below) else float(best)


def decide(
    threshold: float,
    scores: Scores,
    defective: Truths,
    target_slip_through: float = 0.05,
    confidence: float = 0.95,
) -> Decisions:
    """Counts what a threshold does to test images that took no part in setting it.

    Args:
        threshold: images that score at least this are rejected.
        scores: (n,).
        defective: (n,).
        target_slip_through: share of defective parts let through that is to be undercut, from above 0 to below 1.
        confidence: of all limits.

    Raises:
        UserError: no good or no defective image, or a target outside its range.
    """
    if not 0 < target_slip_through < 1:
        raise UserError(
            f"The target of slip-through is {target_slip_through}.",
            "It is a share above 0 and below 1; 0.01 lets one defective part in 100 through.",
            "Correct the target.",
        )
    good, bad = int(np.sum(~defective)), int(np.sum(defective))
    for word, count in (("good", good), ("defective", bad)):
        if count == 0:
            raise _lacking(word, len(scores), "test")
    rejected = scores >= threshold
    missed = int(np.sum(~rejected & defective))
    needed = trials_until_share_below(missed, target_slip_through, confidence)
    return Decisions(
        threshold,
        _counted(int(np.sum(rejected & ~defective)), good, confidence),
        _counted(missed, bad, confidence),
        target_slip_through,
        max(0, needed - bad),
    )


def _counted(hits: int, trials: int, confidence: float) -> CountedShare:
    return CountedShare(hits, trials, *share_limits(hits, trials, confidence))


def _lacking(word: str, images: int, side: str = "training") -> UserError:
    return UserError(
        f"Of {images} {side} images, 0 are {word}.",
        f"A threshold needs at least 1 {word} one.",
        f"Move {word} photos to the {side} side.",
    )
