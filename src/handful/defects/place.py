"""One image: a good photo, a number of defects put into it, and the exact mask of each. Everything from its seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from handful.core.artifacts import Placement
from handful.core.errors import UserError
from handful.core.images import Integers
from handful.core.labels import GOOD, IndexMap, Mask
from handful.core.seeds import numpy_stream
from handful.defects.poisson import Plane
from handful.defects.settings import PlacementSettings
from handful.defects.sources import SourcePhoto, Sources

TRIES = 50
"""Of one defect on one photo."""
_PHOTOS = 6
"""Photos that are tried for one image."""


@dataclass(frozen=True)
class Change:
    """A defect in its place."""

    top: int
    left: int
    pixels: Plane
    """(a, b, c), of the photo from (top, left) on, with the defect."""
    region: Mask
    """(a, b): where they differ from the photo."""
    mask: Mask
    """(a, b): the defect, within the region."""
    placement: Placement


class DefectMaker(Protocol):
    """Puts one defect into a photo."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it can put there, in the order of their numbers in masks."""
        ...

    def put(
        self, kind: str, photo: Plane, onto: SourcePhoto, spots: Mask | None, taken: Mask, random: np.random.Generator
    ) -> Change | str:
        """A defect in its place, or in words why this try came to nothing.

        Args:
            kind: of `kinds`, or GOOD for a flawless piece.
            photo: (h, w, c), grey levels, with what was put there before.
            onto: which photo it is.
            spots: (h, w), where defects may lie; None: anywhere.
            taken: (h, w), what was changed before.
            random: what decides.
        """
        ...


@dataclass(frozen=True)
class PlacedSample:
    """One image, finished."""

    seed: int
    pixels: Integers
    label: str
    mask: IndexMap
    """0 good, k kind k - 1."""
    photo: SourcePhoto
    """The good photo underneath."""
    placements: tuple[Placement, ...]
    refused: Counter[str]
    """Tries that came to nothing, by reason."""


def place_defects(
    sources: Sources, maker: DefectMaker, settings: PlacementSettings, spots: Mask | None, seed: int
) -> PlacedSample:
    """Draws image `seed`; it depends on the seed, the photos and the settings alone.

    Raises:
        UserError: no photo was found on which a defect has a place.
    """
    random = numpy_stream(seed, "defect placement")
    good = settings.is_good(seed)
    kind = GOOD if good else maker.kinds[_turn(settings, seed) % len(maker.kinds)]
    wanted = int(random.integers(settings.least, settings.most + 1))
    refused: Counter[str] = Counter()
    photos = sources.good
    best: PlacedSample | None = None
    for number in random.permutation(len(photos))[:_PHOTOS]:
        photo = photos[int(number)]
        sample = _on_photo(sources, photo, maker, kind, wanted, spots, random, seed, refused)
        if best is None or len(sample.placements) > len(best.placements):
            best = sample
        if len(best.placements) == wanted:
            break
    if best is None or len(best.placements) < settings.least:
        tried = min(len(photos), _PHOTOS)
        placed = len(best.placements) if best is not None else 0
        reasons = ", ".join(f"{count} x {why}" for why, count in refused.most_common())
        raise UserError(
            f"Seed {seed}: on {tried} photo(s), {TRIES} tries each, {placed} of at least {settings.least} defect(s) of "
            f"kind {kind} found a place: {reasons}.",
            "An allowed spot must be as large as the defect, its surroundings alike, and nothing else may lie there.",
            "Widen the spots, give a smaller --smallest, a larger --light or --within-px, or --no-match.",
        )
    return best


def _turn(settings: PlacementSettings, seed: int) -> int:
    """Number of the seed among those that get a defect, so that kinds take turns evenly."""
    return seed - int(seed * settings.good_share + 1e-9)


def _on_photo(
    sources: Sources,
    photo: SourcePhoto,
    maker: DefectMaker,
    kind: str,
    wanted: int,
    spots: Mask | None,
    random: np.random.Generator,
    seed: int,
    refused: Counter[str],
) -> PlacedSample:
    """As many of the wanted defects as find a place on one photo."""
    pixels = sources.read(photo).copy()
    top = 2**sources.bit_depth - 1
    mask = np.zeros(pixels.shape[:2], np.uint8)
    taken = np.zeros(pixels.shape[:2], bool)
    placements: list[Placement] = []
    for _ in range(wanted):
        planes = pixels.reshape(*mask.shape, -1).astype(np.float64)
        for _ in range(TRIES):
            change = maker.put(kind, planes, photo, spots, taken, random)
            if isinstance(change, Change):
                break
            refused[change] += 1
        else:
            break
        height, width = change.mask.shape
        window = (slice(change.top, change.top + height), slice(change.left, change.left + width))
        drawn = np.clip(np.rint(change.pixels), 0, top).astype(pixels.dtype)
        pixels[window][change.region] = drawn.reshape(*change.mask.shape, *pixels.shape[2:])[change.region]
        if kind != GOOD:
            mask[window][change.mask] = maker.kinds.index(kind) + 1
        taken[window] |= change.region
        placements.append(change.placement)
    return PlacedSample(seed, pixels, kind, mask, photo, tuple(placements), refused)
