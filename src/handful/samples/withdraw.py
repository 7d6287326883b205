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
    files = tuple(
        row.file
        for row in rows.values()
        if (row.passport is None and trained) or (row.passport is not None and numbers & set(row.passport.drew_on))
    )
    return Withdrawal(folder, trained, files, True, len(rows))


def _hashes(photo: str, folder: Path, manifest: SampleManifest) -> set[str]:
    """Pixel hashes of the images that were made from a photo."""
    dataset = _dataset(folder, manifest)
    images = dataset.images if dataset is not None else ()
    named = {image.pixels_sha256 for image in images if image.photo == photo or Path(image.photo).name == photo}
    if named:
        return named
    known = {image.pixels_sha256 for image in images} | set(manifest.training_pixels)
    if len(photo) >= _LEAST_HASH and (found := {pixels for pixels in known if pixels.startswith(photo.lower())}):
        return found
    near = nearest_name(photo, [image.photo for image in images])
    raise UserError(
        f"No photo of {folder.name} is called {photo}.",
        f"Its data set has {len(images)} image(s), by the names in dataset.json, or by {_LEAST_HASH} or more digits of "
        "pixels_sha256.",
        f"Did you mean '{near}'?" if near else "Check the name in 2_dataset/dataset.json.",
    )


def _dataset(folder: Path, manifest: SampleManifest) -> DatasetManifest | None:
    """The data set of a set of samples, where its run is still in the workspace."""
    try:
        run = RunManifest.read(Workspace(folder.resolve().parent.parent).train / manifest.run_id)
        return DatasetManifest.read(Path(run.dataset_folder))
    except UserError:
        return None
