"""The bytes of a PNG, JPEG, BMP or TIFF file -> its raw pixels and what its header states.

Pillow reads everything but integers of more than 8 bits in a TIFF: those it cuts to 8 bits in colour, so
tifffile reads them. No pixel value is scaled here.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageFile, UnidentifiedImageError

LARGEST_PIXELS = 89_478_485
"""Larger photos are refused as decompression bombs; the limit at which Pillow starts to warn."""

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
_ORIENTATION = 274  # the tag's number in EXIF and in TIFF
_SAMPLE_KINDS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_DEEP_PHOTOMETRICS = (
    tifffile.PHOTOMETRIC.MINISWHITE,
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.RGB,
)
_SAVE_AS = "save it as grey or RGB of 8-bit or 16-bit integers"
# What the readers raise on damaged files; anything else would be a bug and keeps its traceback.
_DAMAGE = (
    OSError, EOFError, ValueError, SyntaxError, struct.error, zlib.error, MemoryError, LookupError, TypeError,
    OverflowError, ZeroDivisionError, NotImplementedError,
)  # fmt: skip


class UnreadablePhoto(Exception):  # noqa: N818 - named for what the user has
    """A file that is named like a photo but cannot be read as one; `reason` says why in plain words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = " ".join(reason.split())


@dataclass(frozen=True)
class RawPhoto:
    """What a file holds, before depth and channels are settled."""

    pixels: npt.NDArray[Any]
    """(h, w) or (h, w, 3), uint8 or uint16, upright."""
    container_depth: int
    """8 or 16; 8 also where the file packs fewer bits."""
    stated_depth: int | None
    """By the PNG's sBIT chunk or the TIFF's BitsPerSample, where below or equal to the container's 16."""
    format: str
    notes: tuple[str, ...]
    high_byte_only: bool = False
    """True where the reader kept only the upper 8 of the file's 16 bits."""


