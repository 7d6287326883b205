"""Do two ways of looking rank the same methods alike? Kendall's tau with an interval.

Paper: Kendall (1938), "A New Measure of Rank Correlation", Biometrika 30:81-93; tau-b of Kendall (1945) for ties.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.statistics.bootstrap import percentile_interval

Floats = npt.NDArray[np.float64]


def kendall_tau(first: Floats, second: Floats) -> float:
    """tau-b of two rows of values, -1 to 1; 0 where all values of a row are equal. At least 2 values."""
    return float(kendall_taus(first[:, None], second[:, None])[0])


def kendall_taus(first: Floats, second: Floats) -> Floats:
    """tau-b of each column of two tables (methods, rounds) -> (rounds,)."""
    above = np.triu_indices(len(first), 1)
    one, other = (np.sign(side[above[0]] - side[above[1]]) for side in (first, second))
    scale = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    taus: Floats = np.divide((one * other).sum(axis=0), scale, out=np.zeros(first.shape[1]), where=scale > 0)
    return taus


def tau_interval(first: Floats, second: Floats) -> tuple[float, float]:
    """95 % percentile interval of tau-b from resampled means (methods, rounds) of both ways of looking.

    With few methods tau has few values (two methods: -1 and 1), and the interval is that coarse too.
    """
    return percentile_interval(kendall_taus(first, second))
