"""How large a difference so many paired runs can find, and how many a difference needs.

Effects are in standard deviations of a paired difference. The exact power of the paired t-test (noncentral t) stands
for the sign-flip test too, as long as flips can reach the level at all; `simulated_power` measures the flips.

Paper: Cohen (1988), "Statistical Power Analysis for the Behavioral Sciences", chapter 2.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, stats

from handful.statistics.paired import sign_flip_p

POWER = 0.8
LEVEL = 0.05
_MOST = 100_000


def paired_power(effect: float, pairs: float, level: float = LEVEL) -> float:
    """How often a two-sided paired t-test finds an effect; 0 where flips of so many pairs cannot reach the level."""
    if pairs < least_pairs(level):
        return 0.0
    return t_power(effect, pairs, level)


def detectable_effect(pairs: int, level: float = LEVEL, power: float = POWER) -> float | None:
    """The least effect found with `power`; None where so few pairs can never reach the level."""
    if pairs < least_pairs(level):
        return None
    return t_detectable_effect(pairs, level, power)


def t_detectable_effect(pairs: int, level: float = LEVEL, power: float = POWER) -> float:
    """The same for a t-test, which no number of sign patterns limits; at least 2 pairs."""
    return float(optimize.brentq(lambda effect: t_power(effect, pairs, level) - power, 0, 1000))


def pairs_needed(effect: float, level: float = LEVEL, power: float = POWER) -> int | None:
    """Pairs with which an effect is found with `power`; None where 100,000 are too few."""
    low, high = least_pairs(level), _MOST
    if paired_power(abs(effect), high, level) < power:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if paired_power(abs(effect), middle, level) >= power else (middle + 1, high)
    return low


def least_pairs(level: float = LEVEL, comparisons: int = 1) -> int:
    """Fewest pairs with which sign flips can pass Holm's correction: 2 / 2^k must be below level / comparisons."""
    return math.floor(math.log2(2 * comparisons / level)) + 1


def simulated_power(effect: float, pairs: int, random: np.random.Generator, rounds: int = 1000) -> float:
    """How often sign flips find an effect at 5 % in normal differences with standard deviation 1."""
    draws = effect + random.normal(size=(rounds, pairs))
    return float(np.mean([sign_flip_p(list(row)) < LEVEL for row in draws]))


def t_power(effect: float, pairs: float, level: float = LEVEL) -> float:
    """How often a two-sided one-sample t-test finds an effect, whatever sign flips could reach; at least 2 pairs."""
    limit, shift = stats.t.ppf(1 - level / 2, pairs - 1), abs(effect) * pairs**0.5
    found = float(stats.nct.sf(limit, pairs - 1, shift))
    missed_side = float(stats.nct.cdf(-limit, pairs - 1, shift))
    return min(1.0, found + (missed_side if math.isfinite(missed_side) else 0.0)) if math.isfinite(found) else 1.0
