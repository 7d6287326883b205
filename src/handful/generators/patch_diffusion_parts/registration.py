"""Brings photos of a fixed view onto one another: shift and small turn; and says how well they then agree.

Photos are compared by their structure: grey values less their local mean, over their local deviation, so that light
does not decide. A phase correlation (Kuglin and Hines 1975) gives the shift to the nearest pixel; Gauss-Newton steps
on a weighted sum of squares (Lucas and Kanade 1981, Baker and Matthews 2004) give shift and turn below a pixel.
Below a pixel resampling blurs more than it aligns, so a photo that is shifted but hardly turned is moved by whole
pixels and keeps every grey value that the camera gave it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Mode = Literal["bicubic", "nearest"]
"""How a turned picture is resampled; masks take the nearest pixel."""
_LEAST_TURN_PX = 0.75
"""A turn that moves no corner by more than this is left alone."""
ALIGNED = 0.5
"""Photos whose mean agreement is at least this share one view."""
LARGEST_SIDE_PX = 512
_SIDES_PX = (64, 128, 256, LARGEST_SIDE_PX)
"""Long sides at which structure is compared, coarse to fine."""
_MOST_SHIFT = 0.2
_MOST_TURN = 0.12
PIXELS_AT_ONCE = 2**18
_ITERATIONS = 8
_FINE_ITERATIONS = 3
_LOCAL_PX = 9
_ROBUST = 0.25
"""Difference of structure, which has unit deviation, beyond which a place is taken as changed."""
_FINE = 2
"""From this size on, poses are only refined, not searched."""
_HOPELESS = 0.5
"""Below this share of `ALIGNED` before that, photos show different views, and nothing is refined."""
_LEAST_GAIN = 0.005
"""Agreement that moving a photo must gain."""


@dataclass(frozen=True)
class Registration:
    """How each photo lies against the view that all share."""

    poses: Tensor
    """(n, 3): shift right and down in pixels of the canvas and turn in radians, of a photo's content against the
    shared view; zeros for a photo that is not moved."""
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
    if n == 1:
        return Registration(torch.zeros(1, 3, device=photos.device), torch.ones(1, device=photos.device))
    grey = photos if photos.shape[1] == 1 else photos.mean(1, keepdim=True)
    poses = torch.zeros(n, 3, device=photos.device)
    template, steady = grey, grey  # set at the first size
    for number, side in enumerate(_SIDES_PX):
        scale = min(1.0, side / max(height, width))
        size = (max(8, round(height * scale)), max(8, round(width * scale)))
        structure = torch.cat([_structure(F.interpolate(one[None], size=size, mode="area")) for one in grey])
        unit = torch.tensor([size[1] / width, size[0] / height, 1.0], device=photos.device)
        if number == 0:
            middle = _middle(structure)
            template = structure[middle : middle + 1]
            steady = torch.ones_like(template)
            poses = _phase_shifts(structure, template) / unit
        else:
            template, steady = _shared_structure(structure, poses * unit)
        if number < _FINE:
            for _ in range(2):
                poses = _search(structure, template, steady, poses * unit) / unit
                template, steady = _shared_structure(structure, poses * unit)
        else:
            poses = _refine(structure, template, steady, poses * unit, _FINE_ITERATIONS) / unit
        different = number == _FINE - 1 and float(_agreement(structure, poses * unit).median()) < ALIGNED * _HOPELESS
        if scale == 1.0 or different:
            break
    poses = poses - poses.median(0).values  # the shared view is where most photos are, not where the first guess was
    poses = _in_whole_pixels(poses, height, width)
    still = torch.zeros_like(poses)
    before, after = _agreement(structure, still), _agreement(structure, poses * unit)
    poses = torch.where((after > before + _LEAST_GAIN)[:, None], poses, still)
    return Registration(poses, _agreement(structure, poses * unit))


def undo(photos: Tensor, poses: Tensor, mode: Mode = "bicubic") -> Tensor:
    """Photos (n, c, h, w) brought into the shared view; outside its frame a photo repeats its border.

    Exact where a photo is not turned and shifted by whole pixels; resampled by `mode` elsewhere.
    """
    return torch.cat([_undo_one(photo[None], pose, mode) for photo, pose in zip(photos, poses, strict=True)])


def redo(image: Tensor, pose: Tensor, mode: Mode = "bicubic") -> Tensor:
    """The inverse of `undo` for one image (1, c, h, w) and a pose (3,) taken from several photos."""
    height, width = image.shape[2:]
    cos, sin = pose[2].cos(), pose[2].sin()
    dx, dy = pose[0], pose[1]
    inverse = torch.stack([-cos * dx - sin * dy, sin * dx - cos * dy, -pose[2]])
    return _undo_one(image, _in_whole_pixels(inverse[None], height, width)[0], mode)


def _undo_one(image: Tensor, pose: Tensor, mode: Mode) -> Tensor:
    if not bool(pose.any()):
        return image
    if float(pose[2]) != 0:
        return _warp(image, pose[None], mode)
    for axis, shift in ((2, round(float(pose[1]))), (3, round(float(pose[0])))):
        if shift:
            side = image.shape[axis]
            places = torch.arange(side, device=image.device).add(shift).clamp(0, side - 1)
            image = image.index_select(axis, places)
    return image


def _in_whole_pixels(poses: Tensor, height: int, width: int) -> Tensor:
    """Poses (n, 3) with whole shifts and no turn where the turn hardly moves anything."""
    turned = poses[:, 2].abs() * (height**2 + width**2) ** 0.5 / 2 > _LEAST_TURN_PX
    whole = torch.cat([poses[:, :2].round(), torch.zeros_like(poses[:, 2:])], dim=1)
    return torch.where(turned[:, None], poses, whole)


def inside(poses: Tensor, height: int, width: int) -> Tensor:
    """(n, 1, height, width) bool: where the shared view shows something that lies within each photo."""
    return _within(*_points(poses, height, width))


def _structure(grey: Tensor) -> Tensor:
    """(n, 1, h, w): grey values less their local mean over their local deviation."""
    kernel = min(_LOCAL_PX, (min(grey.shape[2:]) - 1) // 2 * 2 + 1)
    local = _local_mean(grey, kernel)
    high = grey - local
    power = _local_mean(high.square(), kernel)
    floor = power.mean((1, 2, 3), keepdim=True) * 0.25 + 1e-8
    return high / (power + floor).sqrt()


def _local_mean(images: Tensor, kernel: int) -> Tensor:
    reach = kernel // 2
    images = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    for axis in (2, 3):  # sums of shifted pictures: several times faster than pooling
        length = images.shape[axis] - 2 * reach
        total = images.narrow(axis, 0, length).clone()
        for shift in range(1, kernel):
            total.add_(images.narrow(axis, shift, length))
        images = total
    return images.div_(kernel**2)


def _middle(structure: Tensor) -> int:
    """Index of the photo that the others are most like."""
    flat = F.normalize(structure.flatten(1), dim=1)
    return int((flat @ flat.T).median(1).values.argmax())


def _phase_shifts(structure: Tensor, template: Tensor) -> Tensor:
    """(n, 3): whole-pixel shifts, each only where it agrees better than none."""
    _, _, height, width = structure.shape
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


def _search(structure: Tensor, template: Tensor, steady: Tensor, poses: Tensor) -> Tensor:
    """Refined poses, from where they are and from no shift: the better one, where a moving part led astray."""
    found, other = (
        _refine(structure, template, steady, start, _ITERATIONS) for start in (poses, torch.zeros_like(poses))
    )
    better = _cost(structure, template, steady, other) < _cost(structure, template, steady, found)
    return torch.where(better[:, None], other, found)


def _cost(structure: Tensor, template: Tensor, steady: Tensor, poses: Tensor) -> Tensor:
    """(n,): mean robust difference (Geman and McClure) over the places inside each photo."""
    warped, known = _warp_inside(structure, poses)
    error = ((template - warped) / _ROBUST).square()
    weights = steady * known
    return (weights * error / (1 + error)).sum((1, 2, 3)) / weights.sum((1, 2, 3)).clamp(min=1)


def _refine(structure: Tensor, template: Tensor, steady: Tensor, poses: Tensor, iterations: int) -> Tensor:
    """Gauss-Newton steps on shift and turn with the template's own slopes; poses in pixels of `structure`."""
    found = [_refine_few(structure[few], template, steady, poses[few], iterations) for few in _fews(structure)]
    return torch.cat(found)


