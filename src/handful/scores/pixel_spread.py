"""Pixel spread: how much each pixel differs from sample to sample. Variety where one photo is all there is.

Paper: Rott Shaham, Dekel, Michaeli (2019), "SinGAN: Learning a Generative Model from a Single Natural Image", arXiv
    1905.01164, section 3: the standard deviation of each pixel over samples, averaged over pixels.
Read: as a share of the grey range; 0 means that all samples are one picture, as where a generator learned its photo by
    heart. Higher is no praise: noise and a shifted camera move every pixel, and nothing says how much a single photo's
    samples should differ. It reads no photo, so it never says that a sample looks right. Read it beside sifid and the
    scores of copying: low distances with no spread are one copy over and over.
Few images: from 2 samples on, an interval over samples from 3.
Oracle: numpy's standard deviation of each pixel; the interval against leaving out each group.
Differs: the paper divides by the photo's own contrast; here the number stays in grey values, which can be read against
    the camera's noise. The deviation is that of a sample (m - 1), whose square is unbiased at any number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import Score
from handful.features.image_set import ImageSet
from handful.scores.base import ImageSets, ScoreFacts, check_counts
from handful.scores.jackknife import Spread, interval, split_groups, spread

FACTS = ScoreFacts(
    better="neither",
    perfect="nobody knows: one photo does not say how much others would differ; 0 is one picture over and over",
    best=0.5,
    least_reference=0,
    least_samples=2,
    compares_with="nothing",
    needs="images",
    sees="variety",
    worst=0.0,
)

Array = npt.NDArray[np.float64]


def score(sets: ImageSets) -> Score:
    """The mean over pixels of their standard deviation over samples, as a share of the grey range.

    Raises:
        UserError: fewer than 2 samples.
    """
    check_counts("pixel_spread", FACTS, sets)
    m = len(sets.samples)
    groups = split_groups(np.arange(m))
    sizes, sums, squares = _sums(sets.samples, groups)
    value = _mean_deviation(m, sums.sum(0), squares.sum(0))
    low = high = None
    if m > 2:
        whole, whole_squares = sums.sum(0), squares.sum(0)
        without = [
            _mean_deviation(m - size, whole - own, whole_squares - own_squares)
            for size, own, own_squares in zip(sizes, sums, squares, strict=True)
        ]
        low, high = interval(value, spread(value, without, sizes), Spread(0.0, 2))
        low = max(low, 0.0)
    return Score(
        name="pixel_spread",
        value=value,
        low=low,
        high=high,
        n_reference=0,
        m_samples=m,
        notes=("It says how much samples differ, not whether they should: noise and shifts raise it too.",),
    )


def _sums(images: ImageSet, groups: list[npt.NDArray[np.intp]]) -> tuple[Array, Array, Array]:
    """Images of each group, (groups,), and the sums of their pixels and of their squares, (groups, c, h, w)."""
    order = sorted(range(len(images)), key=images.hashes.__getitem__)  # what images hold, not how they came
    sums: list[Array] = []
    squares: list[Array] = []
    for group in groups:
        pixels = [(images.unit(order[place]).astype(np.float64) + 1) / 2 for place in group]
        sums.append(np.sum(pixels, axis=0))
        squares.append(np.sum([image**2 for image in pixels], axis=0))
    return np.array([float(len(group)) for group in groups]), np.stack(sums), np.stack(squares)


def _mean_deviation(m: float, sums: Array, squares: Array) -> float:
    return float(np.sqrt(np.maximum(squares - sums**2 / m, 0) / (m - 1)).mean())
