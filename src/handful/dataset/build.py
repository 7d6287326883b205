"""Builds a data set: photos on one canvas, some held out, frozen with fingerprints."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from handful.core.artifacts import DatasetImage, DatasetManifest, Photo, PhotoAudit, Size, Unreadable
from handful.core.config import fingerprint
from handful.core.decode import UnreadablePhoto, decode_photo, keep_out_of_photos
from handful.core.errors import UserError
from handful.core.images import (
    Filter,
    Floats,
    integers_to_unit,
    pixels_sha256,
    png_bytes,
    read_png,
    unit_to_grey,
    unit_to_integers,
)
from handful.core.labels import LabelSheet
from handful.core.workspace import write_atomically
from handful.dataset.canvas import fit_photo, settle_canvas
from handful.dataset.labels_on_canvas import canvas_labels, check_labels, label_warnings
from handful.dataset.names import image_stems
from handful.dataset.settings import DatasetSettings, Fit
from handful.dataset.split import Split, split_photos
from handful.dataset.stated_split import stated_split, unheeded_split

__all__ = ["DatasetSettings", "build_dataset"]

_IMAGES = "images"
_MASKS = "masks"
_STAGING = ".building-"


@dataclass(frozen=True)
class _Plan:
    """What the settings come to for these photos."""

    photos: tuple[Photo, ...]
    canvas: Size
    fit: Fit
    filter: Filter
    channels: Literal[1, 3]
    bit_depth: int
    folds: int

    def fingerprint(self, split: Split, images: Sequence[DatasetImage], labels: dict[str, object]) -> str:
        return fingerprint(
            {
                "canvas": str(self.canvas),
                "fit": self.fit,
                "filter": self.filter,
                "channels": self.channels,
                "bit_depth": self.bit_depth,
                "split": split.words,
                "folds": self.folds,
                "images": [[image.file, image.pixels_sha256, image.group, image.fold] for image in images],
            }
            | labels
        )


def build_dataset(
    audit: PhotoAudit,
    out: Path,
    settings: DatasetSettings | None = None,
    check: Callable[[DatasetManifest], None] | None = None,
    labels: LabelSheet | None = None,
) -> DatasetManifest:
    """Brings the audited photos to one canvas, holds some out, and writes out/images/*.png and out/dataset.json; where
    defects are outlined, out/masks/*.png too.

    A data set is never overwritten: the same one is kept (a lost or changed image is made again), another one is
    refused. dataset.json comes last, so an interrupted build leaves none and is simply done again. A refused one
    leaves no folder.

    Args:
        audit: of the photos.
        out: the folder of the data set itself.
        settings: canvas and split.
        check: sees the manifest before anything is frozen, and raises where such a data set would be of no use.
        labels: of the photos; None where nothing is known.

    Raises:
        UserError: mixed sizes, channels or depths, an impossible canvas or split, a photo that changed since the
            audit, labels of other photos, a mask that cannot be read or is of another size than its photo, `out` in
            the photo folder, or another data set in `out`.
    """
    settings = settings or DatasetSettings()
    keep_out_of_photos(out, Path(audit.folder))
    if labels is not None:
        check_labels(labels, audit.folder)
    plan = _settle(audit, settings, labels)
    with _staging_folder(out) as staged:
        split, images = _split_images(plan.photos, tuple(_write_images(staged, audit, plan, labels)), settings, labels)
        manifest = DatasetManifest(
            canvas=plan.canvas,
            channels=plan.channels,
            bit_depth=plan.bit_depth,
            fit=plan.fit,
            filter=plan.filter,
            split=split.words,
            folds=plan.folds,
            photo_size=Counter(photo.size for photo in plan.photos).most_common(1)[0][0],
            photo_folder=audit.folder,
            images=images,
            left_out=_left_out(audit, settings),
            kinds=() if labels is None else labels.kinds,
            warnings=(
                *_enlargement(plan.photos, plan.canvas),
                *split.warnings,
                *unheeded_split(plan.photos, settings, labels),
                *label_warnings(labels, images),
            ),
            fingerprint=plan.fingerprint(split, images, _label_prints(staged, labels, images)),
        )
        if check is not None:
            check(manifest)
        return _publish(staged, manifest, out)


def _settle(audit: PhotoAudit, settings: DatasetSettings, labels: LabelSheet | None) -> _Plan:
    photos = tuple(photo for photo in audit.photos if settings.keep_duplicates or photo.duplicate_of is None)
    canvas, fit = settle_canvas(photos, settings)
    channels = _settle_channels(photos, settings)
    bit_depth = _settle_bit_depth(photos)
    _split(photos, settings, labels)  # refuses what can be refused before all photos are read again
    return _Plan(photos, canvas, fit, settings.filter, channels, bit_depth, settings.folds)


def _settle_channels(photos: Sequence[Photo], settings: DatasetSettings) -> Literal[1, 3]:
    counts = Counter(photo.channels for photo in photos)
    if settings.channels == "grey":
        return 1
    if settings.channels == "auto":
        if len(counts) > 1:
            raise UserError(
                f"{counts[1]} of the photos are grey and {counts[3]} are in colour.",
                "All photos of a data set have 1 channel or all have 3.",
                "Give --channels grey to turn all grey, or --channels rgb to keep the colour.",
            )
        return next(iter(counts))
    deep = [photo for photo in photos if photo.bit_depth > 8]
    if deep:
        raise UserError(
            f"--channels rgb is asked for, and {deep[0].name} is grey with {deep[0].bit_depth} bits.",
            "Colour is kept at 8 bits a channel.",
            "Give --channels grey, which keeps all bits.",
        )
    return 3


def _settle_bit_depth(photos: Sequence[Photo]) -> int:
    depths = Counter(photo.bit_depth for photo in photos)
    if len(depths) > 1:
        counts = ", ".join(f"{depth} bit ({depths[depth]} of {len(photos)} photos)" for depth in sorted(depths))
        raise UserError(
            f"The photos have {len(depths)} bit depths: {counts}.",
            "All photos of a data set have one bit depth.",
            "State the camera's with --bit-depth if all came from it, or give the kinds folders of their own.",
        )
    return next(iter(depths))


@contextlib.contextmanager
def _staging_folder(out: Path) -> Iterator[Path]:
    """A folder in `out` that is gone afterwards, and `out` too where it is new and nothing came into it.

    What a killed build left there goes as well.
    """
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for leftover in out.glob(f"{_STAGING}*"):
            shutil.rmtree(leftover)
        staging = tempfile.TemporaryDirectory(dir=out, prefix=_STAGING)
    except OSError as error:
        raise UserError(
            f"{out} cannot be written: {error.strerror}.",
            "The data set needs a folder of its own, new or its own from before.",
            "Give another folder with --out.",
        ) from None
    try:
        with staging as name:
            yield Path(name)
    finally:
        if new:
            with contextlib.suppress(OSError):  # a data set lies in it
                out.rmdir()


def _write_images(staged: Path, audit: PhotoAudit, plan: _Plan, labels: LabelSheet | None) -> Iterator[DatasetImage]:
    """Writes staged/images/*.png and staged/masks/*.png and describes each; the split is still to come."""
    stems = image_stems([photo.name for photo in plan.photos])
    for photo, stem in zip(plan.photos, stems, strict=True):
        image = _read_photo(Path(audit.folder), photo, audit.stated_bit_depth)
        image = unit_to_grey(image) if plan.channels == 1 else np.repeat(image, 3 // len(image), axis=0)
        fitted = dict(fit_photo(image, plan.canvas, plan.fit, plan.filter))
        known = canvas_labels(labels, photo, list(fitted), plan.canvas, plan.fit)
        for (suffix, piece), truth in zip(fitted.items(), known, strict=True):
            pixels = unit_to_integers(piece, plan.bit_depth)
            file, mask = f"{_IMAGES}/{stem}{suffix}.png", None
            write_atomically(staged / file, png_bytes(pixels, plan.bit_depth))
            if truth.mask is not None:
                mask = f"{_MASKS}/{stem}{suffix}.png"
                write_atomically(staged / mask, png_bytes(truth.mask, 8))
            yield DatasetImage(
                file=file,
                photo=photo.name,
                pixels_sha256=pixels_sha256(pixels),
                group=photo.group,
                fold=None,
                label=truth.label,
                mask=mask,
            )


def _label_prints(staged: Path, labels: LabelSheet | None, images: Sequence[DatasetImage]) -> dict[str, object]:
    """What labels add to the fingerprint: nothing where there are none, as before there were any."""
    if labels is None:
        return {}
    masks = [None if image.mask is None else pixels_sha256(read_png(staged / image.mask)) for image in images]
    return {"kinds": labels.kinds, "labels": [[image.label, mask] for image, mask in zip(images, masks, strict=True)]}


def _split(
    photos: Sequence[Photo],
    settings: DatasetSettings,
    labels: LabelSheet | None,
    pixels: Sequence[Collection[str]] | None = None,
) -> Split:
    if settings.split == "layout":
        return stated_split(photos, settings, labels, pixels)
    return split_photos(photos, settings, pixels)


def _split_images(
    photos: Sequence[Photo], images: Sequence[DatasetImage], settings: DatasetSettings, labels: LabelSheet | None
) -> tuple[Split, tuple[DatasetImage, ...]]:
    """The split, and the images with their groups and folds."""
    pixels: dict[str, set[str]] = {photo.name: set() for photo in photos}
    for image in images:
        pixels[image.photo].add(image.pixels_sha256)
    split = _split(photos, settings, labels, list(pixels.values()))
    of_photo = dict(zip(pixels, zip(split.groups, split.folds, strict=True), strict=True))
    return split, tuple(
        image.model_copy(update=dict(zip(("group", "fold"), of_photo[image.photo], strict=True))) for image in images
    )


def _read_photo(folder: Path, photo: Photo, stated_bit_depth: int | None) -> Floats:
    """The photo as float32 (c, h, w), exactly as it was audited."""
    try:
        decoded = decode_photo(folder / photo.name, stated_bit_depth)
        reason = None if pixels_sha256(decoded.pixels) == photo.pixels_sha256 else "its pixels are others"
    except UnreadablePhoto as error:
        reason = error.reason
    if reason is not None:
        raise UserError(
            f"{folder / photo.name} has changed since the photos were read: {reason}.",
            "The data set is built from the photos exactly as photos.json describes them.",
            "Run `handful dataset` again, and leave the photo folder alone meanwhile.",
        )
    return integers_to_unit(decoded.pixels, decoded.bit_depth)


def _left_out(audit: PhotoAudit, settings: DatasetSettings) -> tuple[Unreadable, ...]:
    copies = [] if settings.keep_duplicates else [photo for photo in audit.photos if photo.duplicate_of is not None]
    return audit.unreadable + tuple(
        Unreadable(name=photo.name, reason=f"exact copy of {photo.duplicate_of}") for photo in copies
    )


def _enlargement(photos: Sequence[Photo], canvas: Size) -> tuple[str, ...]:
    small = [photo for photo in photos if photo.size.width < canvas.width or photo.size.height < canvas.height]
    if not small:
        return ()
    return (
        f"The canvas of {canvas} px is larger than {len(small)} of {len(photos)} photos (such as {small[0].name}, "
        f"{small[0].size}), which are enlarged.",
    )


def _publish(staged: Path, manifest: DatasetManifest, out: Path) -> DatasetManifest:
    """Moves the staged images and masks to their place and writes dataset.json, replacing nothing."""
    if (out / manifest.file_name).exists():
        present = DatasetManifest.read(out)
        if present.fingerprint != manifest.fingerprint:
            raise UserError(
                f"Another data set lies in {out}: {_words(present)}.",
                f"A data set is never overwritten; this would be {_words(manifest)}.",
                f"Give another folder with --out, or move {out} away.",
            )
        for image in manifest.images:
            for file in filter(None, (image.file, image.mask)):
                if not _is_whole(out / file, staged / file):
                    (out / file).parent.mkdir(exist_ok=True)
                    (staged / file).replace(out / file)
        return present
    folders = [name for name in (_IMAGES, _MASKS) if (staged / name).exists()]
    for folder in folders:
        if (out / folder).exists() and _contents(out / folder) != _contents(staged / folder):
            raise UserError(
                f"{out / folder} holds {len(list((out / folder).iterdir()))} file(s) that are not of this data set.",
                f"{out} must be new, or hold this data set from before; nothing is ever overwritten.",
                f"Give another folder with --out, or move {out / folder} away.",
            )
    for folder in folders:
        if not (out / folder).exists():
            (staged / folder).rename(out / folder)
    manifest.write(out)
    return manifest


def _words(manifest: DatasetManifest) -> str:
    labels = f", labels {', '.join(('good', *manifest.kinds))}" if any(image.label for image in manifest.images) else ""
    return f"{len(manifest.images)} images of {manifest.canvas}, {manifest.split}{labels}"


def _is_whole(path: Path, wanted: Path) -> bool:
    try:
        return pixels_sha256(read_png(path)) == pixels_sha256(read_png(wanted))
    except UserError:  # gone, or no PNG any more
        return False


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
