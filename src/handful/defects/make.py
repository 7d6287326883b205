"""`handful defects`: from labelled photos to a set of samples with masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handful.core.artifacts import SampleManifest
from handful.core.errors import UserError
from handful.core.labels import Mask, Region
from handful.core.progress import Listener, ignore
from handful.core.workspace import Workspace
from handful.defects.donors import LibraryMaker
from handful.defects.drawn import DrawnMaker
from handful.defects.library import LibraryManifest, cut_library, library_fingerprint, write_library
from handful.defects.sample_set import DefectSet, write_defect_set
from handful.defects.settings import PlacementSettings
from handful.defects.sources import Sources

LIBRARY = "defects"
"""Folder of the library, below 1_photos."""
_OF_LIBRARIES = ("kinds", "turn_deg", "mirror", "match", "within_px", "blend", "light", "good_share", "single")


@dataclass(frozen=True)
class MadeSet:
    """A set of samples and how it came about."""

    folder: Path
    manifest: SampleManifest
    library: LibraryManifest | None
    """None where defects were drawn."""
    library_folder: Path | None
    notes: tuple[str, ...]
    """What was left out, and what the set is not, each one sentence."""
    refused: dict[str, int]
    """Placements that came to nothing in this call, by reason."""


def make_defects(
    sources: Sources,
    work: Path,
    settings: PlacementSettings,
    count: int,
    first_seed: int = 0,
    drawn: Sequence[str] = (),
    out: Path | None = None,
    listener: Listener = ignore,
) -> MadeSet:
    """Cuts the library, places its defects on good photos and writes the samples.

    Args:
        sources: the photos that may enter.
        work: the workspace: the library goes into a folder of its own in 1_photos/defects, the set into one in
            4_samples.
        settings: where and how defects are placed.
        count: samples to have in the end.
        first_seed: of the first.
        drawn: kinds to draw by rule instead of cutting any; empty: the library.
        out: another folder for the set.
        listener: hears of every sample.

    Raises:
        UserError: no good photo, no defect to cut, one of a kind, a mask that does not fit, no place, settings that
            drawing does not know, a folder that holds something else.
    """
    if not sources.good:
        raise UserError(
            f"{sources.folder} has 0 good photos that may enter. {' '.join(sources.left_out)}",
            "Defects are placed on good photos: at least 1.",
            "Add good photos, or check their labels.",
        )
    if settings.good_share and len({photo.pixels_sha256 for photo in sources.good}) < 2:
        raise UserError(
            f"{sources.folder} has 1 good photo, and --good-share is {settings.good_share}.",
            "Flawless pieces come from another good photo: at least 2 are needed.",
            "Add good photos, or leave out --good-share.",
        )
    spots = _read_spots(settings, sources)
    library: LibraryManifest | None = None
    library_folder, notes = None, sources.left_out
    if drawn:
        _check_drawn(settings)
        plan = DefectSet(
            "defect_drawn",
            "compositeSynthetic",
            sources,
            DrawnMaker(tuple(dict.fromkeys(drawn)), settings),
            settings,
            spots,
            "",
            (),
        )
        notes += ("Drawn defects are crude: try what learns from them on real ones.",)
    else:
        cuttings, left_out = cut_library(sources, settings)
        library_folder = Workspace(work).photos / LIBRARY / library_fingerprint(cuttings)[:8]
        library = write_library(library_folder, cuttings, left_out, sources.bit_depth)
        notes += left_out
        donors = {cutting.photo_pixels_sha256 for cutting in cuttings}
        plan = DefectSet(
            "defect_library",
            "compositeCapture",
            sources,
            LibraryMaker(sources, cuttings, settings),
            settings,
            spots,
            library.fingerprint,
            tuple(photo for photo in sources.photos if photo.pixels_sha256 in donors),
        )
    folder = out or Workspace(work).samples / plan.run_id
    manifest, refused = write_defect_set(plan, folder, count, first_seed, listener)
    return MadeSet(folder, manifest, library, library_folder, notes, dict(refused))


def _read_spots(settings: PlacementSettings, sources: Sources) -> Mask | None:
    if settings.spots is None:
        return None
    spots = Region(kind="spots", mask=str(settings.spots.resolve())).rasterise(Path(), sources.size)
    if not spots.any():
        raise UserError(
            f"The mask of spots {settings.spots} allows 0 pixels.",
            "Defects lie where it is not 0.",
            "Paint the allowed spots white, or leave --spots out.",
        )
    return spots


def _check_drawn(settings: PlacementSettings) -> None:
    given = settings.model_dump(exclude_defaults=True)
    for name in _OF_LIBRARIES:
        if name in given:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(
                f"{flag} was given together with --procedural.",
                f"{flag} is about defects cut from photos; of 1 set all are cut or all are drawn.",
                f"Leave out {flag}, or --procedural.",
            )
