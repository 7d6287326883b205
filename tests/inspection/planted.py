"""Workspaces with planted samples: what is good for an inspector, what is not, and what harms it, is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import (
    SAMPLE_ROWS,
    DatasetImage,
    DatasetManifest,
    SampleManifest,
    SampleRow,
    Size,
    training_fingerprint,
)
from handful.core.images import integers_to_unit, pixels_sha256, png_bytes
from handful.core.workspace import Workspace

INSPECTOR = str(Path(__file__).with_name("tiny_inspector.py"))
SIDE_PX = 10
Pixels = npt.NDArray[np.uint8]


def draw(label: int, count: int, seed: int, strength: float = 9.0) -> list[Pixels]:
    """The process: grey noise, and where defective a faint fixed pattern. Too faint to be learned from few photos."""
    pattern = np.random.default_rng(99).choice((-1.0, 1.0), (SIDE_PX, SIDE_PX))
    random = np.random.default_rng([seed, label])
    images = 128 + 40 * random.normal(size=(count, SIDE_PX, SIDE_PX)) + strength * label * pattern
    return [np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in images]


def plant_photos(
    root: Path, training: tuple[int, int] = (24, 12), test: tuple[int, int] = (80, 80), folds: int = 1, seed: int = 0
) -> Workspace:
    """A workspace with a labelled data set: (good, defective) photos to train on, and in each fold held out."""
    work = Workspace(root)
    images: list[DatasetImage] = []
    (work.dataset / "images").mkdir(parents=True)
    places = [(None, training), *((fold, test) for fold in range(folds))]
    for fold, counts in places:
        for label, count in enumerate(counts):
            drawn = draw(label, count, seed + 1000 * (1 + (-1 if fold is None else fold)))
            for pixels in drawn:
                number = len(images)
                file = f"images/{number:04d}.png"
                (work.dataset / file).write_bytes(png_bytes(pixels, 8))
                images.append(
                    DatasetImage(
                        file=file, photo=f"{number:04d}.png", pixels_sha256=pixels_sha256(pixels), group=number,
                        fold=fold, label=("good", "pit")[label],
                    )
                )  # fmt: skip
    DatasetManifest(
        canvas=Size(width=SIDE_PX, height=SIDE_PX), channels=1, bit_depth=8, fit="keep", filter="bicubic",
        split="planted", folds=folds, photo_size=Size(width=SIDE_PX, height=SIDE_PX), photo_folder=str(root),
        images=tuple(images), left_out=(), kinds=("pit",), warnings=(), fingerprint="planted",
    ).write(work.dataset)  # fmt: skip
    return work


def plant_samples(
    work: Workspace,
    name: str,
    samples: Sequence[tuple[int, Sequence[Pixels]]],
    seen: Sequence[str] | None = None,
    labelled: bool = True,
) -> str:
    """A finished set of (label, images), from a generator that saw the training photos, or those with `seen` hashes."""
    dataset = DatasetManifest.read(work.dataset)
    trained = dataset.training(0) if seen is None else [one for one in dataset.images if one.pixels_sha256 in seen]
    folder = work.samples / name
    folder.mkdir(parents=True)
    rows = []
    for label, images in samples:
        for pixels in images:
            seed = len(rows)
            (folder / f"{seed:06d}.png").write_bytes(png_bytes(pixels, 8))
            rows.append(
                SampleRow(
                    file=f"{seed:06d}.png", seed=seed, run_id=name, photos_fingerprint="", weights_sha256="",
                    pixels_sha256=pixels_sha256(pixels), label=("good", *dataset.kinds)[label] if labelled else "",
                )
            )  # fmt: skip
    (folder / SAMPLE_ROWS).write_text("".join(row.model_dump_json() + "\n" for row in rows))
    SampleManifest(
        run_id=name, generator=name, anchor=False, source_type="trainedAlgorithmicMedia", seed=0, count=len(rows),
        canvas=dataset.canvas, channels=1, bit_depth=8, training_fingerprint=training_fingerprint(trained),
        training_pixels=tuple(one.pixels_sha256 for one in trained), weights_sha256="",
        kinds=dataset.kinds, seconds=0.0,
    ).write(folder)  # fmt: skip
    return name


def new_draws(count: int, seed: int = 7) -> list[tuple[int, list[Pixels]]]:
    """The best that a generator can do: the process itself, drawn again."""
    return [(label, draw(label, count, seed)) for label in (0, 1)]


def rough(images: Sequence[Pixels], amplitude: float = 60.0) -> list[Pixels]:
    """A trace: the images with more of the highest frequency."""
    checks = amplitude * (-1.0) ** np.add.outer(*map(np.arange, images[0].shape))
    random = np.random.default_rng(3)
    signs = random.choice((-1, 1), len(images))
    return [np.clip(image + sign * checks, 0, 255).astype(np.uint8) for image, sign in zip(images, signs, strict=True)]


def unit(images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
    """As the convention has it, (n, 1, h, w)."""
    return np.stack([integers_to_unit(image, 8) for image in images])
