"""How alike is an image to each of some photos, under any shift, mirror and gain, beyond what all photos share?

Photos of one station share most of what they show: a plain correlation is near 1 for any two of them. Two photos differ
by light, by the product, and by the camera's noise, which no two have in common. So the mean of the other photos is
taken out, slow light and the finest grain (which JPEG destroys) are filtered off, and what is left is correlated. A
correlation does not see gain or offset, and what is saturated is left out. Photos of a fixed view differ mostly in a
few ways (where the part lies, the light), and some are alike in them by chance; so the same is asked again with the two
main ways in which the others differ taken out as well. Both answers count equally: they err on different photos. A
copy that was compressed is compared with the photo compressed likewise, too: the more alike of the two counts.

Candidates come from correlations of the middle of each image with all photos, by FFT, at reduced resolution where
images are large; the best few are placed at full resolution and measured on the area where both images overlap.

Paper: Lewis (1995), "Fast Normalized Cross-Correlation" (the search). The partial correlation is the textbook's.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from handful.scores.recompressed import recompressed

Images = npt.NDArray[np.float32]
Products = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Place = tuple[slice, slice]

_SEARCHED_PX = 128
"""Long side at which all pairs are searched: at less, half a pixel of shift hides the right photo among the others."""
_CANDIDATES = 10
_FINE_PX, _SLOW_PX = 2.0, 8.0
"""Standard deviations of the two Gaussians. JPEG keeps what lies between them; slow light lies above."""
_LOW, _HIGH = 1.0, 254.0
"""Beyond these a pixel is saturated."""
_LEAST_USABLE = 0.1
_MISLEADING_SHARE, _STEPS = 0.02, 4
"""From so large a saturated share on, a place is looked for again around the one that was found, in so many steps."""
_MODES, _LEAST_OTHERS = 2, 8
"""Principal components of the other photos that the second answer holds fixed, and the fewest photos that show them."""
_TINY, _LARGEST = 1e-12, 1 - 1e-9


@dataclass(frozen=True)
class Match:
    """The photo that an image is most alike to."""

    likeness: float
    """Partial correlation, -1 to 1: in Fisher's z, the mean of that with the mean of the other photos held fixed, and
    that with their two main differences held fixed too; with the photo as it is, or recompressed where that is more."""
    photo: int
    down_px: int
    """By how much the image lies lower than the photo."""
    right_px: int
    mirrored: bool


@dataclass(frozen=True)
class _Known:
    """The photos that an image is compared with. Others may hold what it shows: their mean would take that out."""

    rows: npt.NDArray[np.intp]
    sum: Images


@dataclass(frozen=True)
class _Overlap:
    """What an image and a photo show of the same, as the detail of each usable pixel, of mean 0."""

    image: Products
    photo: Products
    others: Products
    """Their mean."""
    here: Place
    """In the image, as it lies in the photo."""
    there: Place
    """In the photo."""
    usable: Flags
    """(h, w) of that place."""


class Photos:
    """Photos (n, h, w), n >= 3, made ready to be looked for."""

    def __init__(self, photos: Images, shift_share: float) -> None:
        """Args:
        photos: grey, of one size, on the scale 0 to 255.
        shift_share: the largest shift that is searched, as a share of the long side.
        """
        self.photos = photos.astype(np.float32)
        self.fine = keep_detail(self.photos)
        long_px = max(photos.shape[1:])
        self.reach_px = max(1, round(shift_share * long_px))
        self.factor = max(1, long_px // _SEARCHED_PX)
        self.search = _Search(self.fine, self.reach_px)
        self.coarse = _Search(_shrink(self.fine, self.factor), -(-self.reach_px // self.factor) + 1)

    def match(self, images: Images, skipped: Flags | None = None) -> list[Match]:
        """For each image (m, h, w) the photo that it is most alike to.

        Args:
            images: grey, of the photos' size and on their scale.
            skipped: (m, n), the photos that an image is not compared with, at least two less than all.
        """
        skipped = np.zeros((len(images), len(self.photos)), np.bool_) if skipped is None else skipped
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # FFTs and filters run outside Python's lock
            return list(threads.map(self._match_one, images.astype(np.float32), skipped))

    def _match_one(self, image: Images, skipped: Flags) -> Match:
        detail = keep_detail(image[None])[0]
        sides = (detail, np.ascontiguousarray(detail[:, ::-1]))
        found = [self.coarse.peaks(_shrink(side[None], self.factor)[0]) for side in sides]
        peaks = np.stack([heights for heights, _ in found])  # (mirrored, photos)
        peaks[:, skipped] = -np.inf
        best = np.argsort(-peaks, axis=None, kind="stable")[:_CANDIDATES]
        tried, known = [], _Known(np.flatnonzero(~skipped), self.photos[~skipped].sum(0))
        for mirrored, photo in zip(*np.unravel_index(best, peaks.shape), strict=True):
            place = found[mirrored][1][photo]
            if self.factor > 1:
                place = self.search.peaks(sides[mirrored], photo)[1][0]
            if not skipped[photo]:
                tried.append(self._verify(image, known, int(photo), int(place[0]), int(place[1]), bool(mirrored)))
        match = max(tried, key=lambda match: match.likeness)
        clipped = float(((image <= _LOW) | (image >= _HIGH)).mean())
        match = self._refine(image, known, match) if clipped > _MISLEADING_SHARE else match
        return replace(match, likeness=self._likeness(image, known, match))

    def _refine(self, image: Images, known: _Known, match: Match) -> Match:
        """The best of its neighbours, as long as one is better: the search sees what is saturated."""
        for _ in range(_STEPS):
            down, right = match.down_px, -match.right_px if match.mirrored else match.right_px
            near = [(down + y, right + x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
            tried = [self._verify(image, known, match.photo, *place, match.mirrored) for place in near]
            better = max(tried, key=lambda one: one.likeness)
            if better.likeness <= match.likeness:
                break
            match = better
        return match

    def _verify(self, image: Images, known: _Known, photo: int, down: int, right: int, mirrored: bool) -> Match:
        """With the mean of the others held fixed alone."""
        overlap = self._overlap(image, known, photo, down, right, mirrored)
        likeness = _partial(overlap.image, overlap.photo, overlap.others[None])
        return Match(likeness, photo, down, -right if mirrored else right, mirrored)

    def _likeness(self, image: Images, known: _Known, match: Match) -> float:
        """Of both answers, where there are photos enough for the second."""
        right = -match.right_px if match.mirrored else match.right_px
        overlap = self._overlap(image, known, match.photo, match.down_px, right, match.mirrored)
        held = [overlap.others[None]]
        others = known.rows[known.rows != match.photo]
        if len(others) >= _LEAST_OTHERS:
            held.append(np.concatenate([overlap.others[None], self._main_ways(others, overlap)]))
        side = image[:, ::-1] if match.mirrored else image
        part = self.photos[match.photo][overlap.there]
        again = recompressed(side, match.mirrored, part, overlap.here, overlap.usable)
        photos = (overlap.photo, _detail(again[None], overlap.usable)[0])
        answers = np.array([[_partial(overlap.image, photo, one) for one in held] for photo in photos])
        z = np.arctanh(np.clip(answers, -_LARGEST, _LARGEST)).mean(1)
        return float(np.tanh(z.max()))

    def _main_ways(self, others: npt.NDArray[np.intp], overlap: _Overlap) -> Products:
        """(_MODES, pixels): principal components of the other photos there."""
        place = self.fine[others][:, *overlap.there]
        detail = place.reshape(len(place), -1) if overlap.usable.all() else place[:, overlap.usable]
        detail = detail - detail.mean(0)
        detail -= detail.mean(1, keepdims=True)
        _, turns = np.linalg.eigh(detail @ detail.T)
        ways: Products = turns[:, -_MODES:].T @ detail
        return ways

    def _overlap(self, image: Images, known: _Known, photo: int, down: int, right: int, mirrored: bool) -> _Overlap:
        """Of the unfiltered image with one photo: filtered anew where they overlap and nothing is saturated."""
        side = image[:, ::-1] if mirrored else image
        rows, columns = _shared(down, image.shape[0]), _shared(right, image.shape[1])
        others = (known.sum - self.photos[photo]) / (len(known.rows) - 1)
        here, there = zip(rows, columns, strict=True)
        seen = side[here]
        usable = (seen > _LOW) & (seen < _HIGH)
        if usable.mean() < _LEAST_USABLE:
            usable = np.ones_like(usable)
        detail = _detail(np.stack([seen, self.photos[photo][there], others[there]]), usable)
        return _Overlap(detail[0], detail[1], detail[2], here, there, usable)


class _Search:
    """Finds the middle of an image, which a shift within reach leaves inside the frame, in each photo."""

    def __init__(self, photos: Images, reach: int) -> None:
        self.reach = reach
        self.middle = np.zeros(photos.shape[1:], np.float32)
        height, width = (min(reach, length // 4) for length in photos.shape[1:])
        self.middle[height : photos.shape[1] - height, width : photos.shape[2] - width] = 1
        self.spectra = np.conj(fft.rfft2(photos))
        energy = self._surfaces(self.middle, np.conj(fft.rfft2(photos**2)))
        self.length = np.sqrt(np.maximum(energy, energy.max() * 1e-4) + _TINY)

    def peaks(self, image: Images, photo: int | None = None) -> tuple[Images, npt.NDArray[np.intp]]:
        """The highest correlation of an image (h, w) with each photo, or with one, (n,), up to a factor that the image
        alone decides; and how far down and right it lies there, (n, 2)."""
        photos = slice(None) if photo is None else slice(photo, photo + 1)
        surfaces = self._surfaces(image * self.middle, self.spectra[photos]) / self.length[photos]
        flat = surfaces.reshape(len(surfaces), -1)
        at = flat.argmax(1)
        places = np.stack(np.unravel_index(at, surfaces.shape[1:]), axis=1) - np.array(surfaces.shape[1:]) // 2
        return flat[np.arange(len(flat)), at], places

    def _surfaces(self, image: Images, spectra: npt.NDArray[np.complex64]) -> Images:
        return _window(fft.irfft2(fft.rfft2(image) * spectra, s=image.shape), self.reach)


def keep_detail(images: Images, usable: Flags | None = None) -> Images:
    """(n, h, w) between two Gaussians: without noise finer than what JPEG keeps, and without slow light.

    Args:
        images: each on its own.
        usable: (h, w), where not, nothing is taken from.
    """
    images = images.astype(np.float32)
    if usable is None or usable.all():
        fine, slow = (_gaussian(images, sigma) for sigma in (_FINE_PX, _SLOW_PX))
    else:
        weight = usable[None].astype(np.float32)
        fine, slow = (
            np.asarray(_gaussian(images * weight, sigma) / np.maximum(_gaussian(weight, sigma), 1e-3), np.float32)
            for sigma in (_FINE_PX, _SLOW_PX)
        )
    detail: Images = fine - slow - (fine - slow).mean((1, 2), keepdims=True)
    return detail


def _detail(parts: Images, usable: Flags) -> Products:
    """(n, h, w) -> (n, pixels): what `keep_detail` leaves of each where it is usable, of mean 0."""
    detail = keep_detail(parts, usable)[:, usable].astype(np.float64)
    detail -= detail.mean(1, keepdims=True)
    return detail


def _gaussian(images: Images, sigma: float) -> Images:
    """As products with one matrix a side: at these sizes several times faster than sums over the kernel."""
    rows, columns = (_kernel_matrix(length, sigma) for length in images.shape[-2:])
    return np.asarray(rows @ images @ columns.T, np.float32)


@lru_cache(maxsize=128)  # all overlaps of 128x96 px have 68; of whole frames these are 180 MB
def _kernel_matrix(length: int, sigma: float) -> Images:
    """(length, length): what each place takes from each; beyond the border the last value goes on."""
    matrix: Products = ndimage.gaussian_filter1d(np.eye(length), sigma, axis=0, mode="nearest", truncate=3)
    return matrix.astype(np.float32)


def _partial(image: Products, photo: Products, held: Products) -> float:
    """Partial correlation of two (pixels,) of mean 0 with others (k, pixels) held fixed."""
    parts = np.concatenate([np.stack([image, photo]), held])
    products = parts @ parts.T
    shared = products[:2, 2:]
    left = products[:2, :2] - shared @ np.linalg.pinv(products[2:, 2:], rcond=_TINY, hermitian=True) @ shared.T
    return float(left[0, 1]) / max(math.sqrt(max(float(left[0, 0] * left[1, 1]), 0)), _TINY)


def _shrink(images: Images, factor: int) -> Images:
    """By averaging blocks of factor x factor px; what does not fill a block is cut."""
    if factor == 1:
        return images
    n, height, width = images.shape[0], images.shape[1] // factor, images.shape[2] // factor
    cut = images[:, : height * factor, : width * factor]
    small: Images = cut.reshape(n, height, factor, width, factor).mean((2, 4), dtype=np.float32)
    return small


def _window(surfaces: Images, reach: int) -> Images:
    """Of circular correlations (n, h, w), the shifts up to `reach` in each direction, shift 0 in the middle."""
    for axis in (1, 2):
        most = min(reach, (surfaces.shape[axis] - 1) // 2)
        surfaces = np.take(surfaces, np.arange(-most, most + 1), axis=axis, mode="wrap")
    return surfaces


def _shared(shift: int, length: int) -> tuple[slice, slice]:
    """Where an image that lies `shift` further on meets the photo: in the image, and in the photo."""
    return slice(max(shift, 0), length + min(shift, 0)), slice(max(-shift, 0), length - max(shift, 0))