def read_container(content: bytes) -> RawPhoto:
    """Decodes the bytes of one image file.

    Raises:
        UnreadablePhoto: the file is damaged, cut short, unsupported or too large.
    """
    if not content:
        raise UnreadablePhoto("the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings(record=True) as heard, _no_padding():
            warnings.simplefilter("always")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            tiff = content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
            raw = _read_tiff(content) if tiff else _read_by_pillow(content, *_png_depths(content))
    except UnidentifiedImageError:
        raise UnreadablePhoto("it is not a PNG, JPEG, BMP or TIFF image, whatever its name says") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UnreadablePhoto(f"it has more pixels than the limit of {LARGEST_PIXELS / 1e6:.0f} megapixels") from None
    except _DAMAGE as error:
        kind = "cut short" if "truncated" in str(error) or "failed to read" in str(error) else "damaged or unsupported"
        raise UnreadablePhoto(f"the file is {kind}: {str(error) or type(error).__name__}") from None
    said = tuple(f"The reader warned: {' '.join(str(warning.message).split())}" for warning in heard)
    return replace(raw, notes=raw.notes + said)


@contextmanager
def _no_padding() -> Iterator[None]:
    """Pillow refuses cut files within, even where the calling program asked it to fill the rest with grey."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _check_size(width: int, height: int) -> None:
    if width * height > LARGEST_PIXELS:
        raise UnreadablePhoto(
            f"it is {width}x{height} px, {width * height / 1e6:.0f} megapixels; the limit is "
            f"{LARGEST_PIXELS / 1e6:.0f} megapixels"
        )


def _png_depths(content: bytes) -> tuple[int, int | None]:
    """Container depth and stated depth of a PNG; (8, None) for any other file."""
    depth, stated, position = 8, None, 8
    while content.startswith(b"\x89PNG\r\n\x1a\n") and position + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        body = content[position + 8 : position + 8 + length]
        if name == b"IHDR" and len(body) == 13:
            depth = 16 if body[8] == 16 else 8  # Pillow widens 1, 2 and 4 bits to 8
        if name == b"sBIT" and body and depth == 16 and 8 <= max(body) <= 16:
            stated = max(body)
        if name in (b"IDAT", b"IEND"):
            break
        position += length + 12
    return depth, stated


def _read_by_pillow(content: bytes, depth: int, stated: int | None) -> RawPhoto:
    """Decodes with Pillow; `depth` (8 or 16) and `stated` come from the file's header."""
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        _check_size(*picture.size)
        name = f"{picture.format} {picture.mode}"
        pages = getattr(picture, "n_frames", 1)
        picture.load()
        orientation = picture.getexif().get(_ORIENTATION, 1)  # after load: there Pillow turns TIFF itself
        pixels, notes = _channels(picture)
    high_byte_only = depth == 16 and pixels.dtype == np.uint8
    return RawPhoto(_upright(pixels, orientation), depth, stated, name, notes + _page_note(pages), high_byte_only)


def _page_note(pages: int) -> tuple[str, ...]:
    return (f"The file holds {pages} pictures; the first is used.",) if pages > 1 else ()


def _channels(picture: Image.Image) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Grey (h, w) or colour (h, w, 3) of a loaded picture, and notes on what was left out."""
    notes: tuple[str, ...] = ()
    if picture.mode.startswith("I"):  # 16-bit grey: Pillow would clip it at 255 on conversion
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadablePhoto(f"its values do not fit 16 bits: {_SAVE_AS}")
        return values.astype(np.uint16), notes
    if picture.mode == "1":
        notes = ("Black and white of 1 bit is read as 0 and 255.",)
        picture = picture.convert("L")
    elif picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    elif picture.mode in ("CMYK", "YCbCr"):
        if picture.mode == "CMYK":
            notes = ("CMYK was converted to RGB without a colour profile.",)
        picture = picture.convert("RGB")
    elif picture.mode in ("L", "RGB") and "transparency" in picture.info:
        notes = ("A colour that the file marks as transparent is kept.",)
    if picture.mode in ("LA", "RGBA"):
        return _without_alpha(np.asarray(picture), 255)
    if picture.mode not in ("L", "RGB"):
        raise UnreadablePhoto(f"the pixel format {picture.mode} is not supported: {_SAVE_AS}")
    return np.asarray(picture), notes


def _without_alpha(values: npt.NDArray[Any], opaque: int) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """(h, w, 2) or (h, w, 4) without its last channel, noted where that said anything."""
    seen = bool((values[..., -1] != opaque).any())
    notes = ("Transparency was dropped; the values below it are kept.",) if seen else ()
    return (values[..., 0] if values.shape[-1] == 2 else values[..., :-1]), notes


def _read_tiff(content: bytes) -> RawPhoto:
    """Decodes a TIFF: up to 8 bits with Pillow; deeper ones with tifffile, which keeps all bits of colour."""
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        page = tiff.pages.first
        _check_size(page.imagewidth, page.imagelength)
        bits, photometric = page.bitspersample, page.photometric
        if not isinstance(bits, int) or bits > 16 or page.sampleformat in _SAMPLE_KINDS:
            kind = _SAMPLE_KINDS.get(page.sampleformat, "integer")
            raise UnreadablePhoto(f"{kind} values of {bits} bits are not supported: {_SAVE_AS}")
        if bits <= 8:
            return _tiff_by_pillow(content, bits, 8, None)
        if photometric not in _DEEP_PHOTOMETRICS:
            kind = getattr(photometric, "name", str(photometric))
            raise UnreadablePhoto(f"{bits}-bit pixels of the kind {kind} are not supported: {_SAVE_AS}")
        stated = bits if bits < 16 else None
        try:
            pixels, notes = _tiff_channels(page.asarray(), page.axes, 2**bits - 1)
        except (ValueError, NotImplementedError) as error:
            if "imagecodecs" not in str(error):
                raise
            raw = _tiff_by_pillow(content, bits, 16, stated)  # Pillow undoes LZW and 12-bit grey
        else:
            orientation = page.tags.get(_ORIENTATION)
            pixels = _upright(pixels, orientation.value if orientation else 1)
            name = f"TIFF {'RGB' if pixels.ndim == 3 else 'I'};{bits}"
            raw = RawPhoto(pixels, 16, stated, name, notes + _page_note(len(tiff.pages)))
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE and not raw.high_byte_only:
        raw = replace(raw, pixels=2**bits - 1 - raw.pixels)
    return raw


def _tiff_by_pillow(content: bytes, bits: int, depth: int, stated: int | None) -> RawPhoto:
    try:
        return _read_by_pillow(content, depth, stated)
    except UnidentifiedImageError:
        raise UnreadablePhoto(f"this packing of {bits} bits is not supported: {_SAVE_AS}, uncompressed") from None


def _tiff_channels(values: npt.NDArray[Any], axes: str, opaque: int) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Grey (h, w) or colour (h, w, 3) from a page's array; `axes` has Y, X and, for several channels, S."""
    if set(axes) - set("YXS"):
        raise UnreadablePhoto(f"a picture with the axes {axes} is not supported: {_SAVE_AS}")
    if axes.startswith("S"):  # planes one after another
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 2 or values.shape[-1] == 3:
        return values, ()
    if values.shape[-1] in (2, 4):  # one sample more than grey or RGB: transparency
        return _without_alpha(values, opaque)
    raise UnreadablePhoto(f"{values.shape[-1]} channels are not supported: {_SAVE_AS}")


def _upright(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Applies an EXIF orientation (1 to 8; EXIF 2.3, section 4.6.4): how rows and columns lie in the file."""
    if orientation in (5, 6, 7, 8):  # rows and columns are exchanged
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
