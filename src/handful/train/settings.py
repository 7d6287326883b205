"""What can be set about training, whatever the generator."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, field_validator

from handful.core.config import Settings
from handful.train.augment import Operation
from handful.train.budget import parse_budget


def _split_names(value: Any) -> Any:
    """Takes "flip,color" from a command line as ("flip", "color")."""
    return tuple(filter(None, value.split(","))) if isinstance(value, str) else value


class TrainSettings(Settings):
    """Settings of the training loop. Those in `ONLY_HOW` say how the work is done, not what comes out, and may
    change between two sessions of one run; all others are part of the run's identity."""

    ONLY_HOW: ClassVar[frozenset[str]] = frozenset({"threads", "forecast", "checkpoint_every_s"})

    budget: str = "3min"
    """How long to train: 90s, 3min, 1h, 500steps, 2000images or 300epochs."""
    batch: int = Field(16, ge=1)
    """Images a step; more than there are photos means that photos repeat within a batch."""
    most_photos: int | None = Field(None, ge=1)
    """Train on at most so many of the training photos, taken evenly in file order; None takes all."""
    augment: Annotated[tuple[Operation, ...], BeforeValidator(_split_names)] = ()
    """Differentiable augmentations of photos and samples alike: classic, flip, color, translation, cutout,
    relight (gain and slow gradient, as far as those of the photos differ)."""
    augment_photos: Annotated[tuple[Operation, ...], BeforeValidator(_split_names)] = ()
    """The same operations on the photos of a batch alone, as is usual for classifiers. What they change the generator
    learns to draw. Methods that do not look at batches (singan) leave them out."""
    ema: bool = True
    """Sample from averaged weights."""
    ema_half_life_images: float = Field(1000.0, gt=0)
    """Images after which a weight's share in the average has halved."""
    ema_ramp_up: float = Field(0.05, gt=0)
    """The half-life is at most this share of the images seen so far, so that early weights are soon forgotten."""
    checkpoint_every_s: float = Field(60.0, gt=0)
    """Seconds between checkpoints: at most this much work is lost to a kill."""
    preview_images: int = Field(16, ge=0, le=64)
    """Samples in a preview; 0 for no previews. The collapse alarm looks at previews and needs at least 2."""
    collapse_threshold: float = Field(0.1, ge=0)
    """Alarm when samples differ from each other less than this share of how photos do; 0 turns it off."""
    forecast: bool = True
    """Time a trial step first, say how long all will take, and refuse what does not fit into memory."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: str = "auto"
    """auto, fp32 or bf16; what auto chose at the first start holds for the whole run."""
    threads: int | None = None
    """CPU threads of one operation."""
    deterministic: bool = False
    """Refuse operations whose result may differ between two runs."""
    tuned: bool = True
    """Allocator, memory format and precision as this machine runs them fastest."""

    @field_validator("budget")
    @classmethod
    def _budget_can_be_read(cls, text: str) -> str:
        parse_budget(text)
        return text
