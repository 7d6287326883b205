"""Two methods on the same runs: is one of them better? Tests on paired differences, and Holm's correction.

Papers: Nadeau, Bengio (2003), "Inference for the Generalization Error", Machine Learning 52:239-281 (overlapping
    training sets); Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statist. 6:65-70.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from handful.core.errors import UserError
from handful.core.seeds import numpy_stream

_EXACT_PAIRS = 36  # up to here all 2^k sign patterns are counted, beyond that 2^18 are drawn
_DRAWN = 2**18


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of the paired permutation test on the mean: the share of sign patterns at least as far from 0.

    Exact up to 36 pairs; beyond, 2^18 patterns are drawn from a fixed stream and the observed one is added. Valid
    where, given the photos, every run drew afresh: then overlapping folds do no harm. It asks whether two methods
    differ on these photos; whether they would on others is asked by `crossed.crossed_effect`.
    """
    values = np.abs(np.asarray(differences, dtype=np.float64))
    observed = abs(float(np.sum(differences))) - 1e-12 * float(values.sum())  # ties are equal up to rounding
    if observed <= 0:
        return 1.0
    if len(values) <= _EXACT_PAIRS:  # a pattern is one of the first half with one of the second
        first, second = _signed_sums(values[::2]), np.sort(_signed_sums(values[1::2]))
        above = int((len(second) - np.searchsorted(second, observed - first)).sum())
        return float(2 * above / 2 ** len(values))  # as many lie as far below 0
    random, sums = numpy_stream(0, "report sign flips"), np.zeros(_DRAWN)
    for value in values:
        sums += value * random.choice((-1.0, 1.0), _DRAWN)
    return (int((np.abs(sums) >= observed).sum()) + 1) / (_DRAWN + 1)


def _signed_sums(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The sums under every pattern of signs, (2^k,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def corrected_t_p(differences: Sequence[float], heldout_share: float) -> float:
    """Two-sided p of the corrected resampled t-test: for repeated random splits whose training sets overlap.

    The variance of the mean is (1 / J + r) times that of a difference, with r the photos held out for each photo
    trained on (Nadeau and Bengio 2003, equation 9). Cautious: see docs/findings/judge.md for its measured level.

    Args:
        differences: one for each of J splits (not for each seed: average over seeds first), at least 2.
        heldout_share: share of the photos that a split holds out, above 0 and below 1.

    Raises:
        UserError: fewer than 2 splits, or a share outside.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2 or not 0 < heldout_share < 1:
        raise UserError(
            f"The corrected t-test was given {len(values)} split(s) and a held-out share of {heldout_share:g}.",
            "It needs at least 2 splits and a share above 0 and below 1.",
            "Compare on more folds (`--folds`).",
        )
    variance = (1 / len(values) + heldout_share / (1 - heldout_share)) * float(values.var(ddof=1))
    return two_sided_t_p(float(values.mean()), variance, len(values) - 1)


def two_sided_t_p(effect: float, variance: float, freedom: float) -> float:
    """p of a t-test of `effect` against 0; 1 for no effect at all, 0 for one without any spread."""
    if variance <= 0:
        return 1.0 if effect == 0 else 0.0
    return float(2 * stats.t.sf(abs(effect) / variance**0.5, freedom))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction. None stays None, but is counted among the comparisons."""
    order = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    running = 0.0
    for rank, (value, index) in enumerate(order):
        running = max(running, min(1.0, value * (len(values) - rank)))
        corrected[index] = running
    return corrected
