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

import torch
from torch import Tensor

from handful.generators.patch_diffusion_parts.pyramid import box_sum, from_cells, to_cells

_BAND_BYTES = 8 * 2**20
"""Photos are read in bands of rows of about this size, so that what is computed of them stays small."""


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
        n, channels, height, width = photos.shape
        cells = torch.empty(height // cell_px, width // cell_px, n, channels * cell_px**2, device=photos.device)
        for index, photo in enumerate(photos):
            cells[:, :, index] = to_cells(photo[None], cell_px)[:, :, 0]
        self._lay_out(cells, cell_px, patch_px, channels)
        self.residuals = self.residuals.to(dtype)

    @classmethod
    def of_cells(cls, cells: Tensor, cell_px: int, patch_px: int, channels: int) -> Level:
        """A level of photos that lie in cells (rows, columns, n, k) already, which it changes and keeps."""
        level = cls.__new__(cls)
        level._lay_out(cells, cell_px, patch_px, channels)
        return level

    def _lay_out(self, cells: Tensor, cell_px: int, patch_px: int, channels: int) -> None:
        self.channels, self.cell_px = channels, cell_px
        self.patch_cells = odd_cells(patch_px, cell_px)
        mean = cells.mean(2, keepdim=True)  # (rows, columns, 1, k)
        self.mean = from_cells(mean[:, :, 0], cell_px, channels)  # (1, c, h, w)
        self.residuals = cells.sub_(mean)
        squares = torch.empty(cells.shape[:3], device=cells.device)
        for band in bands(self.residuals):
            squares[band] = self.residuals[band].square().sum(3)
        self.energy = box_sum(squares.mul_(0.5), self.patch_cells)  # (rows, columns, n)

    @property
    def rows(self) -> int:
        return self.residuals.shape[0]

    @property
    def columns(self) -> int:
        return self.residuals.shape[1]

    def logits(self, z: Tensor, tau: float, fairness: float = 0.0) -> Tensor:
        """log w_n up to a term that all photos share: (1, c, h, w) -> (rows, columns, n).

        Args:
            fairness: share of each patch's own distance from the mean that is not held against it; 0 is the
                posterior. A photo far from the mean is chosen too seldom by a noisy z that knows the mean alone.
        """
        cells = to_cells(z - self.mean, self.cell_px)[:, :, 0, :, None]  # (rows, columns, k, 1)
        products = torch.empty_like(self.energy)
        for band in bands(self.residuals):
            products[band] = torch.matmul(self.residuals[band].float(), cells[band])[..., 0]
        return box_sum(products, self.patch_cells).sub_(self.energy, alpha=1 - fairness).div_(tau * tau)

    def blend(self, weights: Tensor) -> Tensor:
        """The photos' weighted mean: (rows, columns, n) -> (1, c, h, w)."""
        return self.mean + blend(weights, self.residuals, self.cell_px, self.channels)


def bands(cells: Tensor) -> list[slice]:
    """Bands of rows that together are (rows, columns, n, k), each of about `_BAND_BYTES`."""
    step = max(1, _BAND_BYTES // (cells[0].numel() * 4))
    return [slice(first, min(first + step, len(cells))) for first in range(0, len(cells), step)]


def blend(weights: Tensor, cells: Tensor, cell_px: int, channels: int) -> Tensor:
    """Weighted mean over photos of what lies in their cells, weights bilinear between cells.

    Args:
        weights: (rows, columns, n).
        cells: (rows, columns, n, channels cell_px cell_px).

    Returns:
        (1, channels, h, w)
    """
    share = _bilinear_shares(cell_px, channels, weights.device)  # (9 or 1, k)
    mixed = torch.empty(*cells.shape[:2], cells.shape[3], device=weights.device)
    for band in bands(cells):
        around = _neighbours(weights, band) if cell_px > 1 else weights[band][:, :, None]  # (rows, columns, 9 or 1, n)
        mixed[band] = (torch.matmul(around, cells[band].float()) * share).sum(2)
    return from_cells(mixed, cell_px, channels)


def odd_cells(patch_px: int, cell_px: int) -> int:
    """The odd number of cells whose side is nearest to `patch_px`."""
    return max(1, 2 * round((patch_px / cell_px - 1) / 2) + 1)


def _neighbours(weights: Tensor, band: slice) -> Tensor:
    """(rows, columns, n) -> (rows of the band, columns, 9, n): of each cell and the eight around; borders repeat."""
    rows, columns, _ = weights.shape
    own = torch.arange(band.start, band.stop, device=weights.device)
    down = [own.add(step).clamp(0, rows - 1) for step in (-1, 0, 1)]
    across = [torch.arange(columns, device=weights.device).add(step).clamp(0, columns - 1) for step in (-1, 0, 1)]
    return torch.stack([weights[i][:, j] for i in down for j in across], dim=2)


def _bilinear_shares(cell_px: int, channels: int, device: torch.device) -> Tensor:
    """Share (9, k) of each of the 3x3 cells around in each value of a cell; (1, k) ones where a cell is a pixel."""
    if cell_px == 1:
        return torch.ones(1, channels, device=device)
    place = (torch.arange(cell_px, device=device) + 0.5) / cell_px - 0.5  # of pixels, from the middle, in cells
    line = torch.stack([(-place).clamp(min=0), 1 - place.abs(), place.clamp(min=0)])  # (3, q)
    square = torch.einsum("iy,jx->ijyx", line, line).reshape(9, 1, -1)
    return square.expand(9, channels, cell_px * cell_px).reshape(9, -1)
