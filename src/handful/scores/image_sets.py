"""Finds the photos and the samples to compare, and refuses sets that are not what they say.

Every image is decoded and hashed once here, so that a changed, foreign or leaked image stops the scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handful.core.artifacts import (
    SAMPLE_ROWS,
    DatasetImage,
    DatasetManifest,
    SampleManifest,
    Size,
    read_sample_rows,
    training_fingerprint,
)  # fmt: skip
from handful.core.config import fingerprint
from handful.core.decode import DecodedPhoto, UnreadablePhoto, decode_photo, list_photo_files
from handful.core.errors import UserError
from handful.core.images import Integers, pixels_sha256, read_png
from handful.features.image_set import ImageSet


@dataclass(frozen=True)
class Photos:
    """The photos of one fold."""

    training: ImageSet
    """Empty where a plain folder holds held-out photos only."""
    heldout: ImageSet
    canvas: Size
    bit_depth: int
    fingerprint: str
    """Of the data set, or of the plain folder's pixels."""
    training_fingerprints: tuple[str, ...]
    """For each fold, over the pixel hashes of its training images; empty for a plain folder."""


@dataclass(frozen=True)
class Samples:
    """A set of samples and where it comes from, as far as that is known."""

    images: ImageSet
    run_id: str
    generator: str
    anchor: bool
    seed: int | None
    training_fingerprint: str | None
    training_pixels: tuple[str, ...] = ()
    """Pixel hashes of the photos that the run was trained on; empty where they are unknown."""
    sources: tuple[str | None, ...] = ()
    """For each image the pixel hash of the photo that it was made from, None where that is not stated; or empty."""


def read_photos(folder: Path, fold: int, plain_role: Literal["heldout", "training"]) -> Photos:
    """The photos in a dataset folder or in a plain folder.

    Args:
        folder: with dataset.json, or just photos of one size.
        fold: which photos count as held out.
        plain_role: what the photos of a plain folder are to the generator.

    Raises:
        UserError: an image is unreadable, has changed, or has another size or bit depth.
    """
    if (folder / DatasetManifest.file_name).exists():
        return _read_dataset(folder, fold)
    if fold != 0:
        raise UserError(
            f"Fold {fold} does not exist.",
            f"{folder} is a plain folder of photos, without {DatasetManifest.file_name}: it has fold 0 only.",
            "Leave --fold out, or give the folder that `handful dataset` made.",
        )
    images, size = _read_plain(folder, None)
    empty = ImageSet((), (), images.bit_depth, images.read, None, images.channels)
    return Photos(
        training=images if plain_role == "training" else empty,
        heldout=images if plain_role == "heldout" else empty,
        canvas=size,
        bit_depth=images.bit_depth,
        fingerprint=fingerprint(sorted(images.hashes)),
        training_fingerprints=(),
    )


def _read_dataset(folder: Path, fold: int) -> Photos:
    manifest = DatasetManifest.read(folder)

    def image_set(images: Sequence[DatasetImage]) -> ImageSet:
        for image in images:
            if pixels_sha256(read_png(folder / image.file)) != image.pixels_sha256:
                raise UserError(
                    f"{folder / image.file} has changed since the data set was built.",
                    f"Its pixels must have the sha256 {image.pixels_sha256[:12]}... that dataset.json states.",
                    "Run `handful dataset` again, and train again.",
                )
        files = tuple(image.file for image in images)
        hashes = tuple(image.pixels_sha256 for image in images)
        photos = tuple(image.photo for image in images)
        groups = tuple(image.group for image in images)

        def read(row: int) -> Integers:
            return read_png(folder / files[row])

        return ImageSet(files, hashes, manifest.bit_depth, read, photos, manifest.channels, groups)

    return Photos(
        training=image_set(manifest.training(fold)),
        heldout=image_set(manifest.heldout(fold)),
        canvas=manifest.canvas,
        bit_depth=manifest.bit_depth,
        fingerprint=manifest.fingerprint,
        training_fingerprints=tuple(training_fingerprint(manifest.training(k)) for k in range(manifest.folds)),
    )


def read_samples(folder: Path, photos: Photos, count: int | None = None) -> Samples:
    """The samples in a folder that `handful sample` made, or in a plain folder of images.

    Args:
        folder: the samples.
        photos: what they are compared with.
        count: take only the first `count` in order of seed (a plain folder: in natural order of the names).

    Raises:
        UserError: the folder holds photos or foreign images, or fewer images than `count`; an image has changed;
            size or bit depth differ from the photos'.
    """
    if (folder / SampleManifest.file_name).exists() or (folder / SAMPLE_ROWS).exists():
        return _read_drawn(folder, photos, count)
    _check_count(folder, len(list_photo_files(folder)), count)
    images, size = _read_plain(folder, photos.bit_depth, count)
    _check_shape(folder, size, images.bit_depth, photos)
    photo_names = {
        pixels: name
        for known in (photos.training, photos.heldout)
        for name, pixels in zip(known.names, known.hashes, strict=True)
    }
    for name, pixels in zip(images.names, images.hashes, strict=True):
        if pixels in photo_names:
            raise UserError(
                f"{folder / name} has exactly the pixels of the photo {photo_names[pixels]}.",
                "A folder of samples holds generated images only; scoring photos as samples would flatter them.",
                "Take the photos out of that folder.",
            )
    name = folder.resolve().name
    return Samples(images, run_id=name, generator=name, anchor=False, seed=None, training_fingerprint=None)


