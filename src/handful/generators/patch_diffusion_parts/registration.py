"""Brings photos of a fixed view onto one another: shift, small turn, gain; and says how well they then agree.

Photos are compared by their structure: grey values less their local mean, over their local deviation, so that light
does not decide. A phase correlation (Kuglin and Hines 1975) gives the shift to the nearest pixel; Gauss-Newton steps
on a weighted sum of squares (Lucas and Kanade 1981, Baker and Matthews 2004) give shift and turn below a pixel.
A photo is resampled only where that moves something by more than `LEAST_MOVE_PX`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST_MOVE_PX = 0.35
"""Below this, resampling blurs more than it aligns."""
ALIGNED = 0.5
"""Photos whose mean agreement is at least this share one view."""
_SIDES_PX = (64, 128, 256)
"""Long sides at which structure is compared, coarse to fine."""
_MOST_SHIFT = 0.2
_MOST_TURN = 0.12
_ITERATIONS = 6
_LOCAL_PX = 9


@dataclass(frozen=True)
class Registration:
    """How each photo lies against the view that all share."""

    poses: Tensor
    """(n, 3): shift right and down in pixels of the canvas and turn in radians, of a photo's content against the
    shared view; zeros for a photo that is not moved."""
    gains: Tensor
    """(n, c): mean brightness (black is 0) over that of the middle photo."""
    agreement: Tensor
    """(n,): correlation of each photo's structure with the mean of the others' after registration, at most 1."""

    @property
    def aligned(self) -> bool:
        return len(self.agreement) > 1 and float(self.agreement.median()) >= ALIGNED

    @property
    def moved(self) -> Tensor:
        """(n,) bool: the photos that must be resampled."""
        return self.poses.abs().sum(1) > 0


def register(photos: Tensor) -> Registration:
    """Finds how photos (n, c, h, w) in [-1, 1] lie against their shared view."""
    n, _, height, width = photos.shape
    brightness = (photos + 1).mean((2, 3)).clamp(min=1e-3)
    gains = brightness / brightness.median(0).values
    if n == 1:
        return Registration(torch.zeros(1, 3, device=photos.device), gains, torch.ones(1, device=photos.device))
    grey = photos.mean(1, keepdim=True)
    poses = torch.zeros(n, 3, device=photos.device)
    template: Tensor | None = None
    for side in _SIDES_PX:
        scale = min(1.0, side / max(height, width))
        size = (max(8, round(height * scale)), max(8, round(width * scale)))
        structure = _structure(F.interpolate(grey, size=size, mode="area"))
        unit = torch.tensor([size[1] / width, size[0] / height, 1.0], device=photos.device)
        if template is None:
            middle = _middle(structure)
            poses = _phase_shifts(structure, structure[middle : middle + 1]) / unit
            template = structure[middle : middle + 1]
        else:
            template = _mean_structure(structure, poses * unit)
        for _ in range(2):
            poses = _refine(structure, template, poses * unit) / unit
            template = _mean_structure(structure, poses * unit)
        if scale == 1.0:
            break
    poses = poses - poses.median(0).values  # the shared view is where most photos are, not where the first guess was
    moves = _largest_move(poses, height, width)
    before, after = _agreement(structure, torch.zeros_like(poses)), _agreement(structure, poses * unit)
    helps = (moves > LEAST_MOVE_PX) & (after > before + 0.01)
    poses = torch.where(helps[:, None], poses, torch.zeros_like(poses))
    return Registration(poses, gains, _agreement(structure, poses * unit))


def undo(photos: Tensor, poses: Tensor) -> Tensor:
    """Photos brought into the shared view by bicubic resampling; outside its frame a photo repeats its border."""
    return _warp(photos, poses, "bicubic")


def inside(poses: Tensor, height: int, width: int) -> Tensor:
    """(n, 1, height, width) bool: where the shared view shows something that lies within each photo."""
    x, y = _points(poses, height, width)
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[:, None]


def _structure(grey: Tensor) -> Tensor:
    """(n, 1, h, w): grey values less their local mean over their local deviation."""
    kernel = min(_LOCAL_PX, (min(grey.shape[2:]) - 1) // 2 * 2 + 1)
    local = F.avg_pool2d(_reflect(grey, kernel // 2), kernel, 1)
    high = grey - local
    power = F.avg_pool2d(_reflect(high.square(), kernel // 2), kernel, 1)
    floor = power.mean((1, 2, 3), keepdim=True) * 0.25 + 1e-8
    return high / (power + floor).sqrt()


def _reflect(images: Tensor, by: int) -> Tensor:
    return F.pad(images, (by, by, by, by), mode="reflect")


def _middle(structure: Tensor) -> int:
    """Index of the photo that the others are most like."""
    flat = F.normalize(structure.flatten(1), dim=1)
    return int((flat @ flat.T).median(1).values.argmax())


def _phase_shifts(structure: Tensor, template: Tensor) -> Tensor:
    """(n, 3): whole-pixel shifts, each only where it agrees better than none."""
    n, _, height, width = structure.shape
    window = torch.hann_window(height, device=structure.device)[:, None] * torch.hann_window(
        width, device=structure.device
    )
    spectra = torch.fft.rfft2(structure[:, 0] * window), torch.fft.rfft2(template[:, 0] * window)
    cross = spectra[0] * spectra[1].conj()
    surface = torch.fft.irfft2(cross / (cross.abs() + 1e-6), s=(height, width))
    down, across = int(height * _MOST_SHIFT), int(width * _MOST_SHIFT)
    allowed = torch.zeros(height, width, device=structure.device)
    allowed[torch.arange(-down, down + 1)[:, None], torch.arange(-across, across + 1)] = 1
    best = (surface * allowed).flatten(1).argmax(1)
    dy, dx = best // width, best % width
    dy, dx = torch.where(dy > height // 2, dy - height, dy), torch.where(dx > width // 2, dx - width, dx)
    poses = torch.stack([dx, dy, torch.zeros_like(dx)], 1).float()
    still = torch.zeros_like(poses)
    better = _correlation(structure, template, poses) > _correlation(structure, template, still)
    return torch.where(better[:, None], poses, still)


def _refine(structure: Tensor, template: Tensor, poses: Tensor) -> Tensor:
    """Gauss-Newton steps on shift and turn; poses in pixels of `structure`."""
    n, _, height, width = structure.shape
    y, x = _centred(height, width, structure.device)
    limit = torch.tensor([width * _MOST_SHIFT, height * _MOST_SHIFT, _MOST_TURN], device=structure.device)
    for _ in range(_ITERATIONS):
        warped = _warp(structure, poses, "bilinear")
        right, down = _gradient(warped)
        jacobian = torch.stack([right, down, -right * y + down * x], 1)[:, :, 0].flatten(2)  # (n, 3, pixels)
        error = (template - warped).flatten(1)
        valid = inside(poses, height, width).flatten(1).float()
        weights = valid / (1 + error.square())  # structure has unit deviation
        left = torch.einsum("nip,np,njp->nij", jacobian, weights, jacobian)
        left = left + 1e-3 * torch.diag_embed(left.diagonal(dim1=1, dim2=2)) + 1e-6 * torch.eye(3, device=left.device)
        step = torch.linalg.solve(left, torch.einsum("nip,np->ni", jacobian, weights * error))
        poses = torch.clamp(poses + step, -limit, limit)
    return poses


def _gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2, (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2


def _mean_structure(structure: Tensor, poses: Tensor) -> Tensor:
    return _warp(structure, poses, "bilinear").mean(0, keepdim=True)


def _agreement(structure: Tensor, poses: Tensor) -> Tensor:
    """(n,): correlation of each with the mean of the others."""
    n = len(structure)
    warped = _warp(structure, poses, "bilinear")
    others = (warped.sum(0, keepdim=True) - warped) / (n - 1)
    return F.cosine_similarity(warped.flatten(1), others.flatten(1), dim=1)


def _correlation(structure: Tensor, template: Tensor, poses: Tensor) -> Tensor:
    warped = _warp(structure, poses, "bilinear")
    mask = inside(poses, *structure.shape[2:])
    return F.cosine_similarity((warped * mask).flatten(1), (template * mask).flatten(1), dim=1)


def _largest_move(poses: Tensor, height: int, width: int) -> Tensor:
    """(n,): how far the farthest corner moves, in pixels."""
    return poses[:, :2].norm(dim=1) + poses[:, 2].abs() * (height**2 + width**2) ** 0.5 / 2


def _centred(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    y = torch.arange(height, device=device, dtype=torch.float32) - (height - 1) / 2
    x = torch.arange(width, device=device, dtype=torch.float32) - (width - 1) / 2
    return y[:, None].expand(height, width), x[None].expand(height, width)


def _points(poses: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where in each photo the pixels of the shared view lie: x and y, each (n, height, width), in pixels."""
    y, x = _centred(height, width, poses.device)
    dx, dy, turn = (poses[:, i, None, None] for i in range(3))
    cos, sin = turn.cos(), turn.sin()
    return cos * x - sin * y + dx + (width - 1) / 2, sin * x + cos * y + dy + (height - 1) / 2


def _warp(images: Tensor, poses: Tensor, mode: str) -> Tensor:
    height, width = images.shape[2:]
    x, y = _points(poses, height, width)
    grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], -1)
    return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=True)
