"""Defects drawn by simple rules, for stations that have none to cut out. They are crude: each is one plain change of
intensity, not the physics of a process, and an inspector trained on them must be tried on real defects.

Pit, spot and scratch are a factor on the photo's own intensity, so texture and light go on beneath them; a smear veils
too; a gap shows the surface from beside it. The mask is where the intensity changes by more than a fiftieth of the
largest change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from handful.core.artifacts import Placement
from handful.core.errors import unknown_name
from handful.core.labels import Mask
from handful.defects.place import Change
from handful.defects.poisson import Plane
from handful.defects.seam import gradient_jump
from handful.defects.settings import PlacementSettings
from handful.defects.sources import SourcePhoto
from handful.defects.spots import allowed_places, draw_place

_LEAST_CHANGE = 0.02  # of the largest, to belong to the mask
_LENS_PX = 0.7  # standard deviation: nothing in a photo is sharper than its lens

_SHARE = {"scratch": 0.22, "pit": 0.035, "spot": 0.06, "smear": 0.2, "gap": 0.12}
"""Usual length, of the photo's shorter side."""
_LEAST_LENGTH_PX = 5.0
_PLAINER = 0.3  # variance beside a line of material over that on it, at most
_VISIBLE = 2.0  # mean change of a gap over the standard deviation beside it, at least


@dataclass(frozen=True)
class _Drawing:
    """What happens to the intensity on a square, (n, n) each."""

    factor: Plane
    """1 where nothing happens."""
    veil: Plane
    """Share of the local mean in the pixel."""
    beside: Plane
    """Share of the surface from beside in the pixel."""


@dataclass(frozen=True)
class DrawnMaker:
    """Draws scratches, pits, spots, smears and gaps."""

    kinds: tuple[str, ...]
    settings: PlacementSettings

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in DRAWN_KINDS:
                raise unknown_name("drawn defect", kind, DRAWN_KINDS, "handful defects --help")

    def put(
        self, kind: str, photo: Plane, onto: SourcePhoto, spots: Mask | None, taken: Mask, random: np.random.Generator
    ) -> Change | str:
        """See `DefectMaker.put`."""
        told = self.settings
        size = float(np.exp(random.uniform(np.log(told.smallest), np.log(told.largest))))
        length = max(size * _SHARE[kind] * min(photo.shape[:2]), _LEAST_LENGTH_PX)
        drawing = _KINDS[kind](_square(length), length, random)
        reach = np.maximum(np.maximum(np.abs(drawing.factor - 1), drawing.veil), drawing.beside)
        support = reach > _LEAST_CHANGE / 4 * reach.max()
        allowed = allowed_places(support, support, spots, taken)
        if not allowed.any():
            return "no allowed spot is large enough"
        top, left = draw_place(allowed, random)
        side = support.shape[0]
        window = (slice(top, top + side), slice(left, left + side))
        before = photo[window]
        after = before
        if drawing.beside.any():
            beside = _from_beside(photo, top, left, side, length)
            if beside is None:
                return "no line of material runs there that could be broken"
            missing = np.abs(beside - before).mean(axis=2)[drawing.beside > 0.5]
            if missing.mean() < _VISIBLE * np.sqrt(_spread(beside)):
                return "the gap would hardly show"
            after = after + drawing.beside[..., None] * (beside - after)
        if drawing.veil.any():
            smooth = ndimage.gaussian_filter(before, (length / 8, length / 8, 0))
            after = after + drawing.veil[..., None] * (smooth - after)
        after = np.where(support[..., None], after * drawing.factor[..., None], before)
        change = np.abs(after - before).max(axis=2)
        mask = change > max(_LEAST_CHANGE * float(change.max()), 1e-9)
        if not mask.any():
            return "the drawn defect changes nothing there"
        mask = ndimage.binary_fill_holes(mask) & support
        rows, columns = np.nonzero(mask)
        placement = Placement(
            kind=kind,
            defect=f"drawn {kind}",
            x=left + int(columns.min()),
            y=top + int(rows.min()),
            width=int(np.ptp(columns)) + 1,
            height=int(np.ptp(rows)) + 1,
            size=round(size, 4),
            seam=round(gradient_jump(after, support) / max(gradient_jump(before, support), 0.25), 3),
        )
        return Change(top, left, after, support, mask, placement)


def _square(length: float) -> tuple[Plane, Plane]:
    """x to the right and y down about the middle of a square with room for a defect of this length."""
    half = int(np.ceil(0.75 * length)) + 4
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    return x, y


def _turned(at: tuple[Plane, Plane], turn: float) -> tuple[Plane, Plane]:
    x, y = at
    return x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)


