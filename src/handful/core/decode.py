"""Photo files to integers: one decoder for every stage that opens a user's file.

A photo comes out upright (EXIF rotation applied) as integers (h, w) or (h, w, 3) with the values of the file.
Grey keeps the camera's depth; colour is 8 bit. The bit depth is, in this order: what the user states; what
the file states (PNG sBIT chunk, TIFF BitsPerSample); the depth of the container.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from handful.core.containers import LARGEST_PIXELS, RawPhoto, UnreadablePhoto, read_container
from handful.core.errors import UserError
from handful.core.images import Integers

__all__ = [
    "DEPTHS", "EXTENSIONS", "LARGEST_PIXELS", "DecodedPhoto", "UnreadablePhoto", "check_bit_depth", "decode_photo",
    "keep_out_of_photos", "list_photo_files", "natural_order",
]  # fmt: skip

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
DEPTHS = range(8, 17)
"""Bit depths that a user may state."""


@dataclass(frozen=True)
class DecodedPhoto:
    """A photo's pixels and what its file said about them."""

    pixels: Integers
    """(h, w) grey or (h, w, 3) colour, upright, values 0 ... 2**bit_depth - 1."""
    bit_depth: int
    """Grey 8 to 16; colour always 8."""
    format: str
    """File format and pixel format, for example 'PNG I;16'."""
    notes: tuple[str, ...]
    """What was changed, assumed or left out on the way, each one sentence."""
    likely_bit_depth: int | None = None
    """10 or 12 where a 16-bit file that states no depth holds no larger value."""


