"""Cells of a comparison: one generator, one seed, one fold each; independent of one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handful.core import registry
from handful.core.artifacts import DatasetManifest, RunManifest
from handful.core.config import parse_settings
from handful.core.errors import unknown_name
from handful.core.progress import Listener, ignore
from handful.core.workspace import Workspace
from handful.generators.base import ImageSpec, check_spec, generator_class
from handful.samples.draw import draw_samples
from handful.train.loop import TrainSettings, train_generator


@dataclass(frozen=True)
class Cell:
    """One generator trained from one seed on one fold."""

    generator: str
    seed: int
    fold: int

    def __str__(self) -> str:
        return f"{Path(self.generator).stem}, seed {self.seed}, fold {self.fold}"


def plan_cells(generators: Sequence[str], seeds: Sequence[int], folds: Sequence[int]) -> list[Cell]:
    """All cells, seeds outermost: whatever is interrupted early has one full round of generators."""
    return [Cell(name, seed, fold) for seed in seeds for fold in folds for name in generators]


def check_generators(names: Sequence[str], generator_settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Makes sure, before anything is built, that every generator exists and has the settings it is given.

    Raises:
        UserError: no such generator, settings that it does not have, or settings of one that is not compared.
    """
    classes = {name: generator_class(registry.load("generators", name)).settings_class for name in names}
    for name in generator_settings:
        if name not in classes:
            raise unknown_name("compared generator", name, classes, "handful compare --help")
    for name, settings_class in classes.items():
        parse_settings(settings_class, dict(generator_settings.get(name, {})), f"generator {name}")


def check_cells(cells: Sequence[Cell], dataset: DatasetManifest) -> None:
    """Makes sure, before hours of training, that every cell can learn from the data set.

    Raises:
        UserError: a canvas, channels or too few photos that a generator cannot learn from.
    """
    spec = ImageSpec(dataset.canvas.width, dataset.canvas.height, dataset.channels)
    for cell in cells:
        facts = registry.load("generators", cell.generator).FACTS
        check_spec(cell.generator, facts, spec, len(dataset.training(cell.fold)))


def run_cell(
    cell: Cell,
    work: Path,
    train_settings: TrainSettings,
    generator_settings: Mapping[str, Mapping[str, Any]],
    samples: int,
    listener: Listener = ignore,
) -> RunManifest:
    """Trains and draws one cell; whatever of it is finished already is kept.

    Args:
        cell: what to run.
        work: the workspace, with its data set built.
        train_settings: for every cell the same.
        generator_settings: generator name -> its settings.
        samples: images to draw.
        listener: hears the events of both stages.
    """
    place = Workspace(work)
    settings = dict(generator_settings.get(cell.generator, {}))
    run = train_generator(
        cell.generator, place.dataset, place.train, train_settings, settings, cell.seed, cell.fold, listener
    )
    draw_samples(
        place.train / run.run_id,
        place.samples / run.run_id,
        samples,
        listener=listener,
        device=train_settings.device,
        threads=train_settings.threads,
    )
    return run
