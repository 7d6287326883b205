"""A run: one training of one generator."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from handful.core.artifacts.manifest import Artifact, Size
from handful.core.config import Settings
from handful.core.provenance import SourceType


class Alarm(Settings):
    """Something went wrong in training, said in words."""

    kind: Literal["divergence", "collapse"]
    step: int
    words: str


class RunManifest(Artifact):
    """One training of one generator."""

    file_name: ClassVar[str] = "run.json"
    stage: ClassVar[str] = "train"

    run_id: str
    generator: str
    """Name, or path of a generator file of the user's own."""
    generator_settings: dict[str, Any]
    train_settings: dict[str, Any]
    """Budget, batch, EMA, augmentation, precision and the like, as resolved at the first start."""
    seed: int
    fold: int
    dataset_folder: str
    """Absolute path of the dataset folder the run read."""
    dataset_fingerprint: str
    training_fingerprint: str
    """Over the pixel hashes of exactly the images trained on."""
    training_pixels: tuple[str, ...] = ()
    """Those hashes themselves (`DatasetImage.pixels_sha256`), sorted; the judge refuses to hold one of them out."""
    training_order: tuple[str, ...] = ()
    """The same hashes in the order in which the generator was given the images."""
    canvas: Size
    channels: Literal[1, 3]
    bit_depth: int
    training_images: int
    kinds: tuple[str, ...] = ()
    """Kinds of defect, in the order of their numbers in the masks of the training images."""
    label: str = ""
    """The label that all training images have; '' where they differ or have none."""
    source_type: SourceType
    anchor: bool
    """True for methods that only anchor a comparison (copies, classic)."""
    status: Literal["running", "finished", "stopped"]
    """'stopped': an alarm ended it at the last good checkpoint."""
    alarms: tuple[Alarm, ...] = ()
    steps: int = 0
    images_seen: int = 0
    seconds: float = 0.0
    """Training time over all sessions, without pauses."""
    checkpoint: str | None = None
    """The final checkpoint, below the run folder."""
    weights_sha256: str | None = None
    """Of the tensors that samples are drawn from."""
    notes: tuple[str, ...] = ()
    """What the generator found about its photos and how it will draw, each one sentence."""
    device: str = ""
    versions: dict[str, str] = {}
