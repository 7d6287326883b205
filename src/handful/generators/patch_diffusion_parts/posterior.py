"""The closed-form denoiser over the photos' own patches, in dense form: no patch is ever extracted.

With z = x + tau * eps and photos y_n that share a view, the posterior mean of the middle of a patch is

    w_n(p) = softmax_n(-D_n(p) / (2 tau^2)),   D_n(p) = sum over the patch at p of (z - y_n)^2
    x0(p)  = sum_n w_n(p) y_n(p)

(arXiv 2606.04299; the position-bound many-image form, arXiv 2412.20292). |z|^2 is the same for all n and drops out,
so D needs one product and one box filter a photo, whatever the patch size. Everything is centred at the photos'
mean, which changes no weight, keeps float32 exact to about 1e-6, and makes 16-bit photos cost next to nothing.

Weights live on cells of q x q pixels: a patch is an odd number of cells, and weights are bilinear between cells.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from handful.generators.patch_diffusion_parts.pyramid import box_sum, from_cells, to_cells

_BAND_BYTES = 8 * 2**20
"""Photos are read in bands of rows of about this size, so that what is computed of them stays small."""


Choose = Callable[[Tensor, slice], Tensor]
"""From logits (rows, columns, n) of a band of rows, and which rows those are, to weights of the same shape."""


class Level:
    """The photos at one level of the pyramid, laid out for the posterior mean."""

    residuals: Tensor
    """(rows, columns, n, k): what lies in each cell of each photo, less the photos' mean."""

    def __init__(self, photos: Tensor, cell_px: int, patch_px: int, dtype: torch.dtype = torch.float32) -> None:
        """Args:
        photos: (n, c, h, w), h and w multiples of `cell_px`.
        cell_px: q; 1 is exact.
        patch_px: wanted side of a patch; the nearest odd number of cells is taken.
        dtype: in which the photos' differences from their mean are kept.
        """
        self._lay_out(to_cells(photos, cell_px), photos.double().mean(0, keepdim=True).float(), cell_px, patch_px)
        self.residuals = self.residuals.to(dtype)

    @classmethod
    def of_cells(cls, cells: Tensor, mean: Tensor, cell_px: int, patch_px: int) -> Level:
        """A level of photos that lie in cells (rows, columns, n, k) already, which it changes and keeps.

        Args:
            mean: (1, c, h, w) of the photos.
        """
        level = cls.__new__(cls)
        level._lay_out(cells, mean, cell_px, patch_px)
        return level

    def _lay_out(self, cells: Tensor, mean: Tensor, cell_px: int, patch_px: int) -> None:
        self.mean, self.channels, self.cell_px = mean, mean.shape[1], cell_px
        self.patch_cells = odd_cells(patch_px, cell_px)
        self.rows, self.columns = cells.shape[:2]
        self.residuals = cells.sub_(to_cells(mean, cell_px))
        self.energy = _energy(cells, self.patch_cells)  # (rows, columns, n)

    def logits(self, z: Tensor, tau: float, fairness: float = 0.0) -> Tensor:
        """log w_n up to a term that all photos share: (1, c, h, w) -> (rows, columns, n).

        Args:
            fairness: share of each patch's own distance from the mean that is not held against it; 0 is the
                posterior. A photo far from the mean is chosen too seldom by a noisy z that knows the mean alone.
        """
        cells = to_cells(z - self.mean, self.cell_px)  # (rows, columns, 1, k)
        products = torch.empty_like(self.energy)
        for band in bands(self.residuals):
            products[band] = _products(self.residuals[band].float(), cells[band])
        return box_sum(products, self.patch_cells).sub_(self.energy, alpha=1 - fairness).div_(tau * tau)

    def blend(self, weights: Tensor) -> Tensor:
        """The photos' weighted mean: (rows, columns, n) -> (1, c, h, w)."""
        return self.mean + blend(weights, self.residuals, self.cell_px, self.channels)

    def denoise(self, z: Tensor, tau: float, fairness: float, choose: Choose) -> tuple[Tensor, Tensor]:
        """The posterior mean (1, c, h, w) and its weights (rows, columns, n)."""
        weights = choose(self.logits(z, tau, fairness), slice(0, self.rows))
        return self.blend(weights), weights


