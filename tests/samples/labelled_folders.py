"""A workspace with a labelled data set and a set of samples, made without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from handful.core.artifacts import (
    SAMPLE_ROWS,
    DatasetImage,
    DatasetManifest,
    SampleManifest,
    SampleRow,
    Size,
)
from handful.core.images import pixels_sha256, png_bytes
from handful.core.labels import label_of
from handful.core.provenance import generated_texts, generated_xmp

Maps = Sequence[np.ndarray]


def pixels(seed: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def make_dataset(folder: Path, maps: Maps, kinds: tuple[str, ...], heldout: int) -> DatasetManifest:
    """Photos with these index maps; the last `heldout` of them are held out."""
    images = []
    for number, found in enumerate(maps):
        photo = pixels(number, found.shape)
        write(folder / f"images/p{number}.png", png_bytes(photo, 8))
        label = label_of(found.astype(np.uint8), kinds)
        mask = None if label == "good" else f"masks/p{number}.png"
        if mask:
            write(folder / mask, png_bytes(found.astype(np.uint8), 8))
        fold = 0 if number >= len(maps) - heldout else None
        images.append(
            DatasetImage(file=f"images/p{number}.png", photo=f"p{number}.jpg", pixels_sha256=pixels_sha256(photo),
                         group=number, fold=fold, label=label, mask=mask)
        )  # fmt: skip
    size = Size(width=maps[0].shape[1], height=maps[0].shape[0])
    manifest = DatasetManifest(
        canvas=size, channels=1, bit_depth=8, fit="keep", filter="box", split="by hand", folds=1, photo_size=size,
        photo_folder="/photos", images=tuple(images), left_out=(), kinds=kinds, warnings=(), fingerprint="f" * 64,
    )  # fmt: skip
    manifest.write(folder)
    return manifest


def make_samples(
    folder: Path,
    maps: Maps,
    kinds: tuple[str, ...],
    trained_on: Sequence[str] = (),
    labelled: bool = True,
    first: int = 500,
) -> SampleManifest:
    """Samples with these index maps; seed i has the pixels of `pixels(i)`."""
    rows = []
    for seed, found in enumerate(maps, start=first):
        image = pixels(seed, found.shape)
        texts = generated_texts("cutter", "cutter-1", seed)
        png = png_bytes(image, 8, texts, generated_xmp("compositeWithTrainedAlgorithmicMedia"))
        write(folder / f"{seed:06d}.png", png)
        label = label_of(found.astype(np.uint8), kinds)
        mask = f"masks/{seed:06d}.png" if labelled and label != "good" else None
        if mask:
            write(folder / mask, png_bytes(found.astype(np.uint8), 8))
        rows.append(
            SampleRow(file=f"{seed:06d}.png", seed=seed, run_id="cutter-1", photos_fingerprint="p" * 64,
                      weights_sha256="w" * 64, pixels_sha256=pixels_sha256(image), label=label if labelled else "",
                      mask=mask)
        )  # fmt: skip
    write(folder / SAMPLE_ROWS, "".join(row.model_dump_json() + "\n" for row in rows).encode())
    manifest = SampleManifest(
        run_id="cutter-1", generator="cutter", anchor=False, source_type="compositeWithTrainedAlgorithmicMedia", seed=0,
        first_seed=first, count=len(rows), canvas=Size(width=maps[0].shape[1], height=maps[0].shape[0]), channels=1,
        bit_depth=8, training_fingerprint="p" * 64, training_pixels=tuple(trained_on), weights_sha256="w" * 64,
        kinds=kinds, seconds=0.0,
    )  # fmt: skip
    manifest.write(folder)
    return manifest
