"""The gradient of the sliced Wasserstein distance between the patches of two sets of images, without autograd.

One projection of all patches is a convolution. For sorted projections x and y of equal count the distance is the mean
of |x_(r) - y_(r)|, and its gradient at a patch is the sign of x_(r) - y_(r), r being the patch's rank. That sign says
on which side of x_(r) the y of equal rank lies, hence whether more of y than of x lies below x_(r): it is the sign of
the difference of the two cumulative distributions there. So no sort is needed: both distributions are counted in bins.
The sign can be wrong only where x_(r) and y_(r) lie within a bin of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_BINS_A_PATCH = 4
"""Where there would be as many bins or more, sorting is faster than counting."""


@dataclass(frozen=True)
class Target:
    """The projections that images are to have, under one draw of the kernels."""

    kernels: Tensor
    """(k, c, p, p)"""
    low: Tensor
    """(k, 1): least projection."""
    bins_a_unit: Tensor
    """(k, 1)"""
    below: Tensor
    """(k, bins): share of the projections below each bin and half of those in it; the first and the last bin are for
    values outside."""
    ordered: Tensor | None
    """(k, n) the sorted projections, where they are compared exactly."""


def draw_kernels(count: int, channels: int, patch_px: int, random: torch.Generator) -> Tensor:
    """Random directions (count, c, p, p), each of standard deviation 1."""
    kernels = torch.randn(count, channels, patch_px, patch_px, generator=random)
    return kernels / kernels.flatten(1).std(1)[:, None, None, None]


def project(images: Tensor, kernels: Tensor) -> Tensor:
    """Every patch of images (n, c, h, w) along every kernel: (k, n patches)."""
    if len(images) == 1:
        return F.conv2d(images, kernels)[0].flatten(1)
    return torch.cat([F.conv2d(image[None], kernels)[0].flatten(1) for image in images], dim=1)


def measure_target(photos: Tensor, kernels: Tensor, bins: int) -> Target:
    """The projections of photos (n, c, h, w), counted in bins; sorted with 0 bins, or where there are few to sort."""
    projections = project(photos, kernels)
    low, high = projections.amin(1, keepdim=True), projections.amax(1, keepdim=True)
    if projections.shape[1] * _BINS_A_PATCH <= bins or bins == 0:
        return Target(kernels, low, low, low, projections.sort(1).values)
    bins_a_unit = (bins - 2) * (1 - 1e-6) / (high - low).clamp(min=1e-6)
    return Target(kernels, low, bins_a_unit, _below(_bins(projections, low, bins_a_unit, bins), bins), None)


def gradient(image: Tensor, target: Target) -> Tensor:
    """Of the distance between an image's patches and the target's, averaged over kernels: (1, c, h, w) as the image."""
    projections = project(image, target.kernels)
    if target.ordered is None:
        places = _bins(projections, target.low, target.bins_a_unit, target.below.shape[1])
        more_below = (target.below - _below(places, target.below.shape[1])).to(image)
        signs = more_below.sign_().flatten().index_select(0, places.flatten()).view(places.shape)
    else:
        ordered, order = projections.sort(1)
        signs = torch.empty_like(projections).scatter_(1, order, (ordered - _as_many(target.ordered, ordered)).sign_())
    return _lay(signs, target.kernels, image.shape[2]).div_(signs.numel())


def _lay(signs: Tensor, kernels: Tensor, height: int) -> Tensor:
    """The image (1, c, height, w) that is the sum of the kernels (k, c, p, p) at every place, times their signs (k, n)
    there."""
    (count, channels, patch_px, _), rows = kernels.shape, height - kernels.shape[2] + 1
    # each row of the kernels by a convolution along the image's rows, then the rows one below the other
    flipped = kernels.permute(2, 1, 0, 3).reshape(patch_px * channels, count, 1, patch_px).flip(3)
    laid = F.conv2d(signs.view(1, count, rows, -1), flipped, padding=(0, patch_px - 1))
    laid = laid.view(patch_px, channels, rows, -1)
    image = laid.new_zeros(1, channels, height, laid.shape[3])
    for down in range(patch_px):
        image[0, :, down : down + rows] += laid[down]
    return image


def _bins(projections: Tensor, low: Tensor, bins_a_unit: Tensor, bins: int) -> Tensor:
    """The bin of each projection (k, n), numbered through all kernels; 1 to bins - 2 within the target's range."""
    # in the projections' own memory: fresh memory would cost as much as each of these
    places = projections.sub_(low).mul_(bins_a_unit).add_(1).clamp_(0, bins - 1).to(torch.int64)
    return places.add_(torch.arange(0, len(projections) * bins, bins, device=places.device)[:, None])


def _below(places: Tensor, bins: int) -> Tensor:
    """Share of the values below each bin and half of those in it, (k, bins)."""
    count = torch.bincount(places.flatten(), minlength=len(places) * bins).view(-1, bins)
    return count.cumsum(1).mul_(2).sub_(count).to(torch.float64).div_(2 * places.shape[1])


def _as_many(ordered: Tensor, like: Tensor) -> Tensor:
    """Sorted values (k, m) as the n quantiles that `like` (k, n) has."""
    m, n = ordered.shape[1], like.shape[1]
    if m == n:
        return ordered
    return ordered[:, (torch.arange(n, device=ordered.device) * 2 + 1) * m // (2 * n)]