class BandedLevel:
    """As `Level`, with nothing kept but the photos' mean: cells are read again, band by band, at every step."""

    def __init__(
        self, read: Callable[[int, int], Tensor], mean: Tensor, cell_px: int, patch_px: int, band_rows: int
    ) -> None:
        """Args:
        read: first and last row (exclusive) of cells -> those cells of all photos (rows, columns, n, k).
        mean: (1, c, h, w) of the photos.
        cell_px, patch_px: as of `Level`.
        band_rows: rows of cells that are worked on at once; around them come those that patches reach.
        """
        self.mean, self.channels, self.cell_px = mean, mean.shape[1], cell_px
        self.patch_cells = odd_cells(patch_px, cell_px)
        self.rows, self.columns = mean.shape[2] // cell_px, mean.shape[3] // cell_px
        self.band_rows, self._read = band_rows, read
        self._mean_cells = to_cells(mean, cell_px)

    def blend(self, weights: Tensor) -> Tensor:
        """The photos' weighted mean: (rows, columns, n) -> (1, c, h, w)."""
        mixed = []
        for first, last in self._bands():
            near = slice(max(0, first - 1), min(self.rows, last + 1))
            mixed.append(
                blend(weights[near], self._residuals(first, last), self.cell_px, self.channels, first - near.start)
            )
        return self.mean + torch.cat(mixed, dim=2)

    def denoise(self, z: Tensor, tau: float, fairness: float, choose: Choose) -> tuple[Tensor, Tensor]:
        """The posterior mean (1, c, h, w) and its weights (rows, columns, n)."""
        seen = to_cells(z - self.mean, self.cell_px)  # (rows, columns, 1, k)
        reach, mixed, kept = self.patch_cells // 2, [], []
        for first, last in self._bands():
            near = slice(max(0, first - 1), min(self.rows, last + 1))  # weights are bilinear with those next to them
            low, high = max(0, near.start - reach), min(self.rows, near.stop + reach)
            cells = self._residuals(low, high)
            energy = _energy(cells, self.patch_cells)
            logits = box_sum(_products(cells, seen[low:high]), self.patch_cells)
            logits = logits.sub_(energy, alpha=1 - fairness).div_(tau * tau)
            weights = choose(logits[near.start - low : near.stop - low], near)
            own = cells[first - low : last - low]
            mixed.append(blend(weights, own, self.cell_px, self.channels, first - near.start))
            kept.append(weights[first - near.start : last - near.start])
        return self.mean + torch.cat(mixed, dim=2), torch.cat(kept)

    def _bands(self) -> list[tuple[int, int]]:
        starts = range(0, self.rows, self.band_rows)
        return [(first, min(first + self.band_rows, self.rows)) for first in starts]

    def _residuals(self, first: int, last: int) -> Tensor:
        return self._read(first, last).sub_(self._mean_cells[first:last])


def _products(cells: Tensor, seen: Tensor) -> Tensor:
    """Of every photo's cells (rows, columns, n, k) with one picture's (rows, columns, 1, k): (rows, columns, n).

    A row times a matrix: several times faster than the same matrix times a column.
    """
    return torch.matmul(seen, cells.transpose(2, 3))[:, :, 0]


def _energy(cells: Tensor, patch_cells: int) -> Tensor:
    """Half the squared distance of every photo's patches from the mean: (rows, columns, n, k) -> (rows, columns, n)."""
    squares = torch.empty(cells.shape[:3], device=cells.device)
    for band in bands(cells):
        squares[band] = cells[band].square().sum(3)
    return box_sum(squares.mul_(0.5), patch_cells)


def bands(cells: Tensor) -> list[slice]:
    """Bands of rows that together are (rows, columns, n, k), each of about `_BAND_BYTES`."""
    step = max(1, _BAND_BYTES // (cells[0].numel() * 4))
    return [slice(first, min(first + step, len(cells))) for first in range(0, len(cells), step)]


def blend(weights: Tensor, cells: Tensor, cell_px: int, channels: int, first: int = 0) -> Tensor:
    """Weighted mean over photos of what lies in their cells, weights bilinear between cells.

    Args:
        weights: (rows, columns, n); of more rows than there are cells, where those lie within the level.
        cells: (rows, columns, n, channels cell_px cell_px).
        first: which row of the weights is that of the first row of cells.

    Returns:
        (1, channels, h, w)
    """
    mixed = torch.empty(*cells.shape[:2], cells.shape[3], device=weights.device)
    framed = _framed(weights)
    for band in bands(cells):
        fine = _at_pixels(framed, slice(first + band.start, first + band.stop), cell_px)  # (rows, columns, q q, n)
        every = torch.matmul(fine, cells[band].float())  # (rows, columns, q q, k)
        every = every.view(*every.shape[:3], channels, cell_px**2)
        mixed[band] = every.diagonal(dim1=2, dim2=4).flatten(2)  # each pixel by its own weights
    return from_cells(mixed, cell_px, channels)


def odd_cells(patch_px: int, cell_px: int) -> int:
    """The odd number of cells whose side is nearest to `patch_px`."""
    return max(1, 2 * round((patch_px / cell_px - 1) / 2) + 1)


def _at_pixels(framed: Tensor, band: slice, cell_px: int) -> Tensor:
    """Weights of each pixel in its cell, bilinear between cells: `_framed` -> (rows of the band, columns,
    cell_px cell_px, n)."""
    above, own, below = (framed[band.start + step : band.stop + step] for step in range(3))
    fine = framed.new_empty(len(own), own.shape[1] - 2, cell_px**2, own.shape[2])
    places = [(place + 0.5) / cell_px - 0.5 for place in range(cell_px)]  # of pixels, from the middle, in cells
    for row, down in enumerate(places):
        line = torch.lerp(own, below if down > 0 else above, abs(down))
        for column, across in enumerate(places):
            beside = line[:, 2:] if across > 0 else line[:, :-2]
            torch.lerp(line[:, 1:-1], beside, abs(across), out=fine[:, :, row * cell_px + column])
    return fine


def _framed(weights: Tensor) -> Tensor:
    """Weights (rows, columns, n) with one cell more on every side, the border repeated."""
    rows, columns, n = weights.shape
    framed = weights.new_empty(rows + 2, columns + 2, n)
    framed[1:-1, 1:-1] = weights
    framed[1:-1, 0], framed[1:-1, -1] = weights[:, 0], weights[:, -1]
    framed[0], framed[-1] = framed[1], framed[-2]
    return framed
