"""Defects of a bead, each of a stated size and strength, with the exact area that it changes.

A defect changes the bead before it is laid (gap, thin, thick, offset) or the surface afterwards (bubble, lump, smear,
foreign body). Its mask is where the surface differs from that of the flawless twin, by more than a fiftieth of the
largest difference: so the mask stays while the strength goes down to invisible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.ndimage import binary_closing, binary_fill_holes

from handful.core.config import Settings, parse_settings
from handful.core.errors import UserError, unknown_name
from handful.sealer.bead import STEP_MM, Bead, Grid, Line, Plane, lay
from handful.sealer.sheet import smooth_step

DefectKind = Literal["gap", "thin", "thick", "offset", "bubble", "lump", "smear", "foreign_body"]
KINDS: tuple[DefectKind, ...] = get_args(DefectKind)

_IN_WIDTHS = {  # usual size, in widths of the bead
    "gap": 1.2, "thin": 2.0, "thick": 2.0, "offset": 3.0, "bubble": 0.5, "lump": 0.9, "smear": 1.6, "foreign_body": 1.0,
}  # fmt: skip
_LEAST_DIFFERENCE = 0.02  # of the largest, to belong to the mask


class DefectSettings(Settings):
    """Which defects a rendering has, and how many."""

    kinds: Annotated[tuple[DefectKind, ...], Field(min_length=1)]
    """They take turns from one defective photo to the next."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the photos that are defective, spread evenly over the numbers."""
    per_photo: Annotated[int, Field(ge=1, le=8)] = 1
    """Defects in a defective photo, all of one kind."""
    size_mm: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Length along the bead; of a bubble, a lump or a foreign body its diameter or length. Left out: one that suits the
    bead's width, varied by a quarter."""
    strength: Annotated[float, Field(gt=0, le=1)] = 1.0
    """1: plain to see; 0.3: faint; 0.02: invisible to the camera."""

    def kind_of(self, index: int) -> DefectKind | None:
        """The defect of photo `index`; None for a good one. Depends on the settings and the index alone."""
        before, after = int(index * self.share + 1e-9), int((index + 1) * self.share + 1e-9)
        return self.kinds[before % len(self.kinds)] if after > before else None


def defect_settings(kinds: Sequence[str] | None, values: Mapping[str, Any]) -> DefectSettings | None:
    """Settings from what a user typed; None where no defects are asked for.

    Args:
        kinds: names of defects, or "all".
        values: the other settings that were given.

    Raises:
        UserError: an unknown kind, a value out of range, or values without kinds.
    """
    if not kinds:
        if not values:
            return None
        raise UserError(
            f"{', '.join(values)} of defects was given without defects.",
            f"These exist: {', '.join(KINDS)}.",
            "Name some with --defects, or write --defects all.",
        )
    for kind in kinds:
        if kind not in (*KINDS, "all"):
            raise unknown_name("defect", kind, (*KINDS, "all"), "handful station --help")
    chosen = KINDS if "all" in kinds else tuple(kinds)
    return parse_settings(DefectSettings, {"kinds": chosen, **values}, "handful station --defects")


@dataclass(frozen=True)
class Defect:
    """One defect on one bead."""

    kind: DefectKind
    size_mm: float
    strength: float
    along_mm: float
    """Of its middle, from the beginning of the bead's path."""
    side: int
    """1: to the right of the bead's course (down, where it runs right), -1: to its left."""


@dataclass(frozen=True)
class Surface:
    """The bead as it lies, with all that lies on it."""

    height_mm: Plane
    """Of sealant and foreign bodies above the sheet."""
    cover: Plane
    """Share of the pixel under sealant, 0 to 1."""
    foreign: Plane
    """Share of the pixel under a foreign body, 0 to 1."""


def draw_defects(
    settings: DefectSettings, kind: DefectKind, bead: Bead, inside: npt.NDArray[np.bool_], random: np.random.Generator
) -> list[Defect]:
    """Where a photo's defects lie, apart from each other.

    Args:
        settings: sizes, strength and number.
        kind: of all of them.
        bead: the flawless one.
        inside: (points,) True where the bead's path is well inside the picture.
        random: its own stream.
    """
    points = np.flatnonzero(inside) if inside.any() else np.arange(len(inside))
    defects = []
    for part in np.array_split(points, settings.per_photo):
        usual = _IN_WIDTHS[kind] * bead.width_mm * random.uniform(0.75, 1.25)
        at = part[int(random.uniform(0.25, 0.75) * len(part))] if len(part) else points[0]
        size = usual if settings.size_mm is None else settings.size_mm
        side = 1 if random.uniform() < 0.5 else -1
        defects.append(Defect(kind, round(float(size), 4), settings.strength, round(float(at * STEP_MM), 3), side))
    return defects


