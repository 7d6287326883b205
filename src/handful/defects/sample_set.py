"""Writes a set of samples with defects placed on photos: images, masks, rows and manifest, as `handful sample` does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handful.core.artifacts import PASSPORTS, SAMPLE_ROWS, PassportLegend, SampleManifest, SampleRow
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, png_bytes
from handful.core.labels import Mask
from handful.core.progress import Listener, ignore
from handful.core.provenance import SourceType, generated_texts, generated_xmp
from handful.core.sample_rows import append_rows, is_intact, read_unfinished_rows, write_rows
from handful.core.workspace import hold_folder, sweep_temporaries, write_atomically
from handful.defects.place import DefectMaker, PlacedSample, place_defects
from handful.defects.settings import PlacementSettings
from handful.defects.sources import SourcePhoto, Sources

MASKS = "masks"
_VERSION = 2  # raise when the same seed gives another picture


@dataclass(frozen=True)
class DefectSet:
    """Everything that decides the pixels of a set, and what it is called."""

    generator: str
    """'defect_library' or 'defect_drawn'."""
    source_type: SourceType
    sources: Sources
    maker: DefectMaker
    settings: PlacementSettings
    spots: Mask | None
    library_fingerprint: str
    donors: tuple[SourcePhoto, ...]
    """Photos that defects were cut from."""

    def controls(self) -> dict[str, Any]:
        """Settings that are no default; the mask of spots by its pixels."""
        values = self.settings.model_dump(mode="json", exclude_defaults=True)
        if self.spots is not None:
            values["spots"] = f"pixels:{pixels_sha256(self.spots.astype(np.uint8))}"
        return values

    def state(self) -> str:
        """Stands where a trained run has the hash of its weights: the same state draws the same pixels."""
        goods = [photo.pixels_sha256 for photo in self.sources.good]
        return fingerprint(
            [_VERSION, self.generator, self.maker.kinds, self.library_fingerprint, goods, self.controls()]
        )

    def entered(self) -> dict[str, str]:
        """Pixel hash -> name of every photo that entered."""
        return {photo.pixels_sha256: photo.name for photo in (*self.sources.good, *self.donors)}

    @property
    def run_id(self) -> str:
        """Name of the set, and of its folder."""
        return f"{self.generator}-{self.state()[:8]}"


def write_defect_set(
    plan: DefectSet, out: Path, count: int, first_seed: int = 0, listener: Listener = ignore
) -> tuple[SampleManifest, Counter[str]]:
    """Draws the seeds first_seed ... first_seed + count - 1; seed i gives image i.

    What the folder holds of this very set is kept as far as it is intact; nothing of another set is touched.

    Args:
        plan: what decides the pixels.
        out: folder of this set alone.
        count: images to have in the end, from 1.
        first_seed: of the first image, from 0.
        listener: hears a "drawn" event after each image.

    Returns:
        The manifest, and for the images drawn now the tries that came to nothing, by reason.

    Raises:
        UserError: a count or seed out of range, no place for a defect, a folder that holds anything else, a full disk.
    """
    if count < 1 or first_seed < 0:
        raise UserError(
            f"{count} samples from seed {first_seed} on were asked for.",
            "The least count is 1, the least seed 0.",
            "Give --count a number from 1 and --first-seed one from 0.",
        )
    _check_folder(out, read_unfinished_rows(out), plan)
    busy = UserError(
        f"Another process is drawing into {out}.",
        "One process at a time may write to a set of samples.",
        "Wait until it ends, or give this set another folder.",
    )
    refused: Counter[str] = Counter()
    with hold_folder(out, busy):
        sweep_temporaries(out)
        rows = read_unfinished_rows(out)
        missing = [seed for seed in range(first_seed, first_seed + count) if not is_intact(out, rows.get(seed))]
        finished = SampleManifest.read(out) if (out / SampleManifest.file_name).exists() else None
        if finished is not None and not missing:
            return finished, refused
        started = time.perf_counter() - (finished.seconds if finished is not None else 0.0)
        (out / SampleManifest.file_name).unlink(missing_ok=True)  # from here on the set is unfinished
        write_rows(out, rows)
        entered = plan.entered()
        PassportLegend(photos=tuple(entered), names=tuple(entered.values())).write(out / PASSPORTS)
        for done, seed in enumerate(missing, start=1):
            sample = place_defects(plan.sources, plan.maker, plan.settings, plan.spots, seed)
            refused += sample.refused
            rows[seed] = _write_sample(plan, sample, out)
            words = f"{plan.run_id}: {done:,} of {len(missing):,} samples"
            listener({"event": "drawn", "name": plan.run_id, "progress": done / len(missing), "words": words})
        write_rows(out, rows)
        manifest = SampleManifest(
            run_id=plan.run_id,
            generator=plan.generator,
            anchor=False,
            source_type=plan.source_type,
            seed=0,
            first_seed=min(rows),
            count=len(rows),
            canvas=plan.sources.size,
            channels=plan.sources.channels,
            bit_depth=plan.sources.bit_depth,
            training_fingerprint=fingerprint(sorted(entered)),
            training_pixels=tuple(sorted(entered)),
            weights_sha256=plan.state(),
            controls=plan.controls(),
            kinds=plan.maker.kinds,
            seconds=time.perf_counter() - started,
        )
        manifest.write(out)
    return manifest, refused


def _write_sample(plan: DefectSet, sample: PlacedSample, out: Path) -> SampleRow:
    """Writes a row, then its mask, then its image: so no file lacks its row."""
    photos = fingerprint(sorted(plan.entered()))
    row = SampleRow(
        file=f"{sample.seed:06d}.png",
        seed=sample.seed,
        run_id=plan.run_id,
        photos_fingerprint=photos,
        weights_sha256=plan.state(),
        pixels_sha256=pixels_sha256(sample.pixels),
        source=sample.photo.pixels_sha256,
        controls=plan.controls(),
        label=sample.label,
        mask=f"{MASKS}/{sample.seed:06d}.png",
        placements=sample.placements,
    )
    append_rows(out, [row])
    texts = generated_texts(plan.generator, plan.run_id, sample.seed, plan.source_type, photos)
    kinds = ", ".join(f"{number} {kind}" for number, kind in enumerate(plan.maker.kinds, start=1))
    told = {"Description": f"mask of {row.file} of {plan.run_id}: 0 good, {kinds}", "Software": "Handful"}
    assert row.mask is not None  # set a few lines above
    write_atomically(out / row.mask, png_bytes(sample.mask, 8, told))
    image = png_bytes(sample.pixels, plan.sources.bit_depth, texts, generated_xmp(plan.source_type))
    write_atomically(out / row.file, image)
    return row


def _check_folder(out: Path, rows: dict[int, SampleRow], plan: DefectSet) -> None:
    """Refuses a folder that holds anything but samples of this very set."""
    if not out.exists():
        return
    known = {SampleManifest.file_name, SAMPLE_ROWS, PASSPORTS, MASKS, *(row.file for row in rows.values())}
    entries: Sequence[Path] = sorted(out.iterdir()) if out.is_dir() else [out]
    foreign = [path.name for path in entries if path.name not in known and not path.name.startswith(".")]
    if foreign:
        raise UserError(
            f"{out} holds {len(foreign)} thing(s) that are no samples of Handful's, for example {foreign[0]}.",
            "Samples go into a folder of their own: a new one, or one that holds samples of the same set.",
            "Give another folder.",
        )
    for row in rows.values():
        if (row.run_id, row.weights_sha256) != (plan.run_id, plan.state()):
            raise UserError(
                f"{out} holds samples of {row.run_id}.",
                f"A folder holds samples of 1 set; this is {plan.run_id}, of these photos, defects and settings.",
                "Give another folder, or delete that one.",
            )
