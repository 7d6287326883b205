"""Exact limits of a share that was counted: Clopper and Pearson (1934), Biometrika 26:404-413."""

from __future__ import annotations

import math

from scipy import stats

from handful.core.errors import UserError


def share_limits(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided limits of a share; they hold the truth at least as often as `confidence` says.

    Raises:
        UserError: no trials, or more hits than trials.
    """
    _check(hits, trials)
    tail = (1 - confidence) / 2
    return _low(hits, trials, tail), _high(hits, trials, tail)


def share_at_most(hits: int, trials: int, confidence: float = 0.95) -> float:
    """One-sided upper limit: 0 misses among 20 still allow a miss rate of 13.9 %.

    Raises:
        UserError: no trials, or more hits than trials.
    """
    _check(hits, trials)
    return _high(hits, trials, 1 - confidence)


def trials_without_a_hit(share: float, confidence: float = 0.95) -> int:
    """Trials without one hit that show, with `confidence`, a share below `share` (0 < share < 1): 299 for 1 %."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-share))


def trials_until_share_below(hits: int, share: float, confidence: float = 0.95) -> int:
    """Trials in all that show, with `confidence`, a share below `share` (0 < share < 1) in spite of `hits` hits: 473
    for 1 % after one hit. As `trials_without_a_hit`, where there are none."""
    few, enough = hits, max(1, hits)  # no share is below 1 with as many hits as trials
    while share_at_most(hits, enough, confidence) >= share:
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if share_at_most(hits, middle, confidence) < share else (middle, enough)
    return enough


def _low(hits: int, trials: int, tail: float) -> float:
    return float(stats.beta.ppf(tail, hits, trials - hits + 1)) if hits else 0.0


def _high(hits: int, trials: int, tail: float) -> float:
    return float(stats.beta.isf(tail, hits + 1, trials - hits)) if hits < trials else 1.0


def _check(hits: int, trials: int) -> None:
    if trials < 1 or not 0 <= hits <= trials:
        raise UserError(
            f"{hits} of {trials} were counted.",
            "A share needs at least 1 trial, and from 0 to all of them as hits.",
            "Count again.",
        )