def lay_with_defects(
    bead: Bead, defects: list[Defect], grid: Grid, random: np.random.Generator
) -> tuple[Surface, list[npt.NDArray[np.bool_]]]:
    """The bead on a grid, and the area of each defect."""
    laid = lay(bead, grid)
    surface = Surface(laid.height_mm, laid.cover, np.zeros_like(laid.cover))
    masks = []
    for defect in defects:
        before = surface
        if defect.kind in _ON_BEAD:
            bead = _ON_BEAD[defect.kind](bead, defect)
            laid = lay(bead, grid)
            surface = Surface(laid.height_mm, laid.cover, before.foreign)
        else:
            surface = _ON_SURFACE[defect.kind](surface, defect, bead, grid, random)
        masks.append(changed(before, surface))
    return surface, masks


def changed(before: Surface, after: Surface) -> npt.NDArray[np.bool_]:
    """Where two surfaces differ."""
    mask = np.zeros(before.cover.shape, bool)
    for one, other in (
        (before.height_mm, after.height_mm),
        (before.cover, after.cover),
        (before.foreign, after.foreign),
    ):
        difference = np.abs(one - other)
        peak = float(difference.max())
        if peak > 1e-7:
            mask |= difference > _LEAST_DIFFERENCE * peak
    # inside a defect the surface may cross that of its twin: such lines and islands belong to it
    closed = binary_closing(np.pad(mask, 4), np.ones((3, 3)), iterations=2)[4:-4, 4:-4]
    filled: npt.NDArray[np.bool_] = binary_fill_holes(closed | mask)
    return filled


# before laying


def _window(bead: Bead, defect: Defect, edge_mm: float) -> Line:
    """1 along the defect, 0 elsewhere, with soft ends; `size_mm` long at half height."""
    along = np.arange(len(bead.path_mm)) * STEP_MM
    return smooth_step((defect.size_mm / 2 - np.abs(along - defect.along_mm)) / edge_mm + 0.5).astype(np.float64)


def _narrowed(bead: Bead, defect: Defect, share: float, edge_mm: float) -> Bead:
    return replace(bead, half_mm=bead.half_mm * (1 + share * defect.strength * _window(bead, defect, edge_mm)))


def _gap(bead: Bead, defect: Defect) -> Bead:
    """Missing over `size_mm`, with rounded ends beyond."""
    beyond = np.abs(np.arange(len(bead.path_mm)) * STEP_MM - defect.along_mm) - defect.size_mm / 2
    left = np.clip(beyond / (bead.width_mm / 2), 0, 1)
    rounded = np.sqrt(1 - (1 - left) ** 2)
    return replace(bead, half_mm=bead.half_mm * (1 - defect.strength * (1 - rounded)))


def _thin(bead: Bead, defect: Defect) -> Bead:
    return _narrowed(bead, defect, -0.55, min(1.5 * bead.width_mm, defect.size_mm))


def _thick(bead: Bead, defect: Defect) -> Bead:
    return _narrowed(bead, defect, 0.6, min(1.5 * bead.width_mm, defect.size_mm))


def _offset(bead: Bead, defect: Defect) -> Bead:
    aside = defect.side * defect.strength * 0.8 * bead.width_mm * _window(bead, defect, 0.8 * defect.size_mm)
    return bead.moved(aside)


# after laying


def _frame(bead: Bead, defect: Defect, grid: Grid, aside_mm: float) -> tuple[Plane, Plane]:
    """Distances in mm from the defect's middle: along the bead, and to its side."""
    index = min(int(defect.along_mm / STEP_MM), len(bead.path_mm) - 2)
    along = bead.path_mm[index + 1] - bead.path_mm[index]
    along = along / np.hypot(*along)
    normal = np.array([-along[1], along[0]])
    middle = bead.path_mm[index] + normal * aside_mm
    right, down = grid.x_mm - middle[0], grid.y_mm - middle[1]
    return right * along[0] + down * along[1], right * normal[0] + down * normal[1]


