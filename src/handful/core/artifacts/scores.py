"""The scores of a set of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from handful.core.artifacts.manifest import Artifact
from handful.core.config import Settings
from handful.core.workspace import write_atomically


class Score(Settings):
    """One number with its interval."""

    name: str
    value: float
    low: float | None = None
    """Lower end of the 95 % interval over images; None where none can be given."""
    high: float | None = None
    n_reference: int
    m_samples: int
    notes: tuple[str, ...] = ()
    """When not to trust the number, each one sentence."""
    details: dict[str, float] = {}
    per_photo: tuple[float, ...] = ()
    """What each reference photo adds (near-duplicates together count as one), in the same order whatever the score and
    the feature space; their mean is the value. Two cards on the same photos can so be compared photo by photo. Empty
    where a score is no mean over photos."""


class ScoreCard(Artifact):
    """All scores of one set of samples under one protocol. Cards of different protocols are never joined."""

    file_name: ClassVar[str] = "{protocol}.json"
    stage: ClassVar[str] = "score"

    protocol: str
    protocol_fingerprint: str
    protocol_plan: dict[str, Any]
    """The whole protocol: reference, networks by content hash, resize, sample count, versions."""
    run_id: str
    """`set_id` of the samples."""
    generator: str
    """`contestant` of the samples."""
    anchor: bool
    of_photos: bool = False
    """Its 'samples' are photos, as they are, blurred or noisy: they fix the scale, and no generator made them."""
    seed: int | None
    fold: int
    dataset_fingerprint: str
    scores: tuple[Score, ...]
    left_out: dict[str, str] = {}
    """Score that could not be given -> why: too few images, images too small, a network that is not here."""
    notes: tuple[str, ...] = ()
    """What holds for all its scores, each one sentence."""
    worst: tuple[str, ...]
    """Sample files farthest from the reference photos, worst first; empty on a card without features."""
    nearest: tuple[tuple[str, str, float], ...]
    """(sample file, training image file, distance): the samples nearest to a training photo, nearest first; empty on a
    card without features."""
    seconds: float

    def write(self, folder: Path) -> None:
        path = folder / f"{self.protocol}.json"
        write_atomically(path, (self.model_dump_json(indent=2) + "\n").encode())
