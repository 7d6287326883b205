"""The controls: real photos in the place of samples, so that nothing new is learned but the way that samples took.

By the path: the same resizes and the same rounding. Whatever an inspector gains from such copies, more copies gain it.

With the trace: the copies get, class by class, the samples' share of each spatial frequency, where it surely differs
from the photos' of that class. Blur, noise, upsampling and compression show there. Where only one class comes as
samples, an inspector can learn that trace for the defect and fail on real photos, which have none; then this control
falls. A mark at one place, or one of a fixed pattern at frequencies where the photos are as strong, it does not carry:
see what the detector of samples says.

Paper: Durall, Keuper, Keuper (2020), "Watch your Up-Convolution", arXiv 2003.01826, for generators that show in the
    azimuthally averaged spectrum; that trace is put on photos here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import stats

from handful.core.artifacts import Size
from handful.core.images import Floats, integers_to_unit, pixels_sha256, resize, unit_to_integers
from handful.inspection.labelled_set import LabelledSet

RINGS = 16
_LEVEL = 0.001
"""Of Welch's t-test of a ring: a ring that is not surely other is left as it is."""
_LEAST_IMAGES = 2
_LEAST_SPREAD = 1e-6
"""Of a log power: equal images, or a ring without coefficients, have none."""

Table = npt.NDArray[np.float64]


def by_the_path(photos: LabelledSet, canvas: Size, bit_depth: int) -> LabelledSet:
    """Photos as if they had been drawn: at the samples' canvas, rounded to their bit depth, and back."""
    height, width = photos.images.shape[2:]
    went = partial(_by_the_path, width=width, height=height, canvas=canvas, bit_depth=bit_depth)
    return _changed(photos, np.stack([went(image) for image in photos.images]))


def with_the_trace(photos: LabelledSet, real: LabelledSet, samples: LabelledSet) -> LabelledSet:
    """Photos with the spectrum that samples of their class have.

    Args:
        photos: to be changed.
        real: all training photos, with whose spectra those of the samples are compared.
        samples: of the same size; a class with fewer than 2 of either is left as it is.
    """
    images = photos.images.copy()
    rings = _ring_numbers(images.shape[2], images.shape[3])
    for label in np.unique(photos.labels):
        own, drawn = real.images[real.labels == label], samples.images[samples.labels == label]
        if min(len(own), len(drawn)) < _LEAST_IMAGES:
            continue
        gains = ring_gains(ring_powers(own), ring_powers(drawn))  # (RINGS,)
        if (gains == 1).all():
            continue  # to the frequencies and back would round
        rows = photos.labels == label
        spectra = np.fft.fft2(images[rows])
        images[rows] = np.clip(np.fft.ifft2(spectra * gains[rings]).real, -1, 1).astype(np.float32)
    return _changed(photos, images)


def ring_powers(images: Floats) -> Table:
    """log of the mean power in each ring of spatial frequency, (n, RINGS); images (n, c, h, w)."""
    rings = _ring_numbers(images.shape[2], images.shape[3])
    power = (np.abs(np.fft.fft2(images.astype(np.float64))) ** 2).mean(axis=1).reshape(len(images), -1)
    sums = np.stack([np.bincount(rings.ravel(), row, minlength=RINGS) for row in power])
    counts = np.bincount(rings.ravel(), minlength=RINGS)
    logs: Table = np.log(sums / np.maximum(counts, 1) + 1e-12)
    return logs


def ring_gains(real: Table, samples: Table) -> npt.NDArray[np.float64]:
    """Factor of the amplitude in each ring, (RINGS,); 1 in the lowest, which hold the content, and where the two do not
    surely differ."""
    sides = [
        (side.mean(axis=0), np.maximum(side.std(axis=0, ddof=1), _LEAST_SPREAD), len(side)) for side in (real, samples)
    ]
    p = stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue
    gains = np.exp((samples.mean(axis=0) - real.mean(axis=0)) / 2)
    sure = p < _LEVEL
    sure[:2] = False
    return np.asarray(np.where(sure, gains, 1.0))


def _ring_numbers(height: int, width: int) -> npt.NDArray[np.intp]:
    """Ring of each coefficient of fft2, (h, w); the last one goes up to the corner."""
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    return np.asarray(np.minimum((radius / 0.5 * (RINGS - 1)).astype(np.intp), RINGS - 1))


def _by_the_path(image: Floats, width: int, height: int, canvas: Size, bit_depth: int) -> Floats:
    drawn = unit_to_integers(resize(image, canvas.width, canvas.height, "bicubic"), bit_depth)
    return resize(integers_to_unit(drawn, bit_depth), width, height, "bicubic")


def _changed(photos: LabelledSet, images: Floats) -> LabelledSet:
    hashes = tuple(pixels_sha256(unit_to_integers(image, 16)) for image in images)
    return replace(photos, images=images, hashes=hashes)
