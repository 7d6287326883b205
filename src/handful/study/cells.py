"""Cells of a comparison: one generator, one seed, one fold each; independent of one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handful.core import registry
from handful.core.artifacts import DatasetManifest, RunManifest, set_id
from handful.core.config import parse_settings
from handful.core.errors import unknown_name
from handful.core.progress import Listener
from handful.core.workspace import Workspace
from handful.generators.base import ImageSpec, check_spec, generator_class, parse_controls
from handful.samples.draw import draw_samples
from handful.study.plan import CompareSettings
from handful.train.loop import train_generator


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


def check_generators(settings: CompareSettings) -> None:
    """Makes sure, before anything is built, that every generator exists and can do what it is told.

    Raises:
        UserError: no such generator, settings or controls that it does not have, or those of one that is not compared.
    """
    classes = {name: generator_class(registry.load("generators", name)) for name in settings.generators}
    for name in (*settings.settings, *settings.training, *settings.draws):
        if name not in classes:
            raise unknown_name("compared generator", name, classes, "handful compare --help")
    for name, found in classes.items():
        parse_settings(found.settings_class, dict(settings.settings.get(name, {})), f"generator {name}")
        settings.train_settings(name)
        for controls in settings.draws.get(name, {}).values():
            parse_controls(found, name, controls)


def check_cells(cells: Sequence[Cell], dataset: DatasetManifest, settings: CompareSettings) -> None:
    """Makes sure, before hours of training, that every cell can learn from the data set.

    Raises:
        UserError: a canvas, channels or too few photos that a generator cannot learn from.
    """
    spec = ImageSpec(dataset.canvas.width, dataset.canvas.height, dataset.channels)
    for cell in cells:
        facts = registry.load("generators", cell.generator).FACTS
        images = len(dataset.training(cell.fold))
        check_spec(
            cell.generator, facts, spec, min(images, settings.train_settings(cell.generator).most_photos or images)
        )


def run_cell(
    cell: Cell,
    listener: Listener,
    work: Path,
    settings: CompareSettings,
    threads: int | None = None,
) -> RunManifest:
    """Trains and draws one cell; whatever of it is finished already is kept.

    Args:
        cell: what to run.
        listener: hears the events of both stages.
        work: the workspace, with its data set built.
        settings: of the comparison.
        threads: CPU threads; None leaves them to the runtime.
    """
    place = Workspace(work)
    train = settings.train_settings(cell.generator).model_copy(update={"threads": threads})
    own = dict(settings.settings.get(cell.generator, {}))
    run = train_generator(cell.generator, place.dataset, place.train, train, own, cell.seed, cell.fold, listener)
    for name, controls in all_draws(settings, cell.generator).items():
        draw_samples(
            place.train / run.run_id,
            place.samples / set_id(run.run_id, name),
            settings.samples,
            listener=listener,
            device=train.device,
            threads=threads,
            controls=controls,
            draw=name,
        )
    return run


def all_draws(settings: CompareSettings, generator: str) -> dict[str, dict[str, Any]]:
    """Every way of drawing from a generator's runs, name -> controls: as `sample` draws, '', and those asked for."""
    return {"": {}, **settings.draws.get(generator, {})}