def _step(value: Plane) -> Plane:
    """0 below 0, 1 above 1, smooth between."""
    clipped = np.clip(value, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def _drawing(factor: Plane | None = None, veil: Plane | None = None, beside: Plane | None = None) -> _Drawing:
    shape = next(plane.shape for plane in (factor, veil, beside) if plane is not None)
    ones, zeros = np.ones(shape), np.zeros(shape)
    return _Drawing(
        ones if factor is None else ndimage.gaussian_filter(factor, _LENS_PX, mode="nearest"),
        zeros if veil is None else veil,
        zeros if beside is None else beside,
    )


def _outline(at: tuple[Plane, Plane], radius: float, rough: float, random: np.random.Generator) -> Plane:
    """Distance from the middle over that of an irregular outline: 1 on it."""
    x, y = _turned(at, random.uniform(0, np.pi))
    stretched = random.uniform(1, 1.5)
    way = np.arctan2(y * stretched, x)
    outline = np.ones(way.shape)
    for wave in range(2, 7):
        outline += rough / wave * np.cos(wave * way + random.uniform(0, 2 * np.pi))
    return np.hypot(x, y * stretched) / (radius * outline)


def _pit(at: tuple[Plane, Plane], length: float, random: np.random.Generator) -> _Drawing:
    """A crater: its slopes turn to the light or away from it, and its depth is dark."""
    rho = _outline(at, length / 2, 0.25, random)
    depth = np.clip(1 - rho**2, 0, None) ** 1.5
    depth *= 1 + 0.35 * _roughness(depth.shape, max(length / 8, 1.0), random)
    down, right = np.gradient(depth * length / 4)
    light = random.uniform(0, 2 * np.pi)
    shade = -0.5 * (right * np.cos(light) + down * np.sin(light))
    return _drawing(factor=np.clip(1 + shade - random.uniform(0.45, 0.7) * np.clip(depth, 0, 1), 0.05, 1.8))


def _spot(at: tuple[Plane, Plane], length: float, random: np.random.Generator) -> _Drawing:
    """A stain: less light comes back, with a soft edge."""
    inside = _step((1 - _outline(at, length / 2, 0.2, random)) / 0.35 + 0.5)
    cloud = 1 + 0.25 * _roughness(inside.shape, length / 6, random)
    return _drawing(factor=np.clip(1 - random.uniform(0.15, 0.4) * inside * cloud, 0.05, 1))


def _scratch(at: tuple[Plane, Plane], length: float, random: np.random.Generator) -> _Drawing:
    """A bent groove, dark, with a bright shoulder; it wavers and fades towards its ends."""
    x, y = _turned(at, random.uniform(0, np.pi))
    half = length / 2
    y = y - random.uniform(-0.12, 0.12) * length * ((x / half) ** 2 - 0.5)
    width = random.uniform(0.7, 1.4) * max(length / 150, 1.0)
    strength = _step((half - np.abs(x)) / (0.4 * half))
    strength = strength * (1 + 0.4 * np.sin(x / half * random.uniform(4, 9) + random.uniform(0, 6)))
    groove = np.exp(-((y / width) ** 2))
    shoulder = np.exp(-(((y - random.choice([-2.0, 2.0]) * width) / width) ** 2))
    change = strength * (random.uniform(0.2, 0.5) * shoulder - random.uniform(0.4, 0.7) * groove)
    return _drawing(factor=np.clip(1 + change, 0.05, 2))


def _smear(at: tuple[Plane, Plane], length: float, random: np.random.Generator) -> _Drawing:
    """A film wiped one way: streaky, thinner along its way, it hides texture and takes or gives a little light."""
    x, y = _turned(at, random.uniform(0, 2 * np.pi))
    way, wide = x / length + 0.5, 0.22 * length
    streaks = np.zeros(x.shape)
    for wave in range(1, 7):
        streaks += np.sin(y / wide * 3 * wave + random.uniform(0, 6)) / wave
    film = _step((1 - np.abs(y) / wide) / 0.4) * _step(way / 0.15) * _step((1 - way + 0.1 * streaks) / 0.6)
    film = film * np.clip(0.75 + 0.25 * streaks, 0, 1)
    gain = random.choice([-1.0, 1.0]) * random.uniform(0.08, 0.2)
    return _drawing(factor=1 + gain * film, veil=0.7 * film)


def _gap(at: tuple[Plane, Plane], length: float, random: np.random.Generator) -> _Drawing:
    """Material is missing: what lies beside shows in its place, with rounded ends."""
    x, y = at
    rho = (np.abs(x / (length / 2)) ** 4 + np.abs(y / (length / 2)) ** 4) ** 0.25
    outline = 1 + 0.06 * np.cos(3 * np.arctan2(y, x) + random.uniform(0, 6))
    return _drawing(beside=ndimage.gaussian_filter((rho < 0.92 * outline).astype(np.float64), _LENS_PX))


def _roughness(shape: tuple[int, ...], grain_px: float, random: np.random.Generator) -> Plane:
    """Smooth noise of standard deviation 1."""
    noise: Plane = ndimage.gaussian_filter(random.standard_normal(shape), grain_px)
    return noise / max(float(noise.std()), 1e-12)


def _from_beside(photo: Plane, top: int, left: int, side: int, length: float) -> Plane | None:
    """The photo a defect's length away, across the structure that runs through the place, on the plainer side.

    Returns:
        (side, side, c); None where it is hardly plainer there: then no line of material would be broken.
    """
    here = photo[top : top + side, left : left + side]
    down, right = np.gradient(ndimage.gaussian_filter(here.mean(axis=2), 2))
    across = 0.5 * np.arctan2(2 * (right * down).sum(), (right**2 - down**2).sum())  # of the structure tensor
    way = np.array([np.sin(across), np.cos(across)])
    beside = []
    for shift in (length, -length):
        row, column = np.rint(np.array([top, left]) + shift * way).astype(int)
        if 0 <= row <= photo.shape[0] - side and 0 <= column <= photo.shape[1] - side:
            beside.append(photo[row : row + side, column : column + side])
    inner = slice(side // 4, side - side // 4)
    plainest = min(beside, key=lambda part: _spread(part[inner, inner]), default=None)
    if plainest is None or _spread(plainest[inner, inner]) > _PLAINER * _spread(here[inner, inner]):
        return None
    return plainest


def _spread(part: Plane) -> float:
    return float(part.var(axis=(0, 1)).mean())


_KINDS: dict[str, Callable[[tuple[Plane, Plane], float, np.random.Generator], _Drawing]] = {
    "scratch": _scratch, "pit": _pit, "spot": _spot, "smear": _smear, "gap": _gap,
}  # fmt: skip
DRAWN_KINDS = tuple(_KINDS)