def _fews(images: Tensor) -> list[slice]:
    """Which images (n, c, h, w) are worked on at once, so that memory does not grow with their number."""
    step = max(1, PIXELS_AT_ONCE // (images.shape[2] * images.shape[3]))
    return [slice(first, first + step) for first in range(0, len(images), step)]


def _refine_few(structure: Tensor, template: Tensor, steady: Tensor, poses: Tensor, iterations: int) -> Tensor:
    _, _, height, width = structure.shape
    y, x = _centred(height, width, structure.device)
    limit = torch.tensor([width * _MOST_SHIFT, height * _MOST_SHIFT, _MOST_TURN], device=structure.device)
    right, down = (slope[0, 0] for slope in _gradient(template))
    jacobian = torch.stack([right, down, down * x - right * y]).flatten(1)  # (3, pixels)
    products = (jacobian[:, None] * jacobian[None]).flatten(0, 1)  # (9, pixels)
    for _ in range(iterations):
        warped, known = _warp_inside(structure, poses)
        error = (template - warped).flatten(1)
        weights = (error * (1 / _ROBUST)).square_().add_(1).square_().reciprocal_().mul_(steady.flatten(1))
        weights.mul_(known.flatten(1))
        left = (weights @ products.T).reshape(-1, 3, 3)
        left = left + 1e-3 * torch.diag_embed(left.diagonal(dim1=1, dim2=2)) + 1e-6 * torch.eye(3, device=left.device)
        step = torch.linalg.solve(left, error.mul_(weights) @ jacobian.T)
        poses = torch.clamp(poses + step, -limit, limit)
    return poses


def _gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2, (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2


def _shared_structure(structure: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
    """The median of the photos' structure, and how steady it is: near 0 where something moves by itself."""
    warped = _warp(structure, poses, "bilinear")
    template = warped.median(0, keepdim=True).values
    spread = warped.sub_(template).abs_().median(0, keepdim=True).values
    return template, 1 / (1 + (spread / _ROBUST).square()).square()


def _agreement(structure: Tensor, poses: Tensor) -> Tensor:
    """(n,): correlation of each with the mean of the others."""
    warped = _warp(structure, poses, "bilinear")
    total = warped.sum(0)
    return torch.stack([F.cosine_similarity(one.flatten(), (total - one).flatten(), dim=0) for one in warped])


def _correlation(structure: Tensor, template: Tensor, poses: Tensor) -> Tensor:
    warped, mask = _warp_inside(structure, poses)
    return F.cosine_similarity((warped * mask).flatten(1), (template * mask).flatten(1), dim=1)


def _centred(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    y = torch.arange(height, device=device, dtype=torch.float32) - (height - 1) / 2
    x = torch.arange(width, device=device, dtype=torch.float32) - (width - 1) / 2
    return y[:, None].expand(height, width), x[None].expand(height, width)


def _points(poses: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where in each photo the pixels of the shared view lie: x and y, each (n, height, width), in pixels."""
    y, x = _centred(height, width, poses.device)
    y, x = y[:, :1], x[:1]  # what depends on one of them alone is made for one line
    dx, dy, turn = (poses[:, i, None, None] for i in range(3))
    cos, sin = turn.cos(), turn.sin()
    return cos * x + (dx + (width - 1) / 2) - sin * y, sin * x + (cos * y + (dy + (height - 1) / 2))


def _within(x: Tensor, y: Tensor) -> Tensor:
    """(n, 1, height, width) bool: which points lie within a photo of that size."""
    height, width = x.shape[1:]
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[:, None]


def _sample(images: Tensor, x: Tensor, y: Tensor, mode: str) -> Tensor:
    grid = x.new_empty(*x.shape, 2)
    for axis, (points, side) in enumerate(((x, images.shape[3]), (y, images.shape[2]))):
        torch.mul(points, 2 / max(side - 1, 1), out=grid[..., axis])
    return F.grid_sample(images, grid.sub_(1), mode=mode, padding_mode="border", align_corners=True)


def _warp_inside(images: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
    """`_warp` and `inside` of few images, from the same points."""
    x, y = _points(poses, *images.shape[2:])
    return _sample(images, x, y, "bilinear"), _within(x, y)


def _warp(images: Tensor, poses: Tensor, mode: str) -> Tensor:
    """Images in the shared view; those that are not moved stay as they are."""
    warped = images.clone()
    for few in _fews(images):
        which = poses[few].any(1).nonzero().flatten() + few.start
        if len(which):
            warped[which] = _sample(images[which], *_points(poses[which], *images.shape[2:]), mode)
    return warped
