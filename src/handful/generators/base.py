"""What a generator is: facts, settings, networks, one step, sampling.

A generator file states `FACTS`, a settings class (a subclass of `Settings`) and one subclass of `Generator`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from handful.core.config import Settings, parse_settings
from handful.core.errors import UserError
from handful.core.provenance import SourceType


@dataclass(frozen=True)
class Facts:
    """What a user must know before choosing a generator. All values are literals, read without import."""

    least_photos: int
    """Fewest training photos it accepts."""
    least_side_px: int
    """Shortest canvas side it can make."""
    trains: bool
    """False: `prepare` is all it does."""
    source_type: SourceType
    """IPTC digital source type of its samples."""
    anchor: bool = False
    """True: it only anchors a comparison and is never ranked."""
    one_photo_at_a_time: bool = False
    """True: it learns each photo by itself, an equal share of the budget each, and has a `join`."""


@dataclass(frozen=True)
class ImageSpec:
    """The images to make: canvas in pixels, 1 or 3 channels."""

    width: int
    height: int
    channels: int


@dataclass(frozen=True)
class Clock:
    """Where training stands. Schedules depend on it alone, so a resumed run sees the same ones."""

    step: int
    """Steps done before this one."""
    images: int
    """Images seen before this step."""
    progress: float
    """Share of the budget used, 0 to 1."""
    random: torch.Generator
    """This step's own stream of random numbers, on the CPU."""


@dataclass(frozen=True)
class Passport:
    """Which training photos a sample was made from. Photos go by their number in the order that `prepare` saw."""

    picture: Any
    """Integers (rows, columns), uint8 or uint16: a map that opens as a picture; `facts` say how to read it. On top and
    to the left lies a map of as many rows and columns as `facts["levels"][0]` says: the number of the photo that gave
    most of each place."""
    facts: dict[str, Any]
    """What rebuilding the sample takes beyond the picture; plain JSON values."""
    drew_on: tuple[int, ...]
    """Every photo that the sample drew on, even a little."""
    novelty: float
    """Distance to the nearest training photo over that of a photo to its nearest other."""
    largest_region: float
    """Share of the largest connected region from one photo at one place."""
    most_used_photo: int
    most_used_share: float
    """Share of the sample for which that photo gave most."""


Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Differentiable augmentation (n, c, h, w) -> (n, c, h, w), applied to photos and samples alike."""


class Stateful(Protocol):
    """What a checkpoint can hold: a network or an optimiser."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


@dataclass(frozen=True)
class Growth:
    """How the steps of a method that grows compare with its first step."""

    cost: float = 1.0
    """Of the mean step over the whole budget, as a multiple of the first step's."""
    most_step_bytes: int = 0
    """Memory of the largest step; 0 where no step is larger than the first."""
    words: str = ""
    """What decides the cost, and how to plan shorter; for the user."""


