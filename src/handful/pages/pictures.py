"""Pictures inside the page: every image at one scale, as a data address, all together below a limit of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from handful.core.errors import UserError
from handful.core.images import Integers, integers_to_unit, read_png, resize, unit_to_integers

LIMIT_BYTES = 3_000_000
"""Of all encoded pictures together; base64 adds a third, so that the page stays below 6 MB."""
_SIDES_PX = (384, 256, 192, 128, 96, 64)
_LOSSLESS_SIDE_PX = 96
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class Picture:
    """An image as the page shows it."""

    address: str
    """data:image/...;base64,..."""
    width: int
    height: int


def encode_pictures(files: Iterable[tuple[Path, int]], limit_bytes: int = LIMIT_BYTES) -> dict[Path, Picture]:
    """Encodes stored images for the page.

    All are shrunk by the same rule, to the largest side of 384 ... 64 px with which they fit below the limit;
    none is enlarged. A file that is missing or unreadable is left out.

    Args:
        files: (PNG file, its bit depth).
        limit_bytes: for all together, before base64.
    """
    images = {path: pixels for path, depth in dict(files).items() if (pixels := _read(path, depth)) is not None}
    encoded: dict[Path, tuple[bytes, str, int, int]] = {}
    for side in _SIDES_PX:
        encoded = {path: _encode(pixels, side) for path, pixels in images.items()}
        if sum(len(content) for content, *_ in encoded.values()) <= limit_bytes:
            break
    return {
        path: Picture(f"data:image/{kind};base64,{base64.b64encode(content).decode()}", width, height)
        for path, (content, kind, width, height) in encoded.items()
    }


def _read(path: Path, bit_depth: int) -> Integers | None:
    """The image at 8 bit, at most as large as the page will ever show it."""
    try:
        return _shrink(read_png(path), bit_depth, _SIDES_PX[0])
    except UserError:
        return None


def _shrink(pixels: Integers, bit_depth: int, side_px: int) -> Integers:
    height, width = pixels.shape[:2]
    scale = min(1.0, side_px / max(width, height))
    unit = integers_to_unit(pixels, bit_depth)
    small = resize(unit, max(1, round(width * scale)), max(1, round(height * scale)), "lanczos")
    return unit_to_integers(small, 8)


def _encode(pixels: Integers, side_px: int) -> tuple[bytes, str, int, int]:
    small = _shrink(pixels, 8, side_px)
    height, width = small.shape[:2]
    picture = Image.fromarray(np.ascontiguousarray(small.astype(np.uint8)))
    out = io.BytesIO()
    if max(width, height) <= _LOSSLESS_SIDE_PX:
        picture.save(out, "PNG", optimize=True)
        return out.getvalue(), "png", width, height
    picture.save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return out.getvalue(), "jpeg", width, height