def _bubble(surface: Surface, defect: Defect, bead: Bead, grid: Grid, random: np.random.Generator) -> Surface:
    """A burst bubble: a crater with a raised rim, on the bead."""
    radius = min(defect.size_mm, 0.8 * bead.width_mm) / 2
    along, aside = _frame(bead, defect, grid, defect.side * random.uniform(0, 0.35) * bead.width_mm / 2)
    rho = np.hypot(along, aside) / radius
    crater = np.where(rho < 1, (1 - rho**2) ** 2, 0)
    rim = np.exp(-(((rho - 1) / 0.2) ** 2)) * (rho < 1.6)
    lift = 0.22 * radius * rim - 0.75 * np.minimum(surface.height_mm, 1.2 * radius) * crater
    return replace(surface, height_mm=surface.height_mm + (defect.strength * lift * surface.cover).astype(np.float32))


def _lump(surface: Surface, defect: Defect, bead: Bead, grid: Grid, random: np.random.Generator) -> Surface:
    """A drop of sealant at the bead's flank."""
    radius = defect.size_mm / 2
    along, aside = _frame(bead, defect, grid, defect.side * 0.75 * bead.width_mm / 2)
    turn = np.arctan2(aside, along)
    outline = 1 + 0.12 * np.cos(2 * turn + random.uniform(0, 6)) + 0.06 * np.cos(3 * turn + random.uniform(0, 6))
    rho = np.hypot(along, aside) / (radius * outline)
    drop = 0.75 * radius * np.sqrt(np.clip(1 - rho**2, 0, None))
    height = np.hypot(surface.height_mm, drop)  # where drop and bead meet they flow together
    cover = np.clip((1 - rho) * radius / grid.pixel_mm + 0.5, 0, 1)
    return Surface(
        (surface.height_mm + defect.strength * (height - surface.height_mm)).astype(np.float32),
        (surface.cover + defect.strength * np.clip(cover - surface.cover, 0, None)).astype(np.float32),
        surface.foreign,
    )


def _smear(surface: Surface, defect: Defect, bead: Bead, grid: Grid, random: np.random.Generator) -> Surface:
    """A film of sealant dragged off the bead to its side, streaky, and fading."""
    along, aside = _frame(bead, defect, grid, 0.0)
    turn = random.uniform(-0.7, 0.7)
    way = (aside * np.cos(turn) + along * np.sin(turn)) * defect.side - 0.35 * bead.width_mm
    across = along * np.cos(turn) - aside * np.sin(turn)
    wide = 0.45 * bead.width_mm * (1 - 0.35 * np.clip(way / defect.size_mm, 0, 1))
    streaks = np.zeros(across.shape)
    for wave in range(1, 7):
        streaks += np.sin(across / bead.width_mm * 5.1 * wave + random.uniform(0, 6)) / wave**0.7
    ragged = defect.size_mm * (1 + 0.12 * streaks)
    film = smooth_step((wide - np.abs(across)) / (0.3 * wide) + 0.5) * smooth_step((ragged - way) / (0.5 * ragged))
    film = film * (way > -0.2 * bead.width_mm) * np.clip(0.75 + 0.2 * streaks, 0.15, 1)
    only = 1 - surface.cover
    return Surface(
        (surface.height_mm + defect.strength * 0.05 * bead.width_mm * film * only).astype(np.float32),
        (surface.cover + defect.strength * 0.85 * film * only).astype(np.float32),
        surface.foreign,
    )


def _foreign_body(surface: Surface, defect: Defect, bead: Bead, grid: Grid, random: np.random.Generator) -> Surface:
    """A bent fibre that lies on bead and sheet."""
    along, aside = _frame(bead, defect, grid, defect.side * random.uniform(0, 0.9) * bead.width_mm / 2)
    turn, bend = random.uniform(0, np.pi), random.uniform(-0.5, 0.5)
    x = along * np.cos(turn) + aside * np.sin(turn)
    y = aside * np.cos(turn) - along * np.sin(turn)
    half = defect.size_mm / 2
    y = y - bend * half * ((x / half) ** 2 - 0.4)
    thick = max(0.035 * defect.size_mm, 0.6 * grid.pixel_mm)
    from_axis = np.hypot(np.clip(np.abs(x) - half, 0, None), y / np.hypot(1, 2 * bend * np.clip(x / half, -1, 1)))
    share = defect.strength * np.clip((thick - from_axis) / grid.pixel_mm + 0.5, 0, 1)
    height = np.sqrt(np.clip(thick**2 - from_axis**2, 0, None)) * defect.strength
    return Surface(
        (surface.height_mm + height).astype(np.float32),
        surface.cover,
        np.maximum(surface.foreign, share).astype(np.float32),
    )


_ON_BEAD = {"gap": _gap, "thin": _thin, "thick": _thick, "offset": _offset}
_ON_SURFACE = {"bubble": _bubble, "lump": _lump, "smear": _smear, "foreign_body": _foreign_body}
