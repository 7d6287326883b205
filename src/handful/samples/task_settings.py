"""The tasks of `handful apply`: what each makes, what it needs and what it can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from handful.core.config import Settings
from handful.core.errors import unknown_name
from handful.core.provenance import SourceType


class RegionSettings(Settings):
    """What both tasks that redraw a region can be told."""

    scale: int | None = Field(None, ge=1)
    """The scale that the drawing starts from, 1 to the last: the lower, the more may change; by default the middle."""
    photo: int | None = Field(None, ge=0)
    """Index of the training photo whose look it takes; by default the one most like the picture."""
    dilation_px: float = Field(7.0, ge=0, le=100)
    """How far the region grows around the mask, in pixels of the finest scale."""
    smoothing_px: float = Field(5.0, ge=0, le=100)
    """Standard deviation by which its edge is softened, in pixels of the finest scale."""


class HarmoniseSettings(RegionSettings):
    """Give a pasted part the light and texture of the photo around it."""


class EditSettings(RegionSettings):
    """Make a region that was moved, copied or painted over by hand look real."""

    dilation_px: float = Field(20.0, ge=0, le=100)
    """How far the region grows around the mask, in pixels of the finest scale."""


class PaintSettings(Settings):
    """Turn a drawing in flat colours into a photo."""

    scale: int = Field(1, ge=1)
    """The scale that the drawing stands in for, 1 to the last: the lower, the more freely it is followed."""
    photo: int | None = Field(None, ge=0)
    """Index of the training photo whose look it takes; by default the one most like the picture."""
    colours: int = Field(0, ge=0, le=64)
    """Colours of the photo that the drawing is reduced to, and for which that scale is then trained on; 0 leaves both
    out, the authors use 5."""
    steps: int = Field(2000, ge=1)
    """Iterations of that training."""


class EnlargeSettings(Settings):
    """Enlarge a picture and add the detail of the finest scale (super-resolution)."""

    factor: float = Field(4.0, gt=1, le=16)
    """How many times as wide and high."""
    photo: int | None = Field(None, ge=0)
    """Index of the training photo whose look it takes; by default the one most like the picture."""


class AnimateSettings(Settings):
    """Let a photo move: a random walk of its noise."""

    photo: int = Field(0, ge=0)
    """Index of the training photo that moves."""
    start_scale: int = Field(1, ge=0)
    """The coarsest scale that moves; the authors use 0 to 2."""
    alpha: float = Field(0.1, ge=0, le=1)
    """Pull towards the photo."""
    beta: float = Field(0.9, ge=0, le=1)
    """Inertia; the authors use 0.8 to 0.95, and more is calmer."""
    frames: int = Field(100, ge=2, le=10_000)
    """Frames of the animation."""
    frames_per_second: float = Field(10.0, gt=0, le=50)
    """Speed of the GIF."""
    format: Literal["gif", "png"] = "gif"
    """One GIF of 8 bits, or a PNG file for each frame at the photos' bit depth."""


@dataclass(frozen=True)
class Task:
    """One task."""

    settings_class: type[Settings]
    takes_pictures: bool
    takes_masks: bool
    source_type: SourceType


TASKS = {
    "harmonise": Task(HarmoniseSettings, True, True, "compositeWithTrainedAlgorithmicMedia"),
    "edit": Task(EditSettings, True, True, "compositeWithTrainedAlgorithmicMedia"),
    "paint": Task(PaintSettings, True, False, "trainedAlgorithmicMedia"),
    "enlarge": Task(EnlargeSettings, True, False, "compositeWithTrainedAlgorithmicMedia"),
    "animate": Task(AnimateSettings, False, False, "trainedAlgorithmicMedia"),
}


def find_task(name: str) -> Task:
    """Raises:
    UserError: no such task; the nearest name is offered.
    """
    if name not in TASKS:
        raise unknown_name("task", name, TASKS, "handful apply --help")
    return TASKS[name]
