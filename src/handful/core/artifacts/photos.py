"""What the audit finds in a folder of photos."""

from __future__ import annotations

from typing import ClassVar, Literal

from handful.core.artifacts.manifest import Artifact, Size
from handful.core.config import Settings


class Photo(Settings):
    """One readable photo and what the audit found."""

    name: str
    """Path relative to the photo folder, forward slashes."""
    file_sha256: str
    pixels_sha256: str
    """Of the decoded, upright pixels: equal for two files with the same picture."""
    size: Size
    """Upright: after the EXIF rotation."""
    channels: Literal[1, 3]
    """1 also where a colour file holds three equal channels."""
    bit_depth: int
    """Stated depth: pixel values lie in 0 ... 2**bit_depth - 1."""
    format: str
    """File format and pixel format, for example 'PNG I;16'."""
    sharpness: float
    """Standard deviation of the Laplacian at 256 px long side, in grey levels of 255."""
    mean: float
    """Mean grey value, 0 to 1."""
    dark_share: float
    """Share of pixels at or below 1/255 of the range: underexposed."""
    bright_share: float
    """Share of pixels at the top of the range: overexposed."""
    duplicate_of: str | None = None
    """Name of the first photo with exactly the same pixels."""
    group: int
    """Photos with the same number are near-duplicates of each other."""
    notes: tuple[str, ...] = ()


class Unreadable(Settings):
    """A file that looks like a photo but cannot be read, and why."""

    name: str
    reason: str


class PhotoAudit(Artifact):
    """What a folder of photos holds."""

    file_name: ClassVar[str] = "photos.json"
    stage: ClassVar[str] = "photos"

    folder: str
    """The photo folder, absolute."""
    stated_bit_depth: int | None = None
    """What the user stated for all photos; None went by the files."""
    photos: tuple[Photo, ...]
    unreadable: tuple[Unreadable, ...]
    warnings: tuple[str, ...]
    """Findings about the set as a whole, each one sentence."""
    fingerprint: str
    """Over the names and file hashes and the stated depth: changes when any photo changes."""
