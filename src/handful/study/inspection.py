"""What `handful inspect` is asked to do, and samples drawn class by class for it where none are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from handful.core import registry
from handful.core.artifacts import DatasetManifest, set_id
from handful.core.config import Settings, parse_settings
from handful.core.errors import UserError, unknown_name
from handful.core.labels import GOOD
from handful.core.progress import Listener, ignore
from handful.core.workspace import Workspace
from handful.dataset.part import write_part
from handful.dataset.settings import DatasetSettings
from handful.generators.base import ImageSpec, check_spec, generator_class
from handful.inspection.inspect import check_inspectors
from handful.inspection.read import Fold
from handful.inspection.settings import InspectSettings
from handful.samples.draw import draw_samples
from handful.study.flat import arrange
from handful.train.loop import train_generator
from handful.train.settings import TrainSettings

_CLASSES = "classes"


class InspectionSettings(Settings):
    """Everything that decides an inspection. A section [settings.NAME] belongs to the inspector or generator NAME."""

    samples: tuple[str, ...] = ()
    """Sets of samples: folders, or names below 4_samples; SET=LABEL where a set has no labels of its own."""
    generators: tuple[str, ...] = ()
    """Trained class by class on each fold's training photos, and drawn from, instead of or beside `samples`."""
    count: int = Field(800, ge=2)
    """Samples of each generator and fold, over the labels as the photos have them."""
    generator_seed: int = Field(0, ge=0)
    """Of every training of a generator."""
    layout: str | None = None
    """How the labels lie on disk; None finds it."""
    bit_depth: int | None = Field(None, ge=8, le=16)
    """The camera's bit depth, where the files do not say it."""
    settings: dict[str, dict[str, Any]] = {}
    """Inspector or generator -> its settings."""
    dataset: DatasetSettings = DatasetSettings()
    train: TrainSettings = TrainSettings()
    inspection: InspectSettings = InspectSettings()


_PARTS: dict[str, type[Settings]] = {
    "dataset": DatasetSettings,
    "train": TrainSettings,
    "inspection": InspectSettings,
}


def arrange_inspection(
    values: Mapping[str, Any], where: str, own: Mapping[str, Mapping[str, Any]] | None = None
) -> InspectionSettings:
    """Flat names and values as InspectionSettings.

    Args:
        values: setting name -> value; lists where the setting is a list.
        where: what they come from, for errors.
        own: inspector or generator -> settings that go before those of `values`.

    Raises:
        UserError: an unknown name (with the nearest one), a value out of range, settings of nobody.
    """
    arranged = parse_settings(InspectionSettings, arrange(values, where, InspectionSettings, _PARTS), where)
    known = (*arranged.inspection.inspectors, *arranged.generators)
    everybody = {*known, *registry.names("inspectors"), *registry.names("generators")}
    for names, allowed in ((arranged.settings, everybody), (own or {}, known)):
        for name in names:
            if name not in allowed:
                raise unknown_name("inspector or generator in this inspection", name, known, "handful inspectors")
    merged = {name: given for name, given in arranged.settings.items() if name in known}  # a recipe's others rest
    for name, changes in (own or {}).items():
        merged[name] = {**merged.get(name, {}), **changes}
    of_inspectors = {name: merged[name] for name in arranged.inspection.inspectors if name in merged}
    inspection = arranged.inspection.model_copy(update={"settings": of_inspectors})
    return arranged.model_copy(update={"settings": merged, "inspection": inspection})


def check_inspection(settings: InspectionSettings) -> None:
    """Makes sure, before anything is built, that all names exist and can do what they are told.

    Raises:
        UserError: an unknown name, or settings that it does not have.
    """
    check_inspectors(settings.inspection)
    for name in settings.generators:
        found = generator_class(registry.load("generators", name))
        parse_settings(found.settings_class, dict(settings.settings.get(name, {})), f"generator {name}")


def draw_by_class(
    work: Workspace,
    dataset: DatasetManifest,
    folds: Sequence[Fold],
    settings: InspectionSettings,
    listener: Listener = ignore,
) -> list[str]:
    """Trains every generator on every class of every fold's training photos, and draws; what is finished is kept.

    Returns:
        References for the inspection, 'RUN=LABEL'.

    Raises:
        UserError: a class with fewer photos than a generator needs, or whatever training and drawing refuse.
    """
    spec = ImageSpec(dataset.canvas.width, dataset.canvas.height, dataset.channels)
    cells = [
        (name, fold, number, label)
        for name in settings.generators
        for fold in folds
        for number, label in enumerate((GOOD, *dataset.kinds))
        if bool((fold.base.labels == number).any())
    ]
    for name, fold, number, label in cells:  # before hours of training
        photos = int(np.sum(fold.base.labels == number))
        facts = registry.load("generators", name).FACTS
        if photos < facts.least_photos:
            raise UserError(
                f"Fold {fold.number} has {photos} training photo(s) labelled {label}.",
                f"{Path(name).stem} needs at least {facts.least_photos} of each label, because it is trained on one "
                "label at a time.",
                f"Add photos of {label}, or leave out {Path(name).stem}: `handful generators` says what each needs.",
            )
        check_spec(name, facts, spec, photos)
    references = []
    for name, fold, number, label in cells:
        own = {fold.base.hashes[row] for row in np.flatnonzero(fold.base.labels == number)}
        images = [image for image in dataset.images if image.pixels_sha256 in own]
        part = write_part(work.dataset, images, work.inspection / _CLASSES / f"fold{fold.number}-{label}")
        run = train_generator(
            name, part, work.train, settings.train, dict(settings.settings.get(name, {})), settings.generator_seed,
            listener=listener,
        )  # fmt: skip
        count = max(2, round(settings.count * len(own) / len(fold.base)))
        draw_samples(
            work.train / run.run_id, work.samples / set_id(run.run_id), count, listener=listener,
            device=settings.train.device, threads=settings.train.threads,
        )  # fmt: skip
        references.append(f"{set_id(run.run_id)}={label}")
    return references
