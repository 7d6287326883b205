"""Which samples drew on a photo, so that they can be withdrawn when the photo turns out to be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from handful.core.artifacts import (
    PASSPORTS,
    SAMPLE_ROWS,
    DatasetManifest,
    PassportLegend,
    RunManifest,
    SampleManifest,
    SampleRow,
    read_sample_rows,
)
from handful.core.errors import UserError, nearest_name
from handful.core.workspace import Workspace

_LEAST_HASH = 8


@dataclass(frozen=True)
class Withdrawal:
    """What one set of samples has of a photo."""

    samples: Path
    """Folder of the set."""
    photo_in_training: bool
    files: tuple[str, ...]
    """Samples that drew on the photo; all of the set where its generator cannot say and the photo was trained on."""
    has_passports: bool
    total: int


def find_samples_of(photo: str, place: Path) -> list[Withdrawal]:
    """Finds every sample that drew on a photo.

    Args:
        photo: its name as in the data set, or at least 8 digits of the hash of its pixels.
        place: a workspace, or the folder of one set of samples in one.

    Raises:
        UserError: no samples there, or no such photo.
    """
    folders = [place] if (place / SAMPLE_ROWS).is_file() else _sets(Workspace(place).samples)
    if not folders:
        raise UserError(
            f"{place} holds no samples.",
            "A workspace has sets of samples in 4_samples/, and a set has samples.jsonl.",
            "Check the path, or draw samples first with `handful sample RUN`.",
        )
    return [_of_set(photo, folder) for folder in folders]


def _sets(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"*/{SAMPLE_ROWS}"))


def _of_set(photo: str, folder: Path) -> Withdrawal:
    rows = read_sample_rows(folder)
    manifest = SampleManifest.read(folder)
    hashes = _hashes(photo, folder, manifest)
    trained = bool(hashes & set(manifest.training_pixels))
    legend = folder / PASSPORTS / PassportLegend.file_name
    if not legend.is_file():
        files = tuple(row.file for row in rows.values()) if trained else ()
        return Withdrawal(folder, trained, files, False, len(rows))
    known = PassportLegend.read(folder / PASSPORTS).photos
    numbers = {number for number, pixels in enumerate(known) if pixels in hashes}
    files = tuple(row.file for row in rows.values() if _drew_on(row, hashes, numbers, trained))
    return Withdrawal(folder, trained, files, True, len(rows))


def _drew_on(row: SampleRow, hashes: set[str], numbers: set[int], trained: bool) -> bool:
    """Whether a sample has anything of the photo with one of these hashes, or numbers in the legend.

    Args:
        trained: whether any sample of its set may have; counts where the row does not say.
    """
    if row.placements:  # a photo, and what was put into it
        return bool(hashes & {row.source, *(placement.photo_pixels_sha256 for placement in row.placements)})
    return bool(numbers & set(row.passport.drew_on)) if row.passport is not None else trained


def _hashes(photo: str, folder: Path, manifest: SampleManifest) -> set[str]:
    """Pixel hashes of the images that were made from a photo."""
    named_images = _names(folder, manifest)
    named = {pixels for pixels, name in named_images if photo in (name, Path(name).name)}
    if named:
        return named
    known = {pixels for pixels, _ in named_images} | set(manifest.training_pixels)
    if len(photo) >= _LEAST_HASH and (found := {pixels for pixels in known if pixels.startswith(photo.lower())}):
        return found
    near = nearest_name(photo, [name for _, name in named_images])
    raise UserError(
        f"No photo of {folder.name} is called {photo}.",
        f"{len(named_images)} photo(s) are known by name, all by {_LEAST_HASH} or more digits of pixels_sha256.",
        f"Did you mean '{near}'?" if near else "Check the name in 2_dataset/dataset.json.",
    )


def _names(folder: Path, manifest: SampleManifest) -> list[tuple[str, str]]:
    """Pixel hash and name of every image: from the set's own legend, or from the data set of its run where that is
    still in the workspace."""
    legend = folder / PASSPORTS / PassportLegend.file_name
    if legend.is_file() and (known := PassportLegend.read(folder / PASSPORTS)).names:
        return list(zip(known.photos, known.names, strict=True))
    try:
        run = RunManifest.read(Workspace(folder.resolve().parent.parent).train / manifest.run_id)
        dataset = DatasetManifest.read(Path(run.dataset_folder))
    except UserError:
        return []
    return [(image.pixels_sha256, image.photo) for image in dataset.images]
