"""A set of samples: what it was drawn from, a row for each sample, and what a sample was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ValidationError

from handful.core.artifacts.manifest import Artifact, Size
from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.provenance import SourceType

SAMPLE_ROWS = "samples.jsonl"
PASSPORTS = "passports"
MASKS = "masks"
"""Folders below a set of samples."""


class SamplePassport(Settings):
    """Which photos a sample was made from, where its generator can say."""

    file: str
    """Picture of the sources, below the folder of the set."""
    drew_on: tuple[int, ...]
    """Photos that it drew on, by their number in the set's legend."""
    novelty: float
    """Distance to the nearest training photo over that of a photo to its nearest other; 0 is a copy."""
    largest_region: float
    """Share of the largest connected region from one photo at one place."""
    most_used_photo: int
    most_used_share: float


class PassportLegend(Artifact):
    """The photos that the passports of a set count."""

    file_name: ClassVar[str] = "legend.json"
    stage: ClassVar[str] = "sample"

    photos: tuple[str, ...]
    """`DatasetImage.pixels_sha256` of photo 0, 1, ..."""
    names: tuple[str, ...] = ()
    """Their names; empty where the data set of the run has them."""


class Placement(Settings):
    """A defect, or a flawless piece, that was put into a photo."""

    kind: str
    """Of the defect; 'good' for a flawless piece."""
    defect: str
    """Name in the library; of a drawn one the way it was drawn; or 'flawless'."""
    photo: str = ""
    """Name of the photo that it was cut from; '' where it was drawn."""
    photo_pixels_sha256: str = ""
    x: int
    """Left edge of its mask in the sample, px."""
    y: int
    """Upper edge."""
    width: int
    height: int
    size: float = 1.0
    """Over that in its own photo."""
    turn_deg: float = 0.0
    """Counterclockwise."""
    flipped: tuple[bool, bool] = (False, False)
    """Left for right, up for down; before it was turned."""
    seam: float
    """Jump of the gradient at the joint, over the usual at such a place."""


class SampleRow(Settings):
    """One line of samples.jsonl."""

    file: str
    seed: int
    run_id: str
    photos_fingerprint: str
    """The run's training_fingerprint: which photos the sample can have learned from."""
    weights_sha256: str
    pixels_sha256: str
    source: str | None = None
    """Pixel hash of the one training image that the sample was made from; None where it was made from all of them, or
    where that is not known."""
    controls: dict[str, Any] = {}
    """As in the set's manifest."""
    passport: SamplePassport | None = None
    label: str = ""
    """'good' or a kind of defect; '' where nothing is known."""
    mask: str | None = None
    """Index map below the folder of the set: 0 good, k `SampleManifest.kinds[k - 1]`."""
    placements: tuple[Placement, ...] = ()
    """What was put into the photo `source`, where the sample is a photo with defects placed on it."""


class SampleManifest(Artifact):
    """A finished set of samples; samples.jsonl beside it has a SampleRow for each file."""

    file_name: ClassVar[str] = "samples.json"
    stage: ClassVar[str] = "sample"

    run_id: str
    generator: str
    anchor: bool
    source_type: SourceType
    seed: int
    """The training seed of the run."""
    first_seed: int = 0
    """The lowest seed of a sample in the set."""
    count: int
    canvas: Size
    channels: Literal[1, 3]
    bit_depth: int
    training_fingerprint: str
    training_pixels: tuple[str, ...] = ()
    """As in the run's manifest: pixel hashes of exactly the images that the samples can have learned from."""
    weights_sha256: str
    controls: dict[str, Any] = {}
    """What drawing was told, as far as it differs from the defaults; of a file its SHA-256."""
    draw: str = ""
    """Name of this way of drawing, where a run is drawn from in several."""
    kinds: tuple[str, ...] = ()
    """Kinds of defect, in the order of their numbers in masks."""
    seconds: float

    @property
    def set_id(self) -> str:
        """The run, and which of its sets."""
        return set_id(self.run_id, self.draw)

    @property
    def contestant(self) -> str:
        """Under what name the set is judged: another way of drawing is another contestant."""
        return f"{self.generator} {self.draw}" if self.draw else self.generator


def set_id(run_id: str, draw: str = "") -> str:
    """Name of a set of samples, and of its folder: the run, and which of its sets."""
    return f"{run_id}@{draw}" if draw else run_id


def read_sample_rows(folder: Path) -> dict[int, SampleRow]:
    """The rows of samples.jsonl by seed, in order of seed; of two rows with one seed the last counts.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / SAMPLE_ROWS
    try:
        rows = [SampleRow.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError, ValidationError):
        raise UserError(
            f"{path} is missing or damaged.",
            "It must have one line for each sample, as `handful sample` wrote it.",
            "Draw the samples again with `handful sample`.",
        ) from None
    return {row.seed: row for row in sorted(rows, key=lambda row: row.seed)}
