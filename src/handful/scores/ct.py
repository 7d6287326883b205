"""C_T: are samples nearer to the training photos than new photos are? A rank test for copying.

Paper: Meehan, Chaudhuri, Dasgupta (2020), "A Non-Parametric Test to Detect Data-Copying in Generative Models", arXiv
    2004.05675, section 3: the Mann-Whitney test of distances to the nearest training image, of held-out images
    against samples.
Read: the value is the probability that a sample lies farther from the training photos than a held-out photo does: 0.5
    as new as a new photo, 0 all copies. Above 0.5 samples are damaged rather than new. `z` is the paper's C_T, below 0
    for copying; `p_copying` is the chance of as low a z without copying.
Few images: ten held-out photos hold little evidence however many samples there are. `copies_found_share` is the share
    of exact copies among otherwise good samples that this test finds four times in five at 5 %; fewer pass unseen.
    The gate looks at each sample and sees single copies.
Oracle: scipy's mannwhitneyu; power by simulation.
Differs: one cell. The paper's cells, found by clustering, would each hold a photo or two here.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.scores.base import FeatureSets, ScoreFacts, check_counts, count_photos, photo_numbers
from handful.scores.jackknife import content_order, interval, split_groups, spread

FACTS = ScoreFacts(
    better="higher",
    perfect="0.5: samples are as far from the training photos as new photos are",
    best=0.5,
    least_reference=2,
    least_samples=2,
    compares_with="training",
    sees="novelty",
    worst=0.0,
)

_LEAST_HELDOUT = 2
_LEVEL, _POWER = 0.05, 0.8


def score(sets: FeatureSets) -> Score:
    """The probability, with the test's z and p.

    Raises:
        UserError: fewer than 2 training photos, samples or held-out photos.
    """
    check_counts("ct", FACTS, sets)
    order = content_order(sets.heldout)
    photos = photo_numbers(sets.heldout, sets.heldout_photos)[order]
    n, m = len(np.unique(photos)), len(sets.samples)
    if n < _LEAST_HELDOUT:
        raise UserError(
            f"There are {n} held-out photos.",
            f"ct compares samples with held-out photos and needs at least {_LEAST_HELDOUT}.",
            "Build the data set again with more of them held out (`handful dataset --heldout`).",
        )
    of_photos = cdist(sets.heldout[order], sets.training).min(1)
    of_samples = cdist(sets.samples[content_order(sets.samples)], sets.training).min(1)
    farther = (of_samples[:, None] > of_photos) + 0.5 * (of_samples[:, None] == of_photos)
    value = float(farther.mean())
    sides = []
    for axis, groups in enumerate((split_groups(np.arange(m)), split_groups(photos))):
        without = [float(np.delete(farther, group, axis).mean()) for group in groups]
        sides.append(spread(value, without, [len(group) for group in groups]))
    low, high = interval(value, *sides)
    deviation = ((n + m + 1) / (12 * n * m)) ** 0.5
    z = (value - 0.5) / deviation
    found_share = copies_found_share(n, m)
    notes = (
        f"With {n} held-out photos it finds {found_share:.0%} of copies or more, four times in five; fewer pass unseen."
        if found_share < 1
        else f"With {n} held-out photos and {m} samples it cannot be relied on to find any share of copies.",
    )
    return Score(
        name="ct",
        value=value,
        low=max(low, 0.0),
        high=min(high, 1.0),
        n_reference=count_photos(sets.training, sets.training_photos),
        m_samples=m,
        notes=notes,
        details={
            "z": z,
            "p_copying": float(stats.norm.cdf(z)),
            "copies_found_share": found_share,
            "heldout_photos": float(n),
        },
    )


def copies_found_share(heldout: int, samples: int) -> float:
    """The share of exact copies that is found with 80 % power at the one-sided 5 % level; at most 1.

    A copy is nearer than any held-out photo, so a share q of them moves the probability from 1/2 to (1 - q) / 2.
    """
    deviation = ((heldout + samples + 1) / (12 * heldout * samples)) ** 0.5
    needed = float(stats.norm.isf(_LEVEL) + stats.norm.ppf(_POWER))
    return float(min(1.0, 2 * needed * deviation))