def _check_count(folder: Path, there: int, count: int | None) -> None:
    if count is not None and not 1 <= count <= there:
        raise UserError(
            f"{count} samples are to be judged, and {folder} holds {there}.",
            f"--count may be 1 to {there} here.",
            "Draw more samples with `handful sample --count`, or judge fewer.",
        )


def _read_drawn(folder: Path, photos: Photos, count: int | None) -> Samples:
    manifest = SampleManifest.read(folder)
    rows = {row.file: row for row in read_sample_rows(folder).values()}
    if len(rows) != manifest.count:
        raise UserError(
            f"{folder / SAMPLE_ROWS} lists {len(rows)} samples.",
            f"{SampleManifest.file_name} beside it states {manifest.count}.",
            "Draw the samples again with `handful sample`.",
        )
    beside = {file for row in rows.values() for file in (row.mask, row.passport.file if row.passport else None)}
    for path in list_photo_files(folder):
        file = path.relative_to(folder).as_posix()
        if file not in rows and file not in beside:
            raise UserError(
                f"{path} is not among the {len(rows)} samples that {SAMPLE_ROWS} lists.",
                "A folder of samples holds generated images only; a photo among them would flatter the scores.",
                "Take that file out of the folder.",
            )
    _check_count(folder, len(rows), count)
    rows = dict(list(rows.items())[:count])
    for file, row in rows.items():
        pixels = read_png(folder / file)
        _check_shape(folder / file, Size(width=pixels.shape[1], height=pixels.shape[0]), manifest.bit_depth, photos)
        if pixels_sha256(pixels) != row.pixels_sha256:
            raise UserError(
                f"{folder / file} is not the image that was drawn.",
                f"Its pixels must have the sha256 {row.pixels_sha256[:12]}... that {SAMPLE_ROWS} states.",
                "Draw the samples again with `handful sample`; put no other image under a sample's name.",
            )
    files = tuple(rows)
    hashes = tuple(row.pixels_sha256 for row in rows.values())
    return Samples(
        ImageSet(files, hashes, manifest.bit_depth, lambda row: read_png(folder / files[row]), None, manifest.channels),
        run_id=manifest.set_id,
        generator=manifest.contestant,
        anchor=manifest.anchor,
        seed=manifest.seed,
        training_fingerprint=manifest.training_fingerprint,
        training_pixels=manifest.training_pixels,
        sources=tuple(row.source for row in rows.values()),
    )


def _read_plain(folder: Path, bit_depth: int | None, count: int | None = None) -> tuple[ImageSet, Size]:
    """All images in a plain folder, or the first `count`; they must agree in size and bit depth."""
    paths = list_photo_files(folder)[:count]
    if not paths:
        raise UserError(
            f"{folder} holds no image.",
            "It must hold images (PNG, JPEG, BMP or TIFF), or be a folder that Handful made.",
            "Check the path.",
        )
    hashes: list[str] = []
    channels: Literal[1, 3] = 1
    first: DecodedPhoto | None = None
    for path in paths:
        image = _decode(path, bit_depth)
        first = first or image
        if (image.pixels.shape[:2], image.bit_depth) != (first.pixels.shape[:2], first.bit_depth):
            raise UserError(
                f"{path} is {_shape_text(image)}, and {paths[0].name} is {_shape_text(first)}.",
                "All images of a set have one size and one bit depth; nothing is resized silently.",
                "Bring them to one size, or let `handful dataset` do it.",
            )
        hashes.append(pixels_sha256(image.pixels))
        channels = 3 if image.pixels.ndim == 3 else channels
    assert first is not None
    names = tuple(path.relative_to(folder).as_posix() for path in paths)
    images = ImageSet(
        names, tuple(hashes), first.bit_depth, lambda row: _decode(paths[row], bit_depth).pixels, None, channels
    )
    return images, Size(width=first.pixels.shape[1], height=first.pixels.shape[0])


def _decode(path: Path, bit_depth: int | None) -> DecodedPhoto:
    try:
        return decode_photo(path, bit_depth)
    except UnreadablePhoto as error:
        raise UserError(
            f"{path} cannot be read: {error.reason}.",
            "Every image in the folder must be readable; none is left out silently.",
            "Remove or repair that file.",
        ) from None


def _check_shape(where: Path, size: Size, bit_depth: int, photos: Photos) -> None:
    if (size, bit_depth) != (photos.canvas, photos.bit_depth):
        raise UserError(
            f"{where} is {size} at {bit_depth} bit.",
            f"Samples must be as the photos: {photos.canvas} at {photos.bit_depth} bit; nothing is resized silently.",
            "Score samples of this data set's canvas, or build the data set again with their --canvas.",
        )


def _shape_text(image: DecodedPhoto) -> str:
    return f"{image.pixels.shape[1]}x{image.pixels.shape[0]} at {image.bit_depth} bit"
