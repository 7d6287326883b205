"""Folders to score: small made images, with the manifests that the other stages would write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from handful.core.artifacts import DatasetImage, DatasetManifest, SampleManifest, SampleRow, Size
from handful.core.config import fingerprint
from handful.core.images import Integers, pixels_sha256, png_bytes

SIDE_PX = 24


def made_images(seed: int, count: int, side_px: int = SIDE_PX) -> list[Integers]:
    """Grey uint8 images: a bright bar at a random place over noise."""
    random = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        image = random.integers(40, 90, (side_px, side_px))
        left = random.integers(0, side_px - 6)
        image[:, left : left + 6] += 120
        images.append(image.astype(np.uint8))
    return images


def write_images(folder: Path, images: Sequence[Integers]) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{row:03}.png" for row in range(len(images))]
    for name, image in zip(names, images, strict=True):
        (folder / name).write_bytes(png_bytes(image, 8))
    return names


def write_dataset(
    folder: Path, images: Sequence[Integers], folds: Sequence[int | None], tiles: int = 1, alike: int = 1
) -> DatasetManifest:
    """A data set in which image i is held out in folds[i]; `tiles` images in a row are of one photo, `alike` photos in
    a row are near-duplicates."""
    names = write_images(folder / "images", images)
    manifest = DatasetManifest(
        canvas=Size(width=images[0].shape[1], height=images[0].shape[0]),
        channels=1,
        bit_depth=8,
        fit="keep",
        filter="lanczos",
        split="as stated",
        folds=max([fold for fold in folds if fold is not None], default=0) + 1,
        photo_size=Size(width=SIDE_PX, height=SIDE_PX),
        photo_folder="photos",
        images=tuple(
            DatasetImage(
                file=f"images/{name}",
                photo=names[row - row % tiles],
                pixels_sha256=pixels_sha256(image),
                group=row // (tiles * alike),
                fold=fold,
            )
            for row, (name, image, fold) in enumerate(zip(names, images, folds, strict=True))
        ),
        left_out=(),
        warnings=(),
        fingerprint=fingerprint([pixels_sha256(image) for image in images]),
    )
    manifest.write(folder)
    return manifest


def write_samples(
    folder: Path,
    images: Sequence[Integers],
    trained_on: Sequence[Integers],
    sources: Sequence[Integers | None] | None = None,
) -> SampleManifest:
    """A finished set of samples of a run that was trained on these images; `sources` are those each was made from."""
    names = write_images(folder, images)
    training_pixels = tuple(sorted(pixels_sha256(image) for image in trained_on))
    trained = fingerprint(training_pixels)
    rows = [
        SampleRow(
            file=name,
            seed=row,
            run_id="dcgan-s3-f0-12345678",
            photos_fingerprint=trained,
            weights_sha256="0" * 64,
            pixels_sha256=pixels_sha256(image),
            source=None if source is None else pixels_sha256(source),
        )
        for row, (name, image, source) in enumerate(zip(names, images, sources or [None] * len(images), strict=True))
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(row.model_dump()) + "\n" for row in rows))
    manifest = SampleManifest(
        run_id="dcgan-s3-f0-12345678",
        generator="dcgan",
        anchor=False,
        source_type="trainedAlgorithmicMedia",
        seed=3,
        count=len(images),
        canvas=Size(width=images[0].shape[1], height=images[0].shape[0]),
        channels=1,
        bit_depth=8,
        training_fingerprint=trained,
        training_pixels=training_pixels,
        weights_sha256="0" * 64,
        seconds=1.0,
    )
    manifest.write(folder)
    return manifest
