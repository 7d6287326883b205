"""What each held-out photo adds to an AUROC, so that two inspectors can be compared photo by photo.

AUROC is the share of pairs (defective, good) that are ordered rightly, ties by half. A photo's placement is its share
of such pairs. The contribution of photo i, of class c with n_c of n photos, is A + (n / n_c) (placement_i - A): their
mean is the AUROC A, and the variance of that mean is DeLong's.

Paper: DeLong, DeLong, Clarke-Pearson (1988), "Comparing the Areas under Two or More Correlated Receiver Operating
    Characteristic Curves: A Nonparametric Approach", Biometrics 44:837-845.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from handful.inspection.labelled_set import Labels

Row = npt.NDArray[np.float64]


def auroc_contributions(scores: Sequence[float] | Row, labels: Labels, groups: Labels) -> Row:
    """What each group of held-out photos adds, (groups,) in order of their numbers; their mean is the AUROC.

    Args:
        scores: (n,), higher is more surely defective.
        labels: (n,), 0 is good; at least one good and one defective.
        groups: (n,), near-duplicates count as one, so that the AUROC's variance is that of independent pictures.
    """
    values, bad = np.asarray(scores, dtype=np.float64), labels > 0
    placements = np.empty(len(values))
    ranks = stats.rankdata(values)
    good_count, bad_count = int((~bad).sum()), int(bad.sum())
    placements[bad] = (ranks[bad] - stats.rankdata(values[bad])) / good_count
    placements[~bad] = 1 - (ranks[~bad] - stats.rankdata(values[~bad])) / bad_count
    auroc = float(placements[bad].mean())
    excess = np.where(bad, len(values) / bad_count, len(values) / good_count) * (placements - auroc)
    _, places = np.unique(groups, return_inverse=True)
    count = int(places.max()) + 1
    contributions: Row = auroc + np.bincount(places, excess) * count / len(values)
    return contributions