class Generator(ABC):
    """A method that learns from photos and draws images.

    `__init__` builds networks and optimisers on the CPU; it touches no file and no photo. The caller moves
    the generator with `to` before `prepare`.
    """

    settings_class: ClassVar[type[Settings]]
    controls_class: ClassVar[type[Settings] | None] = None
    """What drawing can be told (size, where to start, ...); None where it cannot be told anything. Every control has
    a default, and all defaults together draw what `sample` draws."""
    alone: ClassVar[bool] = False
    """True: an image is computed alone, the same bits whatever else is asked for, so that a single one need not be
    drawn beside its usual neighbours."""
    averaged: ClassVar[tuple[str, ...]] = ()
    """Names among `modules()` whose weights are averaged over training (EMA) and used for sampling."""

    def __init__(self, settings: Settings, spec: ImageSpec, seed: int) -> None:
        """Args:
        settings: an instance of `settings_class`.
        spec: the images to make.
        seed: decides the initial weights.
        """
        self.spec = spec
        self.device = torch.device("cpu")

    @abstractmethod
    def prepare(self, photos: Tensor) -> None:
        """Sees the training set once: (n, c, h, w) in [-1, 1]. Called before the first step, and not on resume."""

    def prepare_masks(self, masks: Tensor) -> None:  # noqa: B027
        """Takes the index maps of `prepare`'s photos, right after it and where every photo has one; not on resume.

        Args:
            masks: (n, h, w) uint8: 0 good, k the k-th kind of defect.
        """

    def step(self, batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
        """Learns from one batch (b, c, h, w) in [-1, 1]; returns named losses as 0-d tensors, detached.

        Raises:
            NotImplementedError: the method does not train (`FACTS.trains` is False).
        """
        raise NotImplementedError(f"{type(self).__name__} does not train")

    @abstractmethod
    def sample(self, seeds: Sequence[int]) -> Tensor:
        """Images (len(seeds), c, h, w) in [-1, 1]; image i depends on seeds[i] alone.

        Bit for bit that holds on one machine with one number of threads, for equal weights and an equal position of
        the seed in the batch; elsewhere sums may round differently.
        """

    def check_controls(self, controls: Settings) -> None:  # noqa: B027
        """Refuses, before anything is drawn, what this run cannot follow. Called where it will draw, after `to`.

        Args:
            controls: an instance of `controls_class`.

        Raises:
            UserError: a scale that this run lacks, a size beyond memory, and the like.
        """

    def sample_controlled(self, seeds: Sequence[int], controls: Settings) -> Tensor:
        """As `sample`, under controls that `check_controls` let pass; all images have one size.

        Raises:
            NotImplementedError: the method takes no controls (`controls_class` is None).
        """
        raise NotImplementedError(f"{type(self).__name__} takes no controls")

    def growth(self, timed: bool) -> Growth:
        """How its later steps compare with its first, once `prepare` has seen the photos.

        Args:
            timed: whether the budget is a time and not a number of steps.
        """
        return Growth()

    def join(self, members: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
        """Takes the states of generators that were trained on one photo each, after `prepare` has seen all photos.

        Args:
            members: module name -> state, of the first photos in their order; not of all, where one ended early.

        Raises:
            NotImplementedError: photos are not learned by themselves (`FACTS.one_photo_at_a_time` is False).
        """
        raise NotImplementedError(f"{type(self).__name__} learns from all photos together")

    @property
    def finished(self) -> bool:
        """Whether further steps would change nothing worth having: training then ends before its budget."""
        return False

    def sources(self, seeds: Sequence[int], controls: Settings | None = None) -> Sequence[int] | None:
        """For each seed the index, in `prepare`'s photos, of the one photo that its sample is made from.

        Args:
            seeds: as for `sample`.
            controls: those that the samples were drawn under; None for `sample`.

        Returns:
            None where a sample is made from no single photo, which is the rule.
        """
        return None

    def notes(self) -> tuple[str, ...]:
        """What was found about the photos and how samples will be drawn, each one sentence; asked after `prepare`."""
        return ()

    def masks(self) -> Mapping[int, Tensor]:
        """Index maps (h, w) uint8 of the images that the last call of `sample` or `sample_controlled` drew, by seed;
        empty where the photos had none, or where the method cannot carry them along."""
        return {}

    def passports(self) -> Mapping[int, Passport]:
        """Of the images that the last call of `sample` or `sample_controlled` drew, by seed; empty where the method
        cannot say what an image was made from."""
        return {}

    def passport_photos(self) -> Iterable[Tensor]:
        """The photos, each (c, h, w) in [-1, 1], that passports count, in their order.

        Raises:
            NotImplementedError: the method gives no passports.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no passports")

    @abstractmethod
    def modules(self) -> dict[str, Stateful]:
        """Everything a checkpoint must hold, by stable name."""

    def to(self, device: torch.device, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        """Moves every network to the device and memory format."""
        self.device = device
        for module in self.modules().values():
            if isinstance(module, torch.nn.Module):
                module.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]


def generator_class(module: ModuleType) -> type[Generator]:
    """The one Generator subclass that a generator file defines.

    Raises:
        UserError: it defines none, or several.
    """
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Generator) and value.__module__ == module.__name__
    ]
    if len(found) != 1 or not isinstance(getattr(module, "FACTS", None), Facts):
        raise UserError(
            f"{module.__file__} defines {len(found)} generator classes and "
            f"{'a' if hasattr(module, 'FACTS') else 'no'} FACTS.",
            "A generator file states FACTS = Facts(...) and defines exactly one subclass of Generator.",
            "Correct the file; examples/ shows one that works.",
        )
    return found[0]


def check_spec(name: str, facts: Facts, spec: ImageSpec, photos: int) -> None:
    """Refuses a data set that a generator cannot learn from.

    Raises:
        UserError: too few photos, or a canvas too small.
    """
    if photos < facts.least_photos:
        raise UserError(
            f"This data set has {photos} training photo(s).",
            f"{name} needs at least {facts.least_photos}.",
            "Add photos and run `handful dataset` again, or choose a generator that needs fewer: `handful generators`.",
        )
    if min(spec.width, spec.height) < facts.least_side_px:
        raise UserError(
            f"The canvas is {spec.width}x{spec.height}.",
            f"{name} needs at least {facts.least_side_px} pixels on the short side.",
            "Build the data set again with a larger --canvas.",
        )


def parse_controls(generator: Generator | type[Generator], name: str, values: Mapping[str, Any]) -> Settings | None:
    """Controls from plain values; None where they say nothing but defaults, that is, where `sample` draws.

    Args:
        generator: the one that will draw.
        name: its name, for the errors.
        values: control name -> value; strings are read as the field's type.

    Raises:
        UserError: it takes none, an unknown name, or a value out of range.
    """
    name = Path(name).stem
    if not values:
        return None
    if generator.controls_class is None:
        raise UserError(
            f"{name} was given {', '.join(values)} to draw by.",
            "It takes 0 controls: its seed alone decides a sample.",
            "Leave --set out, or draw from a generator with controls: `handful generators NAME` lists them.",
        )
    controls = parse_settings(generator.controls_class, dict(values), f"drawing from {name}")
    return controls if controls != generator.controls_class() else None


def losses_to_floats(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Losses as plain numbers, for events."""
    return {name: float(value) for name, value in losses.items()}
