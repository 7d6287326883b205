"""Passports of samples on disk: a picture for each, and one legend that says which photo each number is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from handful.core.artifacts import PASSPORTS, PassportLegend, RunManifest, SamplePassport, SampleRow
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, png_bytes, unit_to_integers
from handful.core.workspace import write_atomically
from handful.generators.base import Passport


def write_legend(out: Path, photos: Iterable[Tensor], trained: RunManifest) -> None:
    """Names the photos that passports count by the hash of their pixels.

    Args:
        photos: each (c, h, w) in [-1, 1], in the order that passports count.

    Raises:
        UserError: one of them is not a training photo of the run.
    """
    hashes = tuple(pixels_sha256(unit_to_integers(photo.cpu().numpy(), trained.bit_depth)) for photo in photos)
    if trained.training_pixels and (foreign := set(hashes) - set(trained.training_pixels)):
        raise UserError(
            f"{trained.run_id} would draw on {len(foreign)} picture(s) that are no training photos of it, for example "
            f"{sorted(foreign)[0][:12]}.",
            f"Its samples may draw on its {len(trained.training_pixels)} training photos.",
            "Train it again: its checkpoint is not that of its manifest.",
        )
    PassportLegend(photos=hashes).write(out / PASSPORTS)


def passport_row(seed: int, passport: Passport) -> SamplePassport:
    """What the row of a sample says of its passport."""
    return SamplePassport(
        file=f"{PASSPORTS}/{seed:06d}.png",
        drew_on=passport.drew_on,
        novelty=round(passport.novelty, 4),
        largest_region=round(passport.largest_region, 4),
        most_used_photo=passport.most_used_photo,
        most_used_share=round(passport.most_used_share, 4),
    )


def write_passport(out: Path, passport: Passport, row: SampleRow) -> None:
    """Writes the picture of the sources; what rebuilding takes beyond it is a PNG text."""
    assert row.passport is not None  # the caller wrote it a moment ago
    depth = 8 if passport.picture.dtype.itemsize == 1 else 16
    texts = {"handful passport of": row.file, "handful passport": json.dumps(passport.facts, separators=(",", ":"))}
    write_atomically(out / row.passport.file, png_bytes(passport.picture, depth, texts))
