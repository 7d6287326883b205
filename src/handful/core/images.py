"""The image convention and its conversions.

At every inner border an image is float32 (c, h, w), a batch (n, c, h, w), in [-1, 1], with one or three
channels. On disk it is integers (h, w) or (h, w, 3) at the camera's bit depth: 0 ... 2**bit_depth - 1.
Only this module converts between the two.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from handful.core.errors import UserError

Integers = npt.NDArray[np.unsignedinteger[Any]]
Floats = npt.NDArray[np.float32]
Filter = Literal["box", "bilinear", "bicubic", "lanczos"]

_PILLOW_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def integers_to_unit(pixels: Integers, bit_depth: int) -> Floats:
    """Integers (h, w) or (h, w, 3) in 0 ... 2**bit_depth - 1 -> float32 (c, h, w) in [-1, 1].

    Raises:
        UserError: a value above 2**bit_depth - 1.
    """
    top = 2**bit_depth - 1
    if pixels.size and int(pixels.max()) > top:
        raise UserError(
            f"A pixel has the value {int(pixels.max())}.",
            f"At {bit_depth} bit the largest value is {top}.",
            "State the camera's bit depth with --bit-depth.",
        )
    unit = pixels.astype(np.float32) * np.float32(2 / top) - np.float32(1)
    return np.ascontiguousarray(unit[None] if unit.ndim == 2 else unit.transpose(2, 0, 1))


def unit_to_integers(image: npt.NDArray[Any], bit_depth: int) -> Integers:
    """float (c, h, w) in [-1, 1] -> integers (h, w) or (h, w, 3); values outside are clipped, .5 rounds to even."""
    top = 2**bit_depth - 1
    scaled = np.rint((np.clip(image.astype(np.float64), -1, 1) + 1) * (top / 2))
    pixels = scaled.astype(np.uint8 if bit_depth <= 8 else np.uint16)
    return pixels[0] if pixels.shape[0] == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))


def resize(image: Floats, width: int, height: int, kind: Filter) -> Floats:
    """Antialiased resize of (c, h, w) by Pillow's filter of that name, in float32 (no rounding on the way).

    The bicubic and Lanczos kernels overshoot at edges; the result is clipped to [-1, 1].
    """
    if image.shape[1:] == (height, width):
        return image
    planes = [
        np.asarray(Image.fromarray(plane, mode="F").resize((width, height), _PILLOW_FILTERS[kind])) for plane in image
    ]
    resized: Floats = np.clip(np.stack(planes), -1, 1)
    return resized


def unit_to_grey(image: Floats) -> Floats:
    """(c, h, w) with one or three channels -> (1, h, w): the luma of ITU-R BT.601 of R, G, B."""
    if image.shape[0] == 1:
        return image
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    grey: Floats = np.tensordot(weights, image, axes=1)[None]
    return np.clip(grey, -1, 1)


def pixels_sha256(pixels: Integers) -> str:
    """SHA-256 of the pixels themselves (size, channels, values), whatever file they came from."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).astype("<u2").tobytes())
    return digest.hexdigest()


def png_bytes(pixels: Integers, bit_depth: int, texts: Mapping[str, str] | None = None, xmp: str = "") -> bytes:
    """A PNG file: 8 bit per channel up to bit_depth 8, else 16 bit grey with the true depth in its sBIT chunk.

    Args:
        pixels: integers (h, w), or (h, w, 3) with bit_depth 8.
        bit_depth: 1 to 16.
        texts: keyword -> text, stored as PNG text chunks.
        xmp: an XMP packet, stored where readers of IPTC metadata look for it.
    """
    info = PngImagePlugin.PngInfo()
    if bit_depth > 8:
        info.add(b"sBIT", bytes([bit_depth]))
    for keyword, text in (texts or {}).items():
        info.add_text(keyword, text)
    if xmp:
        info.add_itxt("XML:com.adobe.xmp", xmp)
    wanted = np.uint8 if bit_depth <= 8 else np.uint16
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.astype(wanted))).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def read_png(path: Path) -> Integers:
    """A PNG that Handful wrote, as integers (h, w) or (h, w, 3).

    Raises:
        UserError: the file is missing, damaged, or of another kind.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            if picture.mode not in ("L", "RGB", "I;16"):
                raise ValueError(f"pixel format {picture.mode}")
            return np.asarray(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(
            f"{path} cannot be read: {error}.",
            "A stored image is a grey or RGB PNG as Handful wrote it.",
            "Remove the file and run the stage that made it again.",
        ) from None


def read_unit_images(folder: Path, files: Sequence[str], bit_depth: int) -> Floats:
    """Stored images of one size as a batch, float32 (n, c, h, w) in [-1, 1].

    Args:
        folder: the folder that the names in `files` are relative to.
        files: at least one.
        bit_depth: of all of them, as their manifest states.

    Raises:
        UserError: a file is missing, damaged, above the bit depth, or differs from the first in size or channels.
    """
    images: list[Floats] = []
    for file in files:
        image = integers_to_unit(read_png(folder / file), bit_depth)
        if images and image.shape != images[0].shape:
            raise UserError(
                f"{folder / file} is {_shape_text(image)}, and {files[0]} is {_shape_text(images[0])}.",
                "All images of a set have one size and one number of channels.",
                "Remove the file and run the stage that made it again.",
            )
        images.append(image)
    return np.stack(images)


def _shape_text(image: Floats) -> str:
    channels, height, width = image.shape
    return f"{width}x{height} px with {channels} channel(s)"
