"""Photos with their masks and heights, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from handful.core.decode import EXTENSIONS, UnreadablePhoto, decode_photo, list_photo_files
from handful.core.errors import UserError
from handful.core.images import Integers
from handful.light.camera import Camera, expose, linearise


@dataclass(frozen=True)
class PhotoFile:
    """One photo as read."""

    name: str
    path: Path
    codes: Integers
    camera: Camera
    mask: Path | None
    height: Path | None

    def planes(self) -> tuple[Tensor, Tensor]:
        """Linear light (c, h, w) float64 and saturated pixels (1, h, w)."""
        codes = torch.from_numpy(self.codes.astype("int32"))
        codes = codes[None] if codes.ndim == 2 else codes.permute(2, 0, 1)
        return linearise(codes, self.camera, torch.float64), (codes >= self.camera.top_code).any(0, keepdim=True)

    def integers(self, linear: Tensor) -> Integers:
        """Linear light as codes of the same camera, in the shape and type of the photo."""
        codes = expose(linear, self.camera).numpy().astype(self.codes.dtype)
        return codes[0] if self.codes.ndim == 2 else codes.transpose(1, 2, 0)


def read_photos(
    source: Path, masks: Path | None, heights: Path | None, gamma: float | None = None, bit_depth: int | None = None
) -> tuple[list[PhotoFile], list[str]]:
    """The readable photos of a file or folder, and the others with their reasons.

    Args:
        source: a photo or a folder of photos.
        masks: the mask, or a folder in which NAME or NAME_mask is that of a photo.
        heights: likewise.
        gamma: of the camera; None: 2.2 for 8 bit, 1 for more.
        bit_depth: of the camera; None goes by the files.

    Raises:
        UserError: no readable photo, or one without its mask or height.
    """
    folder, files = (source.parent, [source]) if source.is_file() else (source, list_photo_files(source))
    photos, unreadable = [], []
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            decoded = decode_photo(path, bit_depth)
        except UnreadablePhoto as error:
            unreadable.append(f"{name}: {error.reason}")
            continue
        own_gamma = gamma or (2.2 if decoded.bit_depth <= 8 else 1.0)
        camera = Camera(gamma=own_gamma, bit_depth=decoded.bit_depth)
        mask = _companion("mask", masks, name, EXTENSIONS)
        height = _companion("height", heights, name, (".npy", *EXTENSIONS))
        photos.append(PhotoFile(name, path, decoded.pixels, camera, mask, height))
    if not photos:
        raise UserError(
            f"{source} holds no readable photo{': ' + unreadable[0] if unreadable else ''}.",
            f"At least one of {', '.join(EXTENSIONS)} is needed.",
            "Run `handful photos` on the folder: it says what is wrong with each.",
        )
    return photos, unreadable


def _companion(kind: str, given: Path | None, name: str, extensions: tuple[str, ...]) -> Path | None:
    """The mask or height file that belongs to a photo: the file given, or NAME or NAME_mask in the folder given."""
    if given is None or given.is_file():
        return given
    base = given / name
    candidates = [base.with_name(f"{base.stem}{tail}{end}") for tail in ("", f"_{kind}") for end in extensions]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise UserError(
            f"{given} holds no {kind} of {name}.",
            f"Every photo needs one: {candidates[0].name} or {base.stem}_{kind} with one of {', '.join(extensions)}.",
            f"Add it, or leave --{kind} out.",
        )
    return found


def read_mask(path: Path) -> Tensor:
    """(h, w) bool: above 0 in any channel."""
    try:
        pixels = decode_photo(path).pixels
    except UnreadablePhoto as error:
        raise UserError(
            f"The mask {path} cannot be read: {error.reason}.",
            "A mask is a picture of the photo's size, above 0 on the bead.",
            "Give another --mask.",
        ) from None
    return torch.from_numpy(pixels.astype("int32") if pixels.ndim == 2 else pixels.max(axis=2).astype("int32")) > 0
