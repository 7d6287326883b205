"""When may one method be called better than another? One rule for generators and for inspectors."""

from __future__ import annotations

from typing import Literal

from handful.statistics.power import LEVEL

LEAST_PAIRS = 10
"""Paired runs: with 10 the smallest two-sided p of sign flips lets 15 comparisons pass Holm's correction."""
LEAST_SEEDS = 2

Word = Literal["better", "worse", "equivalent", "undecided", "cannot be decided with this n"]


def claim(
    gain: float | None,
    p: float | None,
    p_equivalent: float | None,
    have: tuple[int, int],
    needed: tuple[int | None, int | None],
) -> Word:
    """The word that a comparison allows.

    Args:
        gain: mean difference, above 0 where the first is better; None where nothing was compared.
        p: two-sided, corrected for all comparisons made together; None where there are too few runs for a claim.
        p_equivalent: that the difference lies within the margin, corrected too; None where no margin is known.
        have: paired runs and held-out photos.
        needed: the same, with which a difference of one margin would be found; None where that is not known.
    """
    if p is None or gain is None:
        return "cannot be decided with this n"
    if p < LEVEL:
        return "better" if gain > 0 else "worse"
    if p_equivalent is not None and p_equivalent < LEVEL:
        return "equivalent"
    # so few could have missed a difference as large as the margin: their silence means nothing
    blind = any(count is not None and count > own for count, own in zip(needed, have, strict=True))
    return "cannot be decided with this n" if blind else "undecided"
