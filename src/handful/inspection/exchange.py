"""The exchange rate: how many more real photos would do what the samples do? The learning curve read backwards.

The curve is AUROC over the number of real photos, made to rise (isotonic), straight between its points over the log of
the number. Seeds and held-out photos are drawn again together for every arm; so the interval holds the luck of both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import isotonic_regression

from handful.core.seeds import numpy_stream
from handful.inspection.answers import Evidence
from handful.inspection.arms import Arm
from handful.inspection.result import ArmRow, Exchange
from handful.pages.words import plural
from handful.statistics.bootstrap import hierarchical_means

Curve = npt.NDArray[np.float64]
_LEAST_POINTS = 2
_TAIL = 0.025


def exchange_rates(
    evidence: Evidence, arms: Sequence[Arm], rows: Sequence[ArmRow], inspector: str
) -> tuple[Exchange, ...]:
    """The worth of every arm of real photos with samples, for one inspector; empty without a learning curve."""
    known = {row.arm: row for row in rows if row.inspector == inspector}
    curve = sorted(
        (known[arm.name].photos, arm.name)
        for arm in arms
        if arm.kind in ("curve", "real", "more") and arm.name in known
    )
    if len(curve) < _LEAST_POINTS or "real" not in known:
        return ()
    found = []
    for arm in arms:
        if arm.kind not in ("samples", "pretrain") or arm.name not in known:
            continue
        tables = evidence.tables([(inspector, name) for _, name in curve] + [(inspector, arm.name)])
        if tables[0]:
            found.append(_exchange(tables, [photos for photos, _ in curve], known[arm.name], known["real"].photos))
    return tuple(found)


def photos_for(level: float, photos: Sequence[float], curve: Curve) -> float:
    """Real photos with which the curve reaches a level; inf above its end, -inf below its beginning.

    Args:
        level: of AUROC.
        photos: rising.
        curve: AUROC at each.
    """
    rising = np.asarray(isotonic_regression(curve, increasing=True), dtype=np.float64)
    if level > rising[-1]:
        return float("inf")
    if level < rising[0]:
        return float("-inf")
    place = int(np.searchsorted(rising, level))  # the first point that reaches it
    if place == 0:
        return float(photos[0])
    share = (level - rising[place - 1]) / (rising[place] - rising[place - 1])
    return float(np.exp(np.log(photos[place - 1]) * (1 - share) + np.log(photos[place]) * share))


def _exchange(tables: Sequence[Sequence[Curve]], photos: Sequence[float], row: ArmRow, base: float) -> Exchange:
    stacked = [np.stack([table[fold] for table in tables]) for fold in range(len(tables[0]))]  # (arms, seeds, groups)
    total = sum(table.shape[2] for table in stacked)
    means = sum(table.mean(axis=(1, 2)) * table.shape[2] / total for table in stacked)
    assert isinstance(means, np.ndarray)
    value = photos_for(float(means[-1]), photos, means[:-1]) - base
    drawn = hierarchical_means(stacked, numpy_stream(0, f"exchange rate of {row.arm}"))  # (arms, rounds)
    worths = np.array([photos_for(float(column[-1]), photos, column[:-1]) for column in drawn.T]) - base
    ordered = np.sort(worths)  # no quantile lies between a number and an infinity
    ends = (float(ordered[int(_TAIL * (len(ordered) - 1))]), float(ordered[-1 - int(_TAIL * (len(ordered) - 1))]))
    low, high = (end if np.isfinite(end) else None for end in ends)
    worth = value if np.isfinite(value) else None
    return Exchange(
        inspector=row.inspector,
        arm=row.arm,
        samples=round(row.samples),
        photos=round(base),
        worth=worth,
        low=low,
        high=high,
        words=_words(row, value, ends, photos),
    )


def _words(row: ArmRow, value: float, ends: tuple[float, float], photos: Sequence[float]) -> str:
    samples = f"{plural(round(row.samples), 'accepted sample')} ({row.arm})"
    if value == float("inf"):
        least = f" (lower limit {ends[0]:.0f} more real photos)" if 0 < ends[0] < float("inf") else ""
        return (
            f"{samples} are worth more than can be said{least}: the learning curve ends at {round(photos[-1])} photos, "
            "below them."
        )
    if value == float("-inf"):
        return f"{samples} cost more than can be said: {round(photos[0])} photos alone do better."
    between = " to ".join(
        f"{end:.0f}" if np.isfinite(end) else f"{'more' if end > 0 else 'less'} than can be said" for end in ends
    )
    return f"{samples} are worth {value:.0f} ({between}) more real photos here."
