"""Puts defects of a library where they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import Placement
from handful.core.labels import GOOD, Mask
from handful.defects.blend import join_piece
from handful.defects.cutting import Cutting, Piece, cut_out, shape_piece
from handful.defects.place import Change
from handful.defects.poisson import Plane
from handful.defects.seam import joint_jump
from handful.defects.settings import PlacementSettings
from handful.defects.sources import SourcePhoto, Sources
from handful.defects.spots import allowed_places, draw_place, fitting_places, mask_middle, near_places

_WINDOW_PX = 768
"""Side of the part of a larger photo that is searched at one try."""
_SEAM = 1.5
"""Largest jump at the joint, over the usual."""


@dataclass
class LibraryMaker:
    """Defects of a library, resized, turned and mirrored as the settings allow."""

    sources: Sources
    cuttings: Sequence[Cutting]
    settings: PlacementSettings
    kinds: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = tuple(sorted({cutting.kind for cutting in self.cuttings}))

    def put(
        self, kind: str, photo: Plane, onto: SourcePhoto, spots: Mask | None, taken: Mask, random: np.random.Generator
    ) -> Change | str:
        """See `DefectMaker.put`. Sizes are drawn evenly on a logarithmic scale."""
        told = self.settings
        choices = [cutting for cutting in self.cuttings if kind in (GOOD, cutting.kind)]
        cutting = choices[int(random.integers(len(choices)))]
        if kind == GOOD:
            cutting = self._flawless(cutting, onto, random)
        size = float(np.exp(random.uniform(np.log(told.smallest), np.log(told.largest))))
        turn_deg = float(random.uniform(-told.turn_deg, told.turn_deg))
        toss = random.random(2) < 0.5
        flips = (
            bool(toss[0]) and told.mirror in ("horizontal", "both"),
            bool(toss[1]) and told.mirror in ("vertical", "both"),
        )
        piece = shape_piece(cutting, told.margin_px, told.ring_px, size, turn_deg, flips)
        if piece is None:
            return "its margin lies beyond its own photo, or on another defect, once it is turned"
        middles = None
        if told.within_px is not None:
            alike = self.cuttings if kind == GOOD else choices
            middles = np.array([mask_middle(one.mask) + np.array([one.y, one.x]) for one in alike])
        found = self._find_place(photo, piece, spots, taken, middles, random)
        if isinstance(found, str):
            return found
        top, left = found
        height, width = piece.mask.shape
        before = photo[top : top + height, left : left + width]
        joined = join_piece(before, piece, told.blend)
        seam = joint_jump(joined, before, piece)
        if seam > _SEAM:
            return "the joint would show"
        rows, columns = np.nonzero(piece.mask)
        placement = Placement(
            kind=kind,
            defect=cutting.name,
            photo=cutting.photo,
            photo_pixels_sha256=cutting.photo_pixels_sha256,
            x=left + int(columns.min()),
            y=top + int(rows.min()),
            width=int(np.ptp(columns)) + 1,
            height=int(np.ptp(rows)) + 1,
            size=round(size, 4),
            turn_deg=round(turn_deg, 2),
            flipped=flips,
            seam=round(seam, 3),
        )
        return Change(top, left, joined, piece.region, piece.mask, placement)

    def _find_place(
        self,
        photo: Plane,
        piece: Piece,
        spots: Mask | None,
        taken: Mask,
        middles: npt.NDArray[np.float64] | None,
        random: np.random.Generator,
    ) -> tuple[int, int] | str:
        """Upper left corner of the piece, drawn evenly among the places that fit."""
        allowed = allowed_places(piece.mask, piece.region, spots, taken)
        if middles is not None:
            allowed = near_places(allowed, piece.mask, middles, self.settings.within_px or 0)
        if not allowed.any():
            return "no allowed spot is large enough"
        if not self.settings.match:
            return draw_place(allowed, random)
        top, left = draw_place(allowed, random)
        rows, columns = (
            _span(corner, places, max(_WINDOW_PX, 2 * side))
            for corner, places, side in zip((top, left), allowed.shape, piece.mask.shape, strict=True)
        )
        height, width = piece.mask.shape
        part = photo[rows.start : rows.stop + height - 1, columns.start : columns.stop + width - 1]
        places, _ = fitting_places(part, piece, allowed[rows, columns], self.settings.light)
        if not places.any():
            return "the photo looks like the defect's surroundings nowhere"
        down, right = draw_place(places, random)
        return rows.start + down, columns.start + right

    def _flawless(self, cutting: Cutting, onto: SourcePhoto, random: np.random.Generator) -> Cutting:
        """A piece of another good photo, of the shape and from the place of a defect."""
        photos = [photo for photo in self.sources.good if photo.pixels_sha256 != onto.pixels_sha256]
        photo = photos[int(random.integers(len(photos)))]
        mask = np.zeros((self.sources.size.height, self.sources.size.width), bool)
        height, width = cutting.mask.shape
        mask[cutting.y : cutting.y + height, cutting.x : cutting.x + width] = cutting.mask
        source = (photo.name, photo.pixels_sha256)
        return cut_out(self.sources.read(photo), mask, np.zeros_like(mask), "flawless", GOOD, source)


def _span(corner: int, places: int, length: int) -> slice:
    """`length` places around a corner, within those that there are."""
    start = min(max(corner - length // 2, 0), max(places - length, 0))
    return slice(start, min(start + length, places))
