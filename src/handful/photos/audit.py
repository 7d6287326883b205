"""Audits a folder of photos: what each one is, which are copies, and what is odd about the set."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

from handful.core.artifacts import Photo, PhotoAudit, Size, Unreadable
from handful.core.config import fingerprint
from handful.core.decode import (
    EXTENSIONS,
    DecodedPhoto,
    UnreadablePhoto,
    check_bit_depth,
    decode_photo,
    keep_out_of_photos,
)
from handful.core.errors import UserError
from handful.core.images import Floats, integers_to_unit, pixels_sha256, unit_to_grey
from handful.core.likeness import groups, residuals, thumbnail
from handful.core.provenance import generated_among
from handful.photos.findings import set_warnings
from handful.photos.layouts import list_photos
from handful.photos.measure import measure

_REASONS_SHOWN = 5


def audit_photos(
    folder: Path, out: Path | None = None, bit_depth: int | None = None, layout: str | None = None
) -> PhotoAudit:
    """Reads every photo below a folder and says what is in it. Masks of labelled photos are no photos.

    Args:
        folder: the photo folder; never written to.
        out: where photos.json goes, outside `folder`; None writes nothing.
        bit_depth: the camera's bit depth, 8 to 16, for all photos; None goes by what each file states.
        layout: of the labels, as `layouts.read_labels` takes it.

    Raises:
        UserError: no such folder, no photo in it, none readable, `out` within it, a wrong bit depth, or labels in two
            layouts.
    """
    check_bit_depth(bit_depth)
    files = list_photos(folder, layout)
    if out is not None:
        keep_out_of_photos(out, folder)
    if not files:
        raise _no_photo_files(folder)
    photos: list[Photo] = []
    unreadable: list[Unreadable] = []
    thumbnails: list[Floats] = []
    likely_depths: list[int | None] = []
    first_names: dict[str, str] = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            _check_name(name)
            decoded = decode_photo(path, bit_depth)
        except UnreadablePhoto as error:
            printable = os.fsencode(name).decode("utf-8", "replace")
            unreadable.append(Unreadable(name=printable, reason=error.reason))
            continue
        photo, small = _audit_one(name, path, decoded, first_names)
        photos.append(photo)
        thumbnails.append(small)
        likely_depths.append(decoded.likely_bit_depth)
    if not photos:
        raise _none_readable(folder, unreadable)
    numbers = groups(residuals(thumbnails))
    photos = [photo.model_copy(update={"group": number}) for photo, number in zip(photos, numbers, strict=True)]
    drawn = generated_among(folder, (photo.name for photo in photos))
    audit = PhotoAudit(
        folder=str(folder.resolve()),
        stated_bit_depth=bit_depth,
        photos=tuple(photos),
        unreadable=tuple(unreadable),
        warnings=tuple(set_warnings(photos, unreadable, likely_depths, drawn)),
        fingerprint=fingerprint([bit_depth, [[photo.name, photo.file_sha256] for photo in photos]]),
    )
    if out is not None:
        audit.write(out)
    return audit


def audit_rows(audit: PhotoAudit) -> list[tuple[str, ...]]:
    """The readable photos as a table of plain text: a header row, then a row for each."""
    rows: list[tuple[str, ...]] = [
        ("photo", "size", "channels", "bits", "format", "sharpness", "mean", "dark %", "bright %", "group", "notes")
    ]
    for photo in audit.photos:
        notes = photo.notes if photo.duplicate_of is None else (f"Copy of {photo.duplicate_of}.", *photo.notes)
        rows.append(
            (
                photo.name,
                str(photo.size),
                "grey" if photo.channels == 1 else "rgb",
                str(photo.bit_depth),
                photo.format,
                f"{photo.sharpness:.1f}",
                f"{photo.mean:.2f}",
                f"{100 * photo.dark_share:.1f}",
                f"{100 * photo.bright_share:.1f}",
                str(photo.group),
                " ".join(notes),
            )
        )
    return rows


def _audit_one(name: str, path: Path, decoded: DecodedPhoto, first_names: dict[str, str]) -> tuple[Photo, Floats]:
    """One photo's entry (its group still to come) and its thumbnail; `first_names` grows: pixel hash -> name."""
    image = integers_to_unit(decoded.pixels, decoded.bit_depth)
    grey = unit_to_grey(image)
    measures = measure(image, grey)
    pixels_hash = pixels_sha256(decoded.pixels)
    first = first_names.setdefault(pixels_hash, name)
    photo = Photo(
        name=name,
        file_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        pixels_sha256=pixels_hash,
        size=Size(width=image.shape[2], height=image.shape[1]),
        channels=1 if image.shape[0] == 1 else 3,
        bit_depth=decoded.bit_depth,
        format=decoded.format,
        sharpness=measures.sharpness,
        mean=measures.mean,
        dark_share=measures.dark_share,
        bright_share=measures.bright_share,
        duplicate_of=None if first == name else first,
        group=0,
        notes=decoded.notes,
    )
    return photo, thumbnail(grey)


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UnreadablePhoto("its name is not valid UTF-8: rename the file") from None


def _no_photo_files(folder: Path) -> UserError:
    others = Counter(path.suffix.lower() or "no extension" for path in folder.rglob("*") if path.is_file())
    held = ", ".join(f"{count} x {kind}" for kind, count in others.most_common(_REASONS_SHOWN))
    return UserError(
        f"{folder} holds no photos ({held})." if held else f"{folder} is empty.",
        f"Photos are files named {', '.join(EXTENSIONS)}, at least one, and not hidden.",
        "Give the folder in which the photos lie, or save them as PNG.",
    )


def _none_readable(folder: Path, unreadable: list[Unreadable]) -> UserError:
    reasons = "; ".join(f"{entry.name}: {entry.reason}" for entry in unreadable[:_REASONS_SHOWN])
    more = f"; and {len(unreadable) - _REASONS_SHOWN} more" if len(unreadable) > _REASONS_SHOWN else ""
    return UserError(
        f"None of the {len(unreadable)} photo file(s) in {folder} can be read: {reasons}{more}.",
        "At least one readable PNG, JPEG, BMP or TIFF photo is needed.",
        "Copy the photos again from the camera, or save them as PNG.",
    )
