"""The pictures and masks that a task starts from, read and paired by name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from handful.core.decode import DecodedPhoto, list_photo_files
from handful.core.errors import UserError
from handful.core.images import Floats, Integers, integers_to_unit, pixels_sha256
from handful.core.masks import decode_picture, read_mask

_MASK_SUFFIX = "_mask"


@dataclass(frozen=True)
class Picture:
    """A picture to work on, and the region of it."""

    name: str
    """Its file's name without extension; below a folder, with the folders between."""
    pixels: Integers
    """(h, w) or (h, w, 3)."""
    bit_depth: int
    sha256: str
    """Of its file."""
    mask: npt.NDArray[np.bool_] | None
    """(h, w), true in the region."""
    mask_sha256: str | None

    @property
    def unit(self) -> Floats:
        """(c, h, w) in [-1, 1]."""
        return integers_to_unit(self.pixels, self.bit_depth)

    @property
    def pixels_sha256(self) -> str:
        return pixels_sha256(self.pixels)


def pair_files(pictures: Path, masks: Path | None) -> list[tuple[str, Path, Path | None]]:
    """(name, picture, its mask or None) for one picture or for a folder of them.

    Args:
        pictures: a file, or a folder.
        masks: a file for all pictures, or a folder where NAME.png or NAME_mask.png is the mask of NAME.jpg; None
            where the task takes none.

    Raises:
        UserError: no picture, two of one name, or one without a mask.
    """
    files = list_photo_files(pictures) if pictures.is_dir() else [_present(pictures, "picture")]
    root = pictures if pictures.is_dir() else pictures.parent
    if not files:
        raise UserError(
            f"{pictures} holds 0 pictures.", "At least 1 is needed: PNG, JPEG, BMP or TIFF.", "Give another folder."
        )
    named: dict[str, Path] = {}
    for file in files:
        name = file.relative_to(root).with_suffix("").as_posix()
        if name in named:
            raise UserError(
                f"{named[name].name} and {file.name} have one name, {name}.",
                "Results and masks are named after pictures, so each picture needs a name of its own.",
                "Rename one of the two.",
            )
        named[name] = file
    if masks is None:
        return [(name, file, None) for name, file in named.items()]
    if not masks.is_dir():
        mask = _present(masks, "mask")
        return [(name, file, mask) for name, file in named.items()]
    known = {path.relative_to(masks).with_suffix("").as_posix(): path for path in list_photo_files(masks)}
    found = {name: known.get(name, known.get(name + _MASK_SUFFIX)) for name in named}
    lacking = [named[name].name for name, mask in found.items() if mask is None]
    if lacking:
        raise UserError(
            f"{len(lacking)} of {len(named)} pictures have no mask in {masks}, for example {lacking[0]}.",
            f"The mask of NAME.jpg is NAME.png or NAME{_MASK_SUFFIX}.png.",
            "Add the masks, or give one file with --mask for all pictures.",
        )
    return [(name, file, found[name]) for name, file in named.items()]


def read_picture(name: str, file: Path, mask: Path | None, channels: int) -> Picture:
    """Reads a picture and its mask.

    Args:
        name, file, mask: as `pair_files` found them.
        channels: of the run; a grey picture fits a colour run, not the other way round.

    Raises:
        UserError: an unreadable file, a colour picture for a grey run, a mask of another size than its picture, or
            one without a region.
    """
    decoded = decode_picture(file)
    pixels = _fit_channels(file, decoded, channels)
    region = None if mask is None else read_mask(mask, pixels.shape[1], pixels.shape[0], file.name)
    mask_sha256 = None if mask is None else _sha256(mask)
    return Picture(name, pixels, decoded.bit_depth, _sha256(file), region, mask_sha256)


def check_alike(picture: Picture, first: Picture) -> None:
    """Raises:
    UserError: the pictures differ in size or bit depth.
    """
    if (picture.pixels.shape, picture.bit_depth) != (first.pixels.shape, first.bit_depth):
        raise UserError(
            f"{picture.name} is {_size(picture)}, and {first.name} is {_size(first)}.",
            "All pictures of one folder have one size and one bit depth.",
            "Sort them into folders, and run the task on each.",
        )


def _fit_channels(file: Path, decoded: DecodedPhoto, channels: int) -> Integers:
    pixels = decoded.pixels
    if pixels.ndim == 3 and channels == 1:
        raise UserError(
            f"{file.name} is in colour.", "This run learned grey photos (1 channel).", "Save the picture as grey."
        )
    if pixels.ndim == 2 and channels == 3:
        if decoded.bit_depth > 8:
            raise UserError(
                f"{file.name} is grey with {decoded.bit_depth} bits.",
                "This run learned colour photos, which have 8 bits a channel.",
                "Save the picture with 8 bits.",
            )
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return pixels


def _present(path: Path, kind: str) -> Path:
    if not path.is_file():
        raise UserError(
            f"There is no {kind} at {path}.", f"A {kind} is a file, or a folder of them.", "Check the path."
        )
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _size(picture: Picture) -> str:
    return f"{picture.pixels.shape[1]}x{picture.pixels.shape[0]} px with {picture.bit_depth} bits"
