"""The photos that may enter: good ones to put defects into, defective ones to cut them from. No others are opened."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from handful.core.artifacts import DatasetImage, DatasetManifest, Size
from handful.core.decode import DecodedPhoto, UnreadablePhoto, decode_photo
from handful.core.errors import UserError
from handful.core.images import Integers, pixels_sha256, read_png
from handful.core.labels import GOOD, LabelledPhoto, LabelSheet, Mask

_LEAST_HASH = 8
_KEPT = 8


@dataclass(frozen=True)
class SourcePhoto:
    """A photo whose pixels were read once."""

    name: str
    pixels_sha256: str
    label: str
    """'' where nothing is known; else 'good' or a kind of defect."""
    file: Path
    entry: LabelledPhoto | DatasetImage


@dataclass(frozen=True)
class Sources:
    """All photos that may enter, of one size and depth."""

    folder: Path
    size: Size
    channels: Literal[1, 3]
    bit_depth: int
    stated_depth: int | None
    kinds: tuple[str, ...]
    photos: tuple[SourcePhoto, ...]
    left_out: tuple[str, ...]
    """Why others may not enter, each one sentence."""

    @property
    def good(self) -> tuple[SourcePhoto, ...]:
        """Photos labelled good; where none has a label, all of them."""
        labelled = any(photo.label for photo in self.photos)
        return tuple(photo for photo in self.photos if photo.label == GOOD or not labelled)

    def read(self, photo: SourcePhoto) -> Integers:
        """(h, w), or (h, w, 3) where the set is in colour.

        Raises:
            UserError: the file has changed since it was read first.
        """
        pixels = _read(photo.file, isinstance(photo.entry, DatasetImage), self.stated_depth, photo.pixels_sha256)
        return np.repeat(pixels[..., None], 3, axis=2) if self.channels == 3 and pixels.ndim == 2 else pixels

    def regions(self, photo: SourcePhoto) -> Iterator[tuple[str, Mask]]:
        """Kind and (h, w) of each labelled region.

        Raises:
            UserError: a mask is unreadable or of another size.
        """
        if isinstance(photo.entry, LabelledPhoto):
            for region in photo.entry.regions:
                yield region.kind, region.rasterise(self.folder, self.size)
        elif photo.entry.mask is not None:
            numbers = read_png(self.folder / photo.entry.mask)
            if numbers.shape != (self.size.height, self.size.width):
                raise UserError(
                    f"The mask {photo.entry.mask} is {numbers.shape[1]}x{numbers.shape[0]} px.",
                    f"A mask has the size of its image: {self.size} px.",
                    "Build the data set again with `handful dataset`.",
                )
            for number, kind in enumerate(self.kinds, start=1):
                if (numbers == number).any():
                    yield kind, numbers == number


def sources_of_photos(
    sheet: LabelSheet, only: Collection[str] = (), bit_depth: int | None = None, held_out: Collection[str] = ()
) -> Sources:
    """Labelled photos as they are on disk. Photos of a test split never enter.

    Args:
        sheet: what is known of each.
        only: names of photos, or 8 digits or more of the hash of their pixels; empty: all.
        bit_depth: the camera's, 8 to 16; None goes by the files.
        held_out: names of photos that a data set made of them holds out; they never enter.

    Raises:
        UserError: no photo may enter, one is unreadable, they differ in size or depth, or `only` names one that is not
            there.
    """
    folder = Path(sheet.folder)
    known = [entry for entry in sheet.photos if entry.split != "test"]
    training = [entry for entry in known if entry.name not in held_out]
    left_out = _words(len(sheet.photos) - len(known), "of the test split")
    left_out += _words(len(known) - len(training), "that the data set holds out")
    found: list[SourcePhoto] = []
    first: tuple[str, DecodedPhoto] | None = None
    colour = False
    for entry in training:
        decoded = _decode(folder / entry.name, bit_depth)
        photo = SourcePhoto(entry.name, pixels_sha256(decoded.pixels), entry.label, folder / entry.name, entry)
        if only and not _is_named(photo, only):
            continue
        first = first or (entry.name, decoded)
        if (decoded.pixels.shape[:2], decoded.bit_depth) != (first[1].pixels.shape[:2], first[1].bit_depth):
            raise UserError(
                f"{entry.name} is {_shape(decoded)}, and {first[0]} is {_shape(first[1])}.",
                "The photos of one set of samples have 1 size and 1 bit depth.",
                "Bring them to one canvas with `handful dataset`, and give its folder instead of the photos.",
            )
        colour |= decoded.pixels.ndim == 3
        found.append(photo)
    _check_only(found, only)
    if first is None:
        raise _nothing(folder, left_out)
    left_out += _words(len(training) - len(found), "not among those that may enter")
    height, width = first[1].pixels.shape[:2]
    size = Size(width=width, height=height)
    depth = first[1].bit_depth
    return Sources(folder, size, 3 if colour else 1, depth, bit_depth, sheet.kinds, tuple(found), left_out)


def sources_of_dataset(folder: Path, fold: int = 0, only: Collection[str] = ()) -> Sources:
    """The training images of one fold of a data set; images that are held out never enter.

    Raises:
        UserError: no data set there, no such fold, an image that has changed, or `only` names one that is not there.
    """
    manifest = DatasetManifest.read(folder)
    training = manifest.training(fold)
    found = [
        SourcePhoto(image.photo, image.pixels_sha256, image.label, folder / image.file, image) for image in training
    ]
    if only:
        found = [photo for photo in found if _is_named(photo, only)]
        _check_only(found, only)
    for photo in found:
        if pixels_sha256(read_png(photo.file)) != photo.pixels_sha256:
            raise UserError(
                f"{photo.file} has changed since the data set was built.",
                f"Its pixels must have the sha256 {photo.pixels_sha256[:12]}... that dataset.json states.",
                "Run `handful dataset` again.",
            )
    left_out = _words(len(manifest.heldout(fold)), f"held out in fold {fold}")
    left_out += _words(len(training) - len(found), "not among those that may enter")
    if not found:
        raise _nothing(folder, left_out)
    return Sources(
        folder,
        manifest.canvas,
        manifest.channels,
        manifest.bit_depth,
        None,
        manifest.kinds,
        tuple(found),
        left_out,
    )


@lru_cache(_KEPT)
def _read(file: Path, stored: bool, bit_depth: int | None, pixels_hash: str) -> Integers:
    pixels = read_png(file) if stored else _decode(file, bit_depth).pixels
    if pixels_sha256(pixels) != pixels_hash:
        raise UserError(
            f"{file} has changed while samples were made of it.",
            f"Its pixels must have the sha256 {pixels_hash[:12]}..., as when it was read first.",
            "Let the photos be, and run the same command again.",
        )
    pixels.setflags(write=False)  # it is handed out again
    return pixels


def _decode(path: Path, bit_depth: int | None) -> DecodedPhoto:
    try:
        return decode_photo(path, bit_depth)
    except UnreadablePhoto as error:
        raise UserError(
            f"{path} cannot be read: {error.reason}.",
            "Every labelled photo must be readable.",
            "Mend the file, or take it and its label out of the folder.",
        ) from None


def _is_named(photo: SourcePhoto, names: Collection[str]) -> bool:
    return any(
        name in (photo.name, Path(photo.name).name)
        or (len(name) >= _LEAST_HASH and photo.pixels_sha256.startswith(name.lower()))
        for name in names
    )


def _check_only(found: Sequence[SourcePhoto], names: Collection[str]) -> None:
    for name in names:
        if not any(_is_named(photo, (name,)) for photo in found):
            raise UserError(
                f"No photo that may enter is called {name}.",
                f"Photos are named as in the folder, or by {_LEAST_HASH} or more digits of the hash of their pixels.",
                "Correct the list given with --only.",
            )


def _words(count: int, why: str) -> tuple[str, ...]:
    return (f"{count} photo(s) {why} do not enter.",) if count else ()


def _nothing(folder: Path, left_out: Sequence[str]) -> UserError:
    return UserError(
        f"No photo of {folder} may enter. {' '.join(left_out)}",
        "At least 1 good and 1 defective photo are needed.",
        "Check the labels, the split and the list given with --only.",
    )


def _shape(photo: DecodedPhoto) -> str:
    return f"{photo.pixels.shape[1]}x{photo.pixels.shape[0]} at {photo.bit_depth} bit"