def list_photo_files(folder: Path) -> list[Path]:
    """Photo files below `folder` in natural order (img2 before img10), told by their extension.

    Hidden files and folders are left out; links to folders are not followed.

    Raises:
        UserError: there is no such folder, it is a file, or a folder may not be opened.
    """
    if not folder.exists():
        raise UserError(
            f"There is no folder {folder}.", "Photos lie in a folder of their own.", "Check the path to the photos."
        )
    if not folder.is_dir():
        raise UserError(
            f"{folder} is a file, not a folder.",
            "Photos lie in a folder of their own, one photo or more.",
            f"Give the folder, perhaps {folder.parent}.",
        )
    found = []
    for parent, folders, files in os.walk(folder, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in EXTENSIONS and path.is_file():
                found.append(path)
    return sorted(found, key=lambda path: natural_order(path.relative_to(folder).as_posix()))


def _refuse_folder(error: OSError) -> NoReturn:
    raise UserError(
        f"The folder {error.filename} cannot be opened: {error.strerror}.",
        "Every folder below the photo folder must be readable, or hidden (its name begins with a dot).",
        "Give yourself the right to read it, or give a folder of photos only.",
    )


def keep_out_of_photos(out: Path, photos: Path) -> None:
    """Refuses to write into the user's photo folder.

    Raises:
        UserError: `out` is the photo folder or lies within it.
    """
    if out.resolve().is_relative_to(photos.resolve()):
        raise UserError(
            f"The output folder {out} lies in the photo folder {photos}.",
            "Nothing is ever written to a photo folder.",
            "Give a folder outside it with --out.",
        )


def natural_order(name: str) -> tuple[list[list[str | int]], str]:
    """Sort key that reads digits as numbers and ignores case; the name itself breaks ties."""
    parts = [re.split(r"(\d+)", part.casefold()) for part in name.split("/")]
    return [[int(text) if index % 2 else text for index, text in enumerate(part)] for part in parts], name


def check_bit_depth(bit_depth: int | None) -> None:
    """Refuses a bit depth that no photo can have.

    Raises:
        UserError: it is not within 8 ... 16.
    """
    if bit_depth is not None and bit_depth not in DEPTHS:
        raise UserError(
            f"The stated bit depth is {bit_depth}.",
            f"A camera's bit depth is {DEPTHS.start} to {DEPTHS.stop - 1}.",
            "Give --bit-depth the camera's depth, for example 12, or leave it out to go by the files.",
        )


def decode_photo(path: Path, bit_depth: int | None = None) -> DecodedPhoto:
    """Reads one photo file.

    Args:
        path: a PNG, JPEG, BMP or TIFF file.
        bit_depth: the camera's bit depth, 8 to 16; None goes by what the file states.

    Raises:
        UnreadablePhoto: the file is damaged, unsupported or too large.
        UserError: the stated depth is impossible, above what the file can hold, or below a value in it.
    """
    check_bit_depth(bit_depth)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadablePhoto(f"the file cannot be opened: {error.strerror or error}") from None
    raw = read_container(content)
    pixels = raw.pixels
    if pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:]).all():
        pixels = pixels[..., 0]
    notes = list(raw.notes)
    likely = None
    if raw.high_byte_only:
        depth = 8
        likely = _check_high_byte(int(pixels.max()), bit_depth, raw)
        notes.append("Of 16 bits a channel the upper 8 are kept.")
    else:
        stated = raw.stated_depth
        if stated is not None and int(pixels.max()) >= 2**stated:
            # The PNG standard scales samples up to the container and lets sBIT say how many bits mean something.
            pixels = pixels >> (raw.container_depth - stated)
            notes.append(f"The {stated} bits that the file states were scaled up to 16; they are scaled back.")
        depth = bit_depth or stated or raw.container_depth
        _check_stated(path.name, int(pixels.max()), depth, raw.container_depth)
        if raw.container_depth == 16 and bit_depth is None and stated is None:
            likely = _likely_depth(int(pixels.max()))
        if pixels.ndim == 3 and depth > 8:
            top = 2**depth - 1
            pixels = (pixels.astype(np.uint32) * 255 + top // 2) // top
            notes.append(f"Colour of {depth} bits a channel was reduced to 8.")
            depth = 8
    if likely is not None:
        notes.append(
            f"No value is above {2**likely - 1} in a 16-bit file: if the camera has {likely} bits, "
            f"state --bit-depth {likely}."
        )
    pixels = np.ascontiguousarray(pixels.astype(np.uint8 if depth <= 8 else np.uint16))
    return DecodedPhoto(pixels, depth, raw.format, tuple(notes), likely)


def _check_stated(name: str, largest: int, depth: int, container_depth: int) -> None:
    """Refuses a stated depth that the file contradicts."""
    if depth > container_depth:
        raise UserError(
            f"The stated bit depth is {depth}, and {name} holds {container_depth} bits.",
            f"For this file --bit-depth may be at most {container_depth}.",
            "Leave --bit-depth out, or save the photos at the camera's full depth (PNG or TIFF, 16 bit).",
        )
    if largest >= 2**depth:
        raise UserError(
            f"{name} has a pixel of value {largest}, and the stated bit depth is {depth}.",
            f"At {depth} bit the largest value is {2**depth - 1}.",
            "State the camera's true depth with --bit-depth, or leave it out to go by the files.",
        )


def _check_high_byte(largest: int, bit_depth: int | None, raw: RawPhoto) -> int | None:
    """Refuses a file whose upper bytes cannot hold its picture; else returns the likely depth as `_likely_depth`.

    Args:
        largest: the largest upper byte.
    """
    depth = bit_depth or raw.stated_depth or 16
    if depth < 16 and (bit_depth is not None or largest < 2 ** (depth - 8)):
        raise UnreadablePhoto(
            f"of a {raw.format} file with 16 bits a channel only the upper 8 bits can be read, which loses a "
            f"{depth}-bit picture: save it as an uncompressed TIFF, or as 8-bit colour"
        )
    return _likely_depth(largest * 256 + 255) if depth == 16 and raw.stated_depth is None else None


def _likely_depth(largest: int) -> int | None:
    return next((depth for depth in (10, 12) if largest < 2**depth), None)
