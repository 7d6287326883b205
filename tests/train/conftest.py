"""A tiny data set made in memory, and a training of the tiny generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from handful.core.artifacts import DatasetImage, DatasetManifest, RunManifest, Size
from handful.core.images import pixels_sha256, png_bytes
from handful.core.seeds import numpy_stream
from handful.core.workspace import write_atomically
from handful.train.loop import TrainSettings, train_generator

HERE = Path(__file__).parent
TINY = str(HERE / "tiny_generator.py")
MEMORY = str(HERE / "tiny_memory.py")

DatasetMaker = Callable[..., Path]
TinyTraining = Callable[..., RunManifest]


@pytest.fixture(autouse=True)
def process_settings_kept() -> Iterator[None]:
    """One thread a test, and what `start_runtime` sets is set back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)


def write_dataset(
    folder: Path, photos: int = 6, heldout: int = 0, channels: Literal[1, 3] = 1, width: int = 16, height: int = 12
) -> Path:
    """A data set of random images, the last `heldout` of them held out in fold 0."""
    random = numpy_stream(photos, "tiny data set")
    images = []
    for index in range(photos):
        pixels = random.integers(0, 256, (height, width) if channels == 1 else (height, width, 3), dtype=np.uint8)
        name = f"photo{index:03d}.png"
        write_atomically(folder / "images" / name, png_bytes(pixels, 8))
        fold = 0 if index >= photos - heldout else None
        images.append(
            DatasetImage(file=f"images/{name}", photo=name, pixels_sha256=pixels_sha256(pixels), group=index, fold=fold)
        )
    DatasetManifest(
        canvas=Size(width=width, height=height),
        channels=channels,
        bit_depth=8,
        fit="keep",
        filter="box",
        split="by hand",
        folds=1,
        photo_size=Size(width=width, height=height),
        photo_folder=str(folder),
        images=tuple(images),
        left_out=(),
        warnings=(),
        fingerprint=f"{photos}-{heldout}-{channels}",
    ).write(folder)
    return folder


@pytest.fixture
def make_dataset(tmp_path: Path) -> DatasetMaker:
    """Writes a tiny data set into 2_dataset."""
    return partial(write_dataset, tmp_path / "2_dataset")


@pytest.fixture(scope="module")
def module_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photos, shared by a whole test file."""
    return write_dataset(tmp_path_factory.mktemp("shared") / "2_dataset")


@pytest.fixture
def train_tiny(tmp_path: Path) -> TinyTraining:
    """Trains the tiny generator in 3_train with a few settings; generator settings go in `own`."""

    def run(
        dataset: Path, own: dict[str, Any] | None = None, generator: str = TINY, out: str = "3_train", **settings: Any
    ) -> RunManifest:
        listener = settings.pop("listener", None)
        seed = settings.pop("seed", 0)
        plain = {"budget": "8steps", "batch": 4, "preview_images": 4, "forecast": False, "precision": "fp32"}
        arguments = {} if listener is None else {"listener": listener}
        chosen = TrainSettings(**(plain | settings))
        return train_generator(generator, dataset, tmp_path / out, chosen, own, seed=seed, **arguments)

    return run
