"""The library: every labelled defect cut out with its mask and surroundings, as files and as a manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from handful.core.artifacts import Artifact
from handful.core.config import Settings, fingerprint
from handful.core.errors import UserError, unknown_name
from handful.core.images import png_bytes
from handful.core.labels import GOOD, Mask
from handful.core.workspace import write_atomically
from handful.defects.cutting import Cutting, cut_out, shape_piece, split_regions
from handful.defects.settings import PlacementSettings
from handful.defects.sources import Sources

_LEAST_AREA_PX = 4


class LibraryDefect(Settings):
    """One defect of the library."""

    name: str
    """Also of its two files: crops/NAME.png and masks/NAME.png (255 in the defect)."""
    kind: str
    photo: str
    photo_pixels_sha256: str
    x: int
    """Left edge of the crop in the photo, px."""
    y: int
    """Its upper edge."""
    width: int
    """Of the crop, px."""
    height: int
    area_px: int
    """Of the defect."""
    length_px: float
    """Along its longer principal axis: 4 standard deviations, as of an ellipse of the same moments."""
    breadth_px: float
    """Across it."""
    angle_deg: float
    """Of the longer axis, counterclockwise from the right as one looks at the photo, 0 to 180."""


class LibraryManifest(Artifact):
    """What the folder of a library holds."""

    file_name: ClassVar[str] = "library.json"
    stage: ClassVar[str] = "defects"

    bit_depth: int
    kinds: tuple[str, ...]
    defects: tuple[LibraryDefect, ...]
    left_out: tuple[str, ...]
    """Regions that cannot be used, and why, each one sentence."""
    fingerprint: str
    """Over the defects and their photos' pixels."""


def cut_library(sources: Sources, settings: PlacementSettings) -> tuple[list[Cutting], tuple[str, ...]]:
    """Cuts all labelled defects of the wanted kinds.

    Returns:
        The defects, and in words what was left out.

    Raises:
        UserError: no region is labelled or usable, a wanted kind is unknown, or a kind has 1 defect where `single` is
            not set.
    """
    for kind in settings.kinds:
        if kind not in sources.kinds:
            raise unknown_name("kind of defect", kind, sources.kinds, "handful defects PHOTOS --out WORK")
    wanted = tuple(dict.fromkeys(settings.kinds or sources.kinds))
    cuttings: list[Cutting] = []
    left_out: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for photo in sources.photos:
        if photo.label in ("", GOOD):
            continue
        regions = list(sources.regions(photo))
        if not regions:
            left_out["defective photo(s) without an outline: nothing can be cut from them"] += 1
            continue
        everything = np.logical_or.reduce([mask for _, mask in regions])
        for kind in wanted:
            same = [mask for found, mask in regions if found == kind and mask.any()]
            if not same:
                continue
            # parts of a kind whose margins would overlap are one defect
            for mask in split_regions(np.logical_or.reduce(same), 2 * settings.margin_px + 1):
                if mask.sum() < _LEAST_AREA_PX:
                    left_out[f"region(s) of fewer than {_LEAST_AREA_PX} px"] += 1
                    continue
                name = f"{_file_word(kind)}-{numbers[kind]:03d}"
                source = (photo.name, photo.pixels_sha256)
                cutting = cut_out(sources.read(photo), mask, everything & ~mask, name, kind, source)
                if shape_piece(cutting, settings.margin_px, settings.ring_px) is None:
                    left_out["region(s) that reach the edge of the photo or touch a defect of another kind"] += 1
                    continue
                numbers[kind] += 1
                cuttings.append(cutting)
    words = tuple(f"{count} {why}." for why, count in left_out.items())
    _check(sources, wanted, cuttings, words, settings)
    return cuttings, words


def write_library(
    folder: Path, cuttings: Sequence[Cutting], left_out: Sequence[str], bit_depth: int
) -> LibraryManifest:
    """Writes crops, masks and the manifest, unless they are there; crops hold the photo's own pixels."""
    if (folder / LibraryManifest.file_name).exists():  # written last
        return LibraryManifest.read(folder)
    for cutting in cuttings:
        write_atomically(folder / "crops" / f"{cutting.name}.png", png_bytes(cutting.pixels, bit_depth))
        mask = (255 * cutting.mask).astype(np.uint8)
        write_atomically(folder / "masks" / f"{cutting.name}.png", png_bytes(mask, 8))
    manifest = LibraryManifest(
        bit_depth=bit_depth,
        kinds=tuple(sorted({cutting.kind for cutting in cuttings})),
        defects=tuple(_entry(cutting) for cutting in cuttings),
        left_out=tuple(left_out),
        fingerprint=library_fingerprint(cuttings),
    )
    manifest.write(folder)
    return manifest


def library_fingerprint(cuttings: Sequence[Cutting]) -> str:
    """Over kinds, masks, places and photos."""
    return fingerprint([_entry(cutting).model_dump() | {"mask": _mask_text(cutting.mask)} for cutting in cuttings])


def _entry(cutting: Cutting) -> LibraryDefect:
    length, breadth, angle = _ellipse(cutting.mask)
    height, width = cutting.mask.shape
    return LibraryDefect(
        name=cutting.name,
        kind=cutting.kind,
        photo=cutting.photo,
        photo_pixels_sha256=cutting.photo_pixels_sha256,
        x=cutting.x,
        y=cutting.y,
        width=width,
        height=height,
        area_px=int(cutting.mask.sum()),
        length_px=round(length, 2),
        breadth_px=round(breadth, 2),
        angle_deg=round(angle, 1),
    )


def _ellipse(mask: Mask) -> tuple[float, float, float]:
    """Length, breadth and angle of the ellipse with the mask's second moments."""
    rows, columns = np.nonzero(mask)
    points = np.stack([columns, -rows]).astype(np.float64)  # y up
    covariance = np.cov(points, bias=True) + np.eye(2) / 12  # a pixel is a square, not a point
    values, vectors = np.linalg.eigh(covariance)
    right, up = vectors[:, 1]
    return 4 * float(np.sqrt(values[1])), 4 * float(np.sqrt(values[0])), float(np.rad2deg(np.arctan2(up, right)) % 180)


def _mask_text(mask: Mask) -> str:
    return np.packbits(mask).tobytes().hex()


def _file_word(kind: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in kind)


def _check(
    sources: Sources, wanted: Sequence[str], cuttings: Sequence[Cutting], words: Sequence[str], told: PlacementSettings
) -> None:
    if not cuttings:
        found = f"kinds {', '.join(wanted)}" if wanted else "no kind of defect"
        raise UserError(
            f"No labelled defect in {sources.folder} can be cut out ({found}). {' '.join(words)}",
            "At least 2 defects with a mask, a polygon or a box are needed.",
            "Outline defects, or place drawn ones: --procedural scratch,pit.",
        )
    counts = Counter(cutting.kind for cutting in cuttings)
    missing = [kind for kind in told.kinds if not counts[kind]]
    if missing:
        raise UserError(
            f"The library holds 0 defects of kind {missing[0]}. {' '.join(words)}",
            "A wanted kind needs at least 2 that are outlined.",
            "Outline some, or leave this kind out of --kinds.",
        )
    alone = [kind for kind, count in counts.items() if count == 1]
    if alone and not told.single:
        others = [kind for kind in counts if kind not in alone]
        instead = f"--kinds {','.join(others)}, or " if others else ""
        raise UserError(
            f"The library holds 1 defect of kind {', '.join(alone)}.",
            "From 1 every sample shows the same defect, and an inspector learns it by heart; at least 2 are needed.",
            f"Label more, or give {instead}--single to accept it.",
        )
