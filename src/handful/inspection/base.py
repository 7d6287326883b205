"""What an inspector is: facts, settings, `fit` on labelled images, `predict` on others.

An inspector file states `FACTS`, a settings class (a subclass of `Settings`) and one subclass of `Inspector`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from handful.core import registry
from handful.core.config import Settings, parse_settings
from handful.core.errors import UserError
from handful.core.images import Floats
from handful.inspection.labelled_set import LabelledSet

Task = Literal["binary", "kinds", "masks", "anomaly"]
Weights = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class InspectorFacts:
    """What a user must know before choosing an inspector. All values are literals, read without import."""

    tasks: tuple[Task, ...]
    """binary: good or defective; kinds: which kind; masks: which pixels; anomaly: told from good images alone."""
    good_only: bool
    """It learns from the good images of what it is given and leaves the others out."""
    network: str = ""
    """The feature network that it needs; '' where none."""
    goes_on: bool = False
    """A second `fit` goes on from the first. False: it starts anew."""
    least_good: int = 1
    """Fewest good training images."""
    least_defective: int = 1
    """Fewest defective training images, of whatever kind."""
    needs_masks: bool = False
    """It learns from outlined defects only."""


@dataclass(frozen=True)
class Predictions:
    """What an inspector says of n images; of each whatever its neighbours are."""

    defect: npt.NDArray[np.float64]
    """(n,): higher is more surely defective. Comparable within one fitted inspector only."""
    kinds: npt.NDArray[np.float64] | None
    """(n, 1 + k): probabilities of good, of kind 1, ...; None where it tells no kinds."""
    maps: Floats | None
    """(n, h, w) at the images' size: higher is more surely part of a defect; None where it tells no places."""


class Inspector(ABC):
    """A method that learns from labelled images and inspects others.

    Bit for bit the same on one machine with one number of threads, for equal settings, seed and training images.
    """

    settings_class: ClassVar[type[Settings]]
    """Of a method trained by gradient it has `steps` and `batch_images`: their product is the training budget,
    whatever the number of training images."""

    def __init__(self, settings: Settings, seed: int, device: str = "cpu", cache: Path | None = None) -> None:
        """Args:
        settings: an instance of `settings_class`.
        seed: decides initial weights and every draw.
        device: where networks run, as `core.device` names it.
        cache: folder where features are kept by content; None keeps none.
        """
        self.seed = seed
        self.device = device
        self.cache = cache

    @abstractmethod
    def fit(self, train: LabelledSet, weights: Weights | None = None) -> None:
        """Learns.

        Args:
            train: images with labels.
            weights: (n,), at least 0: how much each image counts beside the others of its class; one of weight 0 is
                left out. None: all the same.

        Raises:
            UserError: too few images, or no masks where they are needed.
        """

    @abstractmethod
    def predict(self, images: Floats) -> Predictions:
        """Inspects images (n, c, h, w) in [-1, 1], n >= 1, of the size that `fit` saw."""


def build_inspector(
    name: str, values: Mapping[str, Any], seed: int, device: str = "cpu", cache: Path | None = None
) -> Inspector:
    """An inspector by its name, or by the path of a file that ends in .py.

    Args:
        name: one of `handful inspectors`, or a path.
        values: setting name -> value; strings are read as the field's type.
        seed: as for `Inspector`.
        device: as for `Inspector`.
        cache: as for `Inspector`.

    Raises:
        UserError: no such inspector, no such setting, or a value out of range.
    """
    chosen = inspector_class(registry.load("inspectors", name))
    settings = parse_settings(chosen.settings_class, dict(values), f"inspector {Path(name).stem}")
    return chosen(settings, seed, device, cache)


def inspector_class(module: ModuleType) -> type[Inspector]:
    """The one Inspector subclass that an inspector file defines.

    Raises:
        UserError: it defines none, or several.
    """
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Inspector) and value.__module__ == module.__name__
    ]
    if len(found) != 1 or not isinstance(getattr(module, "FACTS", None), InspectorFacts):
        raise UserError(
            f"{module.__file__} defines {len(found)} inspector classes and "
            f"{'a' if hasattr(module, 'FACTS') else 'no'} FACTS.",
            "An inspector file states FACTS = InspectorFacts(...) and defines exactly one subclass of Inspector.",
            "Correct the file; `handful inspectors` lists those that work.",
        )
    return found[0]


def usable_rows(name: str, facts: InspectorFacts, train: LabelledSet, weights: Weights | None) -> npt.NDArray[np.intp]:
    """The rows that an inspector learns from: those of weight above 0; of these the good ones alone where it learns
    from nothing else, and no defective one without an outline where it learns from outlines.

    Raises:
        UserError: they are too few, defects are not outlined, or weights are not one non-negative number an image.
    """
    if weights is not None and (weights.shape != (len(train),) or not np.all(weights >= 0)):
        raise UserError(
            f"{name} was given weights of shape {weights.shape}"
            + (f", the least of them {weights.min():g}." if weights.size else "."),
            f"There are {len(train)} images, and each needs one weight of at least 0.",
            "Give one weight an image, or none at all.",
        )
    if facts.needs_masks and train.masks is None:
        raise UserError(
            f"Of {len(train)} training images, 0 have their defects outlined.",
            f"{name} learns from masks, one of each image's size.",
            "Add masks beside the photos, or choose an inspector that needs none: `handful inspectors`.",
        )
    counted = np.ones(len(train), dtype=bool) if weights is None else weights > 0
    if facts.needs_masks and train.masks is not None:
        counted &= (train.labels == 0) | train.masks.any(axis=(1, 2))
    rows = np.flatnonzero(counted)
    good = int(np.sum(train.labels[rows] == 0))
    for found, least, word in (
        (good, facts.least_good, "good"),
        (len(rows) - good, facts.least_defective, "outlined defective" if facts.needs_masks else "defective"),
    ):
        if found < least:
            raise UserError(
                f"There are {found} {word} training images.",
                f"{name} needs at least {least} {word}.",
                f"Add {word} photos to the training side, or choose an inspector that needs fewer: "
                "`handful inspectors`.",
            )
    return rows[train.labels[rows] == 0] if facts.good_only else rows
